// The page's own program: gives the curves to the chart library, follows theme, width and print, and obeys keys.

/**
 * Plain JavaScript for browsers, put into the page as it stands. It needs the chart library's `uPlot` and the element
 * `charts` with the data, a list of CurveChart. `window.underloopCharts` has what it has drawn, for tests.
 */
export const pageScript = String.raw`'use strict';
(() => {
  const charts = JSON.parse(document.getElementById('charts').textContent);
  const printing = matchMedia('print');
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const dashes = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 2], [14, 4], [2, 2, 6, 2], [1, 5]];
  const glyphs = ['●', '■', '▲', '◆', '▼', '✚'];
  const strokeOf = ({ index }) => colour(index < 0 ? '--ink' : '--c' + (index % 8));
  const number = (value) => {
    const size = Math.abs(value);
    if (size >= 1e6) return Number((value / 1e6).toPrecision(3)) + 'M';
    if (size >= 1e4) return Number((value / 1e3).toPrecision(3)) + 'k';
    return String(Number(value.toPrecision(3)));
  };
  const nameOf = (curve) => (curve.index < 0 ? '' : glyphs[curve.index % 6] + ' ') + curve.label;

  function shape(context, index, x, y, r) {
    const path = new Path2D();
    const lines = (points) => points.forEach(([dx, dy], i) => path[i ? 'lineTo' : 'moveTo'](x + dx * r, y + dy * r));
    switch (index % 6) {
      case 0: path.arc(x, y, r, 0, 7); break;
      case 1: lines([[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]]); break;
      case 2: lines([[0, -1.15], [1.1, 0.85], [-1.1, 0.85]]); break;
      case 3: lines([[0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]]); break;
      case 4: lines([[0, 1.15], [1.1, -0.85], [-1.1, -0.85]]); break;
      default: lines([[-1.1, -0.35], [-0.35, -0.35], [-0.35, -1.1], [0.35, -1.1], [0.35, -0.35], [1.1, -0.35],
        [1.1, 0.35], [0.35, 0.35], [0.35, 1.1], [-0.35, 1.1], [-0.35, 0.35], [-1.1, 0.35]]);
    }
    path.closePath();
    context.fill(path);
  }

  // Marks, intervals and the names at the curves' ends: what tells them apart without colour.
  function annotate(u, chart) {
    const { ctx: context } = u;
    const ratio = devicePixelRatio;
    const ends = [];
    context.save();
    context.setLineDash([]);
    context.textAlign = 'left';
    chart.curves.forEach((curve, i) => {
      if (!u.series[i + 1].show) return;
      context.fillStyle = context.strokeStyle = strokeOf(curve);
      context.lineWidth = 1.5 * ratio;
      let end = null;
      let shown = -Infinity;
      curve.values.forEach((value, at) => {
        if (value === null || chart.xs[at] < u.scales.x.min || chart.xs[at] > u.scales.x.max) return;
        const x = u.valToPos(chart.xs[at], 'x', true);
        const y = u.valToPos(value, 'y', true);
        end = { x, y };
        if (curve.index < 0) return;
        if (chart.marks && curve.low && curve.low[at] !== null) {
          const low = u.valToPos(curve.low[at], 'y', true);
          const high = u.valToPos(curve.high[at], 'y', true);
          context.beginPath();
          context.moveTo(x, low);
          context.lineTo(x, high);
          for (const y of [low, high]) {
            context.moveTo(x - 4 * ratio, y);
            context.lineTo(x + 4 * ratio, y);
          }
          context.stroke();
        }
        if (!chart.marks && x - shown < 60 * ratio) return;
        shown = x;
        shape(context, curve.index, x, y, 4 * ratio);
      });
      if (end !== null) ends.push({ ...end, curve });
    });
    if (u.width > 560) {
      context.font = 12 * ratio + 'px system-ui, sans-serif';
      context.textBaseline = 'middle';
      ends.sort((a, b) => a.y - b.y);
      let free = -Infinity;
      for (const { x, y, curve } of ends) {
        const at = Math.max(y, free);
        free = at + 15 * ratio;
        context.fillStyle = strokeOf(curve);
        context.fillText(nameOf(curve), x + 9 * ratio, at);
      }
    }
    context.restore();
  }

  function rangeOf(chart) {
    const all = chart.curves.flatMap((curve) => [...curve.values, ...(curve.low ?? []), ...(curve.high ?? [])]);
    const values = all.filter((value) => value !== null);
    const low = Math.min(...values);
    const high = Math.max(...values);
    if (chart.yLog) {
      const from = 10 ** Math.floor(Math.log10(low));
      const to = 10 ** Math.ceil(Math.log10(high * 1.0001));
      return [from, to];
    }
    return [Math.min(low, 0) * 1.06, Math.max(high, 0) * 1.06 || 1];
  }

  function build(place, chart) {
    const told = place.parentElement.querySelector('output');
    const ends = Math.max(...chart.curves.map((curve) => nameOf(curve).length)) * 7.2 + 14;
    const widthNow = () => (printing.matches ? 660 : Math.max(place.clientWidth, 240));
    const wide = () => widthNow() > 560;
    const ink = () => colour('--ink');
    const grid = () => ({ show: true, stroke: () => colour('--grid'), width: 1 });
    const [low, high] = rangeOf(chart);
    const powers = [];
    if (chart.yLog) for (let at = low; at <= high * 1.001; at *= 10) powers.push(at);
    const first = chart.xs[0];
    const last = chart.xs[chart.xs.length - 1];
    const margin = (last - first) * 0.02 || 1;
    const u = new uPlot(
      {
        width: widthNow(),
        height: 300,
        padding: [12, () => (wide() ? ends : 16), 0, 0],
        legend: { show: true, live: false, markers: { show: false } },
        cursor: { y: false, drag: { x: true, y: false } },
        scales: {
          x: { time: false, range: (_, from, to) => (from === first && to === last ? [first - margin, last + margin] : [from, to]) },
          y: { distr: chart.yLog ? 3 : 1, range: () => [low, high] },
        },
        axes: [
          {
            stroke: ink,
            grid: grid(),
            ticks: grid(),
            label: chart.xTitle,
            labelSize: 22,
            font: '12px system-ui, sans-serif',
            labelFont: '12px system-ui, sans-serif',
            splits: () => chart.ticks.map(([at]) => at),
            values: (u, splits) => {
              let free = -Infinity;
              return splits.map((at) => {
                const text = chart.ticks.find(([place]) => place === at)?.[1] ?? '';
                const x = u.valToPos(at, 'x');
                if (x - text.length * 3.6 < free) return '';
                free = x + text.length * 3.6 + 4;
                return text;
              });
            },
          },
          {
            stroke: ink,
            grid: grid(),
            ticks: grid(),
            size: 52,
            label: chart.yTitle,
            labelSize: 18,
            font: '12px system-ui, sans-serif',
            labelFont: '12px system-ui, sans-serif',
            ...(chart.yLog && { splits: () => powers, filter: (_, splits) => splits }),
            values: (_, splits) => splits.map((value) => (value === null ? '' : number(value))),
          },
        ],
        series: [
          {},
          ...chart.curves.map((curve) => ({
            label: nameOf(curve),
            stroke: () => strokeOf(curve),
            width: curve.index < 0 ? 1 : 2,
            dash: curve.index < 0 ? [3, 3] : dashes[curve.index % 8],
            points: { show: false },
          })),
        ],
        hooks: {
          draw: [(u) => annotate(u, chart)],
          setCursor: [
            (u) => {
              const at = u.cursor.idx;
              if (at === null || at === undefined) return;
              const parts = chart.curves.flatMap((curve, i) =>
                curve.values[at] === null || !u.series[i + 1].show ? [] : [curve.label + ' ' + number(curve.values[at])],
              );
              told.textContent = chart.xTexts[at] + ': ' + parts.join(', ');
            },
          ],
        },
      },
      [chart.xs, ...chart.curves.map(({ values }) => values)],
      place,
    );
    // The legend's rows are buttons for keys as well as for a mouse.
    [...place.querySelectorAll('.u-series')].forEach((row, i) => {
      const curve = chart.curves[i];
      row.classList.add(curve.index < 0 ? 'law' : 't' + (curve.index % 8));
      const button = row.querySelector('th');
      button.tabIndex = 0;
      button.setAttribute('role', 'button');
      const press = () => button.setAttribute('aria-pressed', String(u.series[i + 1].show));
      press();
      button.addEventListener('click', () => setTimeout(press));
      button.addEventListener('keydown', (event) => {
        if (event.key !== 'Enter' && event.key !== ' ') return;
        event.preventDefault();
        button.click();
      });
    });
    let at = -1;
    place.addEventListener('keydown', (event) => {
      const last = chart.xs.length - 1;
      const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last }[event.key];
      if (event.target !== place) return;
      if (event.key === 'Escape') return u.setData(u.data);
      if (next === undefined) return;
      event.preventDefault();
      at = Math.min(Math.max(next, 0), last);
      u.setCursor({ left: u.valToPos(chart.xs[at], 'x'), top: 10 });
    });
    const fit = () => {
      const width = widthNow();
      if (width !== u.width) u.setSize({ width, height: 300 });
      else u.redraw(false);
    };
    new ResizeObserver(fit).observe(place);
    for (const query of [printing, matchMedia('(prefers-color-scheme: dark)')]) query.addEventListener('change', fit);
    addEventListener('beforeprint', fit);
    addEventListener('afterprint', fit);
    return { title: chart.title, curves: chart.curves.map(({ label }) => label), u };
  }

  window.underloopCharts = [...document.querySelectorAll('.curve')].map((place) =>
    build(place, charts[Number(place.dataset.chart)]),
  );
})();
`;
