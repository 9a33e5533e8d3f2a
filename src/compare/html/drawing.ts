// What all drawings share: two sizes of one picture, a figure around it with its table, an axis.

import type { FigureInfo } from '../report.js';
import { markup, type Markup, type Part } from './markup.js';
import { tickText, type Scale } from './scale.js';

/** Widths of a drawing in px: on a screen or on paper, and on a telephone. The style sheet shows the one that fits. */
const WIDTHS = [
  ['wide', 860],
  ['narrow', 330],
] as const;

export interface Frame {
  readonly width: number;
  readonly narrow: boolean;
}

export interface Drawn {
  readonly height: number;
  readonly body: Part;
}

/** One picture at both widths. `label` says in a sentence what it shows, for who does not see it. */
export function picture(label: string, draw: (frame: Frame) => Drawn): Markup {
  return markup`${WIDTHS.map(([name, width]) => {
    const { height, body } = draw({ width, narrow: name === 'narrow' });
    return markup`<svg class="${name}" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${label}">${body}</svg>`;
  })}`;
}

/** The first row is the heading, the first column names the rows. In a frame that scrolls by keys too. */
export function table(rows: readonly (readonly string[])[], caption: string): Markup {
  const [head, ...body] = rows;
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table><thead><tr>${head.map(
    (text) => markup`<th scope="col">${text}</th>`,
  )}</tr></thead><tbody>${body.map(
    ([first, ...rest]) =>
      markup`<tr><th scope="row">${first}</th>${rest.map((text) => markup`<td>${text}</td>`)}</tr>
`,
  )}</tbody></table></div>`;
}

/** A picture with what is said about it, and the same as a table. */
export function figure(
  title: string,
  note: string,
  content: Part,
  rows: readonly (readonly string[])[],
): Markup {
  return markup`<figure><figcaption><h3>${title}</h3><p>${note}</p></figcaption>${content}<details><summary>The same as a table</summary>${table(rows, title)}</details></figure>
`;
}

/** A horizontal axis at `top`, its grid lines down to `bottom`. */
export function axisX(scale: Scale, left: number, right: number, top: number, bottom: number): Markup {
  const x = (value: number): number => round(left + scale.at(value) * (right - left));
  return markup`<g class="axis">${scale.ticks.map(
    (tick) =>
      markup`<path d="M${x(tick)} ${top}V${bottom}"/><text x="${x(tick)}" y="${top - 5}" text-anchor="middle">${tickText(tick)}</text>`,
  )}</g>`;
}

export function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** As a unit is called beside numbers that `formatValue` has made. */
export function unitTitle(unit: FigureInfo['unit'] | undefined): string {
  return unit === undefined ? '' : unit === 'bytes/connection' ? 'KiB/connection' : unit;
}
