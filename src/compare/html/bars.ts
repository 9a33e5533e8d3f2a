// Stacked bars: the price list of one idle connection, part by part.

import { formatValue } from '../render/format.js';
import type { Report } from '../report.js';
import { axisX, figure, picture, round, type Drawn, type Frame } from './drawing.js';
import { swatch } from './look.js';
import { markup, type Markup } from './markup.js';
import { cut, scaleOf, textWidth } from './scale.js';

const KIB = 1024;
const BAR = 26;
const GAP = 14;

export interface Bar {
  readonly label: string;
  /** In the same order in all bars. Negative ones (a part that has shrunk) stand to the left of zero. */
  readonly parts: readonly { readonly name: string; readonly title: string; readonly value: number }[];
  readonly total: number;
}

/** What each contestant's connection costs, in KiB: medians. */
export function pricesOf(report: Report, names: readonly string[]): Bar[] {
  return report.contestants.flatMap(({ label }) => {
    const of = (name: string): number | undefined => report.summaries[label]?.[name]?.median;
    const parts = names.flatMap((name) => {
      const value = of(name);
      return value === undefined
        ? []
        : [{ name, title: report.figures[name]?.title ?? name, value: value / KIB }];
    });
    const total = of('total');
    return parts.length === 0
      ? []
      : [{ label, parts, total: total === undefined ? sumOf(parts) : total / KIB }];
  });
}

function sumOf(parts: Bar['parts']): number {
  return parts.reduce((sum, { value }) => sum + value, 0);
}

function draw(bars: readonly Bar[], names: readonly string[], { width, narrow }: Frame): Drawn {
  const gutter = narrow ? 0 : Math.min(Math.max(...bars.map(({ label }) => textWidth(label))) + 12, 200);
  const right = width - 64;
  const top = 24;
  const each = BAR + GAP + (narrow ? 16 : 0);
  const height = top + bars.length * each + 6;
  const sides = bars.map(({ parts }) => [
    sumOf(parts.filter(({ value }) => value < 0)),
    sumOf(parts.filter(({ value }) => value > 0)),
  ]);
  const scale = scaleOf([0, ...sides.flat()]);
  const place = (value: number): number => round(gutter + scale.at(value) * (right - gutter));
  const rows = bars.map(({ label, parts, total }, i) => {
    const y = top + i * each + GAP / 2 + (narrow ? 16 : 0);
    let below = 0;
    let above = 0;
    const pieces = parts.map(({ name, title, value }) => {
      const start = value < 0 ? (below += value) : above;
      if (value > 0) above += value;
      const from = place(start);
      const size = round(place(start + Math.abs(value)) - from);
      const text = value.toFixed(1);
      const said = size > textWidth(text) + 8;
      return markup`<g data-model="${label}" data-part="${name}" data-value="${value}"><title>${label}, ${title}: ${value.toFixed(2)} KiB</title><rect class="edge" x="${from}" y="${y}" width="${size}" height="${BAR}" fill="url(#p${names.indexOf(name)})"/>${said ? markup`<text class="inside" x="${from + size / 2}" y="${y + BAR / 2 + 4}" text-anchor="middle">${text}</text>` : null}</g>`;
    });
    const at = narrow
      ? markup`<text x="0" y="${y - 5}">${cut(label, width)}</text>`
      : markup`<text x="${gutter - 8}" y="${y + BAR / 2 + 4}" text-anchor="end">${cut(label, gutter)}</text>`;
    return markup`${at}${pieces}<text class="strong" x="${place(sides[i][1]) + 6}" y="${y + BAR / 2 + 4}">${total.toFixed(1)}</text>`;
  });
  return { height, body: [axisX(scale, gutter, right, top, height - 4), rows] };
}

export function priceBars(report: Report, names: readonly string[]): Markup | null {
  const bars = pricesOf(report, names);
  if (bars.length === 0) return null;
  const titleOf = (name: string): string => report.figures[name]?.title ?? name;
  const legend = markup`<ul class="legend">${names.map((name, i) => markup`<li>${swatch(i)} ${titleOf(name)}</li>`)}</ul>`;
  const rows = [
    ['KiB', ...bars.map(({ label }) => label)],
    ...names.map((name) => [
      titleOf(name),
      ...bars.map(({ parts }) => parts.find((part) => part.name === name)?.value.toFixed(2) ?? '-'),
    ]),
    ['total', ...bars.map(({ total }) => formatValue(total * KIB, 'bytes/connection'))],
  ];
  return figure(
    'What one connection costs, KiB',
    'Medians of the rounds. The figure at the end of a bar is the total; a part that has shrunk stands to the left of zero.',
    [
      legend,
      picture('Stacked bars: memory per connection, by part and model', (frame) => draw(bars, names, frame)),
    ],
    rows,
  );
}
