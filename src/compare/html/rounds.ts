// Every round as a point, with the median and its interval: what the tables say in brackets, to be looked at.

import { formatSummary, formatValue } from '../render/format.js';
import type { FigureInfo, Report } from '../report.js';
import type { Summary } from '../statistics.js';
import { axisX, figure, picture, round, type Drawn, type Frame } from './drawing.js';
import { COLOURS, markPath } from './look.js';
import { markup, type Markup } from './markup.js';
import { cut, scaleOf, textWidth } from './scale.js';

const ROW = 30;

interface Row {
  readonly label: string;
  /** Of the contestant, for colour and mark. */
  readonly index: number;
  readonly figure: string;
  readonly values: readonly { readonly round: number; readonly value: number }[];
  readonly summary: Summary;
}

/** A row for each contestant, and of several figures (phases of one workload) for each of them. */
export function roundsOf(report: Report, figures: readonly string[]): Row[] {
  return report.contestants.flatMap(({ label }, index) =>
    figures.flatMap((figure) => {
      const summary = report.summaries[label]?.[figure];
      if (summary === undefined) return [];
      const values = report.cells.flatMap(({ contestant, failure, round: of, figures: cell }) => {
        const value = cell[figure];
        return contestant === label && failure === null && value !== undefined ? [{ round: of, value }] : [];
      });
      const phase = figures.length > 1 ? `, ${phaseOf(report, figure)}` : '';
      return [{ label: label + phase, index, figure, values, summary }];
    }),
  );
}

/** "latency p99, beside bursts of CPU": what stands behind the comma. */
function phaseOf(report: Report, figure: string): string {
  return report.figures[figure]?.title.split(', ').slice(1).join(', ') ?? figure;
}

function draw(rows: readonly Row[], unit: FigureInfo['unit'], { width, narrow }: Frame): Drawn {
  const gutter = narrow ? 8 : Math.min(Math.max(...rows.map(({ label }) => textWidth(label))) + 12, 300);
  const right = width - (narrow ? 16 : 110);
  const top = 24;
  const each = ROW + (narrow ? 16 : 0);
  const height = top + rows.length * each + 4;
  const shown = unit === 'bytes/connection' ? 1 / 1024 : 1;
  const scale = scaleOf(rows.flatMap(({ values }) => values.map(({ value }) => value * shown)));
  const x = (value: number): number => round(gutter + scale.at(value * shown) * (right - gutter));
  const body = rows.map(({ label, index, figure, values, summary }, i) => {
    const y = top + i * each + ROW / 2 + (narrow ? 16 : 0);
    const { median, interval, min, max } = summary;
    const [low, high] = interval === null ? [min, max] : [interval.low, interval.high];
    const said = formatValue(median, unit);
    const names = narrow
      ? markup`<text x="0" y="${y - 14}">${cut(`${label}: ${said}`, width)}</text>`
      : markup`<text x="${gutter - 8}" y="${y + 4}" text-anchor="end">${cut(label, gutter)}</text><text class="strong" x="${right + 10}" y="${y + 4}">${said}</text>`;
    return markup`${names}<g class="m${index % COLOURS}"><path class="interval${interval === null ? ' range' : ''}" d="M${x(low)} ${y - 5}v10M${x(low)} ${y}H${x(high)}M${x(high)} ${y - 5}v10"/>${values.map(
      ({ round: of, value }) =>
        markup`<path class="mark" transform="translate(${x(value)} ${y})" d="${markPath(index)}" data-model="${label}" data-figure="${figure}" data-round="${of}" data-value="${value}"><title>${label}, round ${of}: ${formatValue(value, unit)}</title></path>`,
    )}<path class="median" d="M${x(median)} ${y - 11}v22" data-median="${median}" data-model="${label}" data-figure="${figure}"/></g>`;
  });
  return { height, body: [axisX(scale, gutter, right, top, height - 2), body] };
}

/** Null when no contestant has the figure. */
export function roundsFigure(report: Report, title: string, figures: readonly string[]): Markup | null {
  const rows = roundsOf(report, figures);
  if (rows.length === 0) return null;
  const { unit, source } = report.figures[rows[0].figure] ?? { unit: 'count', source: '' };
  const bars =
    report.settings.rounds === 1
      ? 'One round.'
      : report.settings.rounds < 6
        ? 'A mark is a round, the upright line their median; the dashed bar goes from the lowest to the highest.'
        : 'A mark is a round, the upright line their median, the bar its 95% interval.';
  return figure(
    title,
    `${bars} Source: ${source}.`,
    picture(`${title}: every round, median and interval by model`, (frame) => draw(rows, unit, frame)),
    [
      ['', 'median', 'rounds'],
      ...rows.map(({ label, summary, values }) => [
        label,
        formatSummary(summary, unit),
        values.map(({ value }) => formatValue(value, unit)).join(', '),
      ]),
    ],
  );
}
