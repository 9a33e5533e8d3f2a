// Reports made up for tests: figures by round and contestant, everything else plain.

import type { Cell, Contestant, FigureInfo, Report } from '../../src/compare/report.js';
import { summarise, type Summary } from '../../src/compare/statistics.js';
import { readSettings } from '../../src/compare/settings.js';
import { describeMachine } from '../../src/probe/index.js';

export function cellOf(round: number, contestant: string, figures: Record<string, number>): Cell {
  return { round, contestant, failure: null, notes: [], figures, unavailable: {}, raw: {} };
}

/** With the summaries that the runner would make of these cells. */
export function reportOf(
  cells: readonly Cell[],
  figures: Record<string, FigureInfo> = {},
  rounds = Math.max(1, ...cells.map(({ round }) => round)),
): Report {
  const labels = [...new Set(cells.map(({ contestant }) => contestant))];
  const contestants: Contestant[] = labels.map((label) => ({
    label,
    model: label.replace(/#\d+$/, ''),
    requestsPerConnection: 0,
    summary: label,
  }));
  const summaries: Record<string, Record<string, Summary>> = {};
  for (const label of labels) {
    const own = cells.filter(({ contestant, failure }) => contestant === label && failure === null);
    const names = new Set(own.flatMap((cell) => Object.keys(cell.figures)));
    summaries[label] = Object.fromEntries(
      [...names].map((name) => [name, summarise(own.flatMap((cell) => cell.figures[name] ?? []))]),
    );
  }
  return {
    schema: 'underloop.compare',
    version: 1,
    startedAt: '2026-01-01T00:00:00.000Z',
    elapsedMs: 1,
    interrupted: false,
    settings: readSettings('echo', { seed: 1, rounds, models: ['epoll'] }),
    machine: describeMachine(),
    pinning: { serverCpu: null, clientCpu: null, reason: 'a test' },
    notices: [],
    contestants,
    figures,
    cells: [...cells],
    summaries,
    verdict: [],
  };
}

/** Normally distributed numbers out of evenly distributed ones (Box-Muller). */
export function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
