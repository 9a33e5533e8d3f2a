// Where the panels stand on a screen of a given size.

import type { PanelName } from './state.js';

export const WIDTH_MIN = 60;
export const HEIGHT_MIN = 18;
/** From this width on there are three columns. */
const WIDE_CELLS = 120;
/** A title and one row. */
const PANEL_ROWS_MIN = 2;

export interface Box {
  readonly panel: PanelName;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  /** With the title. */
  readonly height: number;
}

type Column = readonly (readonly [panel: PanelName, weight: number])[];

const TWO_COLUMNS: readonly Column[] = [
  [
    ['queue', 5],
    ['interest', 6],
    ['timers', 2],
    ['calls', 5],
  ],
  [
    ['source', 8],
    ['sockets', 4],
    ['output', 6],
  ],
];
const THREE_COLUMNS: readonly Column[] = [
  [
    ['queue', 5],
    ['timers', 2],
    ['calls', 6],
  ],
  [
    ['interest', 4],
    ['sockets', 3],
  ],
  [
    ['source', 4],
    ['output', 4],
  ],
];

/** Boxes for a body of this size; one column apart is a line. `alone`: only this panel. */
export function layout(y: number, width: number, height: number, alone: PanelName | null): Box[] {
  if (alone !== null) return [{ panel: alone, x: 0, y, width, height }];
  const columns = width >= WIDE_CELLS ? THREE_COLUMNS : TWO_COLUMNS;
  const boxes: Box[] = [];
  let x = 0;
  columns.forEach((column, index) => {
    const columnWidth = Math.floor((width - x - (columns.length - index - 1)) / (columns.length - index));
    boxes.push(...stack(column, x, y, columnWidth, height));
    x += columnWidth + 1;
  });
  return boxes;
}

function stack(column: Column, x: number, top: number, width: number, height: number): Box[] {
  const weights = column.reduce((sum, [, weight]) => sum + weight, 0);
  const spare = height - column.length * PANEL_ROWS_MIN;
  let y = top;
  let passed = 0;
  return column.map(([panel, weight]) => {
    // By what is passed, so that what is rounded away comes to somebody.
    const before = Math.floor((spare * passed) / weights);
    passed += weight;
    const rows = PANEL_ROWS_MIN + Math.floor((spare * passed) / weights) - before;
    const box = { panel, x, y, width, height: rows };
    y += rows;
    return box;
  });
}
