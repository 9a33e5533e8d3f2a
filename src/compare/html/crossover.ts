// The page of a crossover: a map for each amount of work, out of the cells' verdicts.

import type { CrossoverMap } from './map.js';
import { toHtml } from './page.js';

/** What a page needs of a crossover's report; its JSON has more. */
export interface CrossoverData {
  readonly notices: readonly string[];
  readonly verdict: readonly string[];
  readonly cells: readonly {
    readonly connections: number;
    readonly cpuUs: number;
    readonly waitMs: number;
    /** The law has learned nothing of this cell. */
    readonly heldOut: boolean;
    readonly verdict: {
      /** Level with each other; empty: nobody serves it. */
      readonly winners: readonly string[];
      /** What decided; null: no difference. */
      readonly by: string | null;
      /** 0.25: the best of the others is 25% behind. */
      readonly margin: number;
      readonly notServing: readonly string[];
    };
  }[];
}

/** What decided, as far as it is not throughput, so short that it stands in a cell. */
const BY: Readonly<Partial<Record<string, string>>> = {
  'server CPU per request': 'CPU',
  'p99 latency': 'p99',
};

const ascending = (values: readonly number[]): number[] => [...new Set(values)].toSorted((a, b) => a - b);

/** One map per amount of CPU: connections from left to right, waits from top to bottom. */
export function crossoverMaps({ cells }: CrossoverData): CrossoverMap[] {
  return ascending(cells.map(({ cpuUs }) => cpuUs)).map((cpuUs) => {
    const own = cells.filter((cell) => cell.cpuUs === cpuUs);
    return {
      title: `Who wins, with ${cpuUs} us of work per request`,
      xTitle: 'connections',
      yTitle: 'wait',
      xs: ascending(own.map(({ connections }) => connections)).map(String),
      ys: ascending(own.map(({ waitMs }) => waitMs)).map((waitMs) => `${waitMs} ms`),
      cells: own.map(({ connections, waitMs, heldOut, verdict: { winners, by, margin, notServing } }) => ({
        x: String(connections),
        y: `${waitMs} ms`,
        winner: winners.length === 0 ? null : by === null ? 'no difference' : winners.toSorted().join('+'),
        margin: by === null || margin === 0 ? null : 1 + margin,
        ...(by !== null && BY[by] !== undefined && { by: BY[by] }),
        note: [
          ...(by === null ? [] : [`by ${by}`]),
          ...(notServing.length === 0 ? [] : [`leave some unserved: ${notServing.join(', ')}`]),
          ...(heldOut ? ['held out of the law'] : []),
        ].join('; '),
      })),
    };
  });
}

/** The report of `underloop crossover` as one page. */
export function crossoverHtml(report: CrossoverData): string {
  return toHtml([], {
    title: 'underloop crossover',
    maps: crossoverMaps(report),
    lines: [...report.notices, ...report.verdict],
  });
}
