// The crossover map: for each cell of a grid who wins, and by how much.

import { figure, picture, type Drawn, type Frame } from './drawing.js';
import { COLOURS, swatch } from './look.js';
import { markup, type Markup } from './markup.js';
import { cut } from './scale.js';

export interface MapCell {
  readonly x: string;
  readonly y: string;
  /** The model's name; null: nobody wins, or nothing was measured. */
  readonly winner: string | null;
  /** How many times as good as the next one. */
  readonly margin: number | null;
  /** What the margin is of, in a word. Left out: of throughput. */
  readonly by?: string;
  /** Computed by the law and not measured. */
  readonly predicted?: boolean;
  /** What else there is to say, for the table and the title. */
  readonly note?: string;
}

export interface CrossoverMap {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly xs: readonly string[];
  /** From the top to the bottom. */
  readonly ys: readonly string[];
  readonly cells: readonly MapCell[];
}

const CELL = 46;

function cellText({ winner, margin, predicted, by }: MapCell): [string, string] {
  const times =
    margin === null ? '' : `${margin.toFixed(margin < 10 ? 2 : 0)}x${by === undefined ? '' : ` ${by}`}`;
  return [winner ?? 'nobody', predicted === true ? `~${times}` : times];
}

function draw(map: CrossoverMap, winners: readonly string[], { width, narrow }: Frame): Drawn {
  const left = narrow ? 54 : 110;
  const top = 44;
  const each = (width - left - 2) / map.xs.length;
  const cells = map.cells.map((cell) => {
    const x = left + map.xs.indexOf(cell.x) * each;
    const y = top + map.ys.indexOf(cell.y) * CELL;
    const [who, by] = cellText(cell);
    const style = cell.winner === null ? 'none' : `url(#p${winners.indexOf(cell.winner) % COLOURS})`;
    return markup`<g data-x="${cell.x}" data-y="${cell.y}" data-winner="${cell.winner ?? ''}" data-margin="${cell.margin ?? ''}"><title>${map.xTitle} ${cell.x}, ${map.yTitle} ${cell.y}: ${who} ${by} ${cell.note ?? ''}</title><rect class="cell${cell.predicted === true ? ' predicted' : ''}" x="${x + 1}" y="${y + 1}" width="${each - 2}" height="${CELL - 2}" fill="${style}"/><text class="inside" x="${x + each / 2}" y="${y + 20}" text-anchor="middle">${cut(who, each - 4)}</text><text class="inside" x="${x + each / 2}" y="${y + 36}" text-anchor="middle">${cut(by, each - 4)}</text></g>`;
  });
  const heads = map.xs.map(
    (text, i) =>
      markup`<text x="${left + (i + 0.5) * each}" y="${top - 6}" text-anchor="middle">${cut(text, each - 2)}</text>`,
  );
  const sides = map.ys.map(
    (text, i) =>
      markup`<text x="${left - 6}" y="${top + i * CELL + CELL / 2 + 4}" text-anchor="end">${cut(text, left - 8)}</text>`,
  );
  return {
    height: top + map.ys.length * CELL + 4,
    body: [
      markup`<text class="small" x="${left}" y="14">${map.xTitle} \u2192</text><text class="small" x="0" y="${top - 6}">${cut(map.yTitle, left)}</text>`,
      heads,
      sides,
      cells,
    ],
  };
}

/** One grid. `winners` are all models of the page's maps, so that a model looks the same in each. */
export function crossoverMap(map: CrossoverMap, winners: readonly string[]): Markup {
  const legend = markup`<ul class="legend">${winners.map((name, i) => markup`<li>${swatch(i)} ${name}</li>`)}</ul>`;
  return figure(
    map.title,
    'In each cell the model that wins, and how many times as good as the next it is, by throughput or by what is named; ~ and a dashed edge: computed by the law and not measured.',
    [legend, picture(`${map.title}: the winner of each cell`, (frame) => draw(map, winners, frame))],
    [
      [`${map.xTitle}, ${map.yTitle}`, 'winner', 'margin', ''],
      ...map.cells.map((cell) => [`${cell.x}, ${cell.y}`, ...cellText(cell), cell.note ?? '']),
    ],
  );
}

/** The models that win anywhere, in the order in which they first do. */
export function winnersOf(maps: readonly CrossoverMap[]): string[] {
  return [...new Set(maps.flatMap(({ cells }) => cells.flatMap(({ winner }) => winner ?? [])))];
}
