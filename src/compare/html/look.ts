// How things are told apart, with and without colour: patterns for areas, dashes and marks for lines, letters in the map.

import { markup, type Markup } from './markup.js';

/** Class names `c0` .. `c7` have the colours (Okabe and Ito's, for all kinds of sight), in style.ts. */
export const COLOURS = 8;

/** Dashes of lines, by contestant. Empty: solid. */
export const dashes: readonly (readonly number[])[] = [
  [],
  [8, 4],
  [2, 3],
  [10, 3, 2, 3],
  [5, 2],
  [14, 4],
  [2, 2, 6, 2],
  [1, 5],
];

/** Marks of points, by contestant, drawn around the origin. script.ts knows the same shapes on a canvas. */
const marks: readonly string[] = [
  'M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0Z',
  'M-3.6-3.6h7.2v7.2h-7.2Z',
  'M0-4.6L4.4 3.4H-4.4Z',
  'M0-4.8L4.8 0L0 4.8L-4.8 0Z',
  'M0 4.6L4.4-3.4H-4.4Z',
  'M-4.4-1.4h3v-3h2.8v3h3v2.8h-3v3h-2.8v-3h-3Z',
];
export const MARKS = marks.length;

export function markPath(index: number): string {
  return marks[index % MARKS];
}

const strokes: readonly string[] = [
  '',
  'M0 8L8 0M-2 2L2-2M6 10L10 6',
  'M0 4H8',
  'M4 0V8',
  'M0 0L8 8M0 8L8 0',
  'M2 2h1.6v1.6h-1.6ZM6 6h1.6v1.6h-1.6Z',
  'M0 0L8 8M-2 6L2 10M6-2L10 2',
  'M0 4H8M4 0V8',
];

/** Patterns `p0` .. `p7`, once on the page: each colour with a hatching of its own. */
export function patterns(): Markup {
  return markup`<svg class="defs" width="0" height="0" aria-hidden="true" focusable="false"><defs>${strokes.map(
    (path, i) =>
      markup`<pattern id="p${i}" width="8" height="8" patternUnits="userSpaceOnUse"><rect class="c${i}" width="8" height="8"/><path class="hatch" d="${path}"/></pattern>`,
  )}</defs></svg>`;
}

/** A small sample of an area's pattern, for legends and headings. */
export function swatch(index: number): Markup {
  return markup`<svg class="swatch" width="16" height="12" aria-hidden="true" focusable="false"><rect class="edge" x=".5" y=".5" width="15" height="11" fill="url(#p${index % COLOURS})"/></svg>`;
}
