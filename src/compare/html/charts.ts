// Which charts a workload's report has.

import type { LoadResult } from '../../load/result.js';
import type { Cell, Report, WorkloadName } from '../report.js';
import { priceBars } from './bars.js';
import { unitTitle } from './drawing.js';
import { ladder, percentiles, type CurveChart } from './curves.js';
import type { Markup } from './markup.js';
import { roundsFigure } from './rounds.js';
import { timelines } from './timeline.js';

export type Chart = { readonly drawing: Markup } | { readonly curves: CurveChart };

const PRICES = ['user', 'kernelStacks', 'pageTables', 'threadSlabs', 'socketSlabs', 'fileSlabs', 'rest'];

/** Figures of which every round is shown, with the title of the drawing where figures have several phases. */
const rounds: Record<WorkloadName, readonly string[]> = {
  idle: ['total', 'activeP50Us', 'activeP99Us', 'idleCpuMs'],
  wait: ['totalMs', 'serverCpuMs'],
  echo: ['requestsPerSecond', 'serverCpuUs', 'p99Us'],
  churn: ['connectionsPerSecond', 'serverCpuUs', 'p99Us'],
  mixed: ['p99Ms@*', 'maxMs@*', 'burstsPerSecond'],
  slow: ['p99Ms@*', 'maxMs@*', 'answered@*'],
  active: [],
  cpu: [],
  saturate: ['kneePerSecond'],
};

/** The load generator's result of a cell, by the names in its `raw`; '' for the raw material itself. */
function resultAt(path: string): (cell: Cell) => LoadResult | undefined {
  return ({ raw }) => {
    const step = (path === '' ? raw : raw[path]) as { result?: LoadResult } | undefined;
    return step?.result;
  };
}

/** Where a report's cells have results: '' or the names of points and phases, in the order of the figures. */
function resultPaths(report: Report): string[] {
  const paths = new Set<string>();
  for (const cell of report.cells) {
    if (resultAt('')(cell) !== undefined) paths.add('');
    for (const name of Object.keys(cell.raw)) if (resultAt(name)(cell) !== undefined) paths.add(name);
  }
  return [...paths];
}

function sayPath(report: Report, path: string): string {
  const name = Object.keys(report.figures).find((figure) => figure.endsWith(`@${path}`));
  const said = name === undefined ? path : report.figures[name]?.title.split(', ').slice(1).join(', ');
  return path === '' ? '' : `, ${said ?? path}`;
}

/** The first and the last point tell the most; those between stand in the ladders. */
function ends(paths: readonly string[]): readonly string[] {
  return paths.length <= 2 ? paths : [paths[0], paths[paths.length - 1]];
}

/** All charts of a report, in the order of the page. */
export function chartsOf(report: Report): Chart[] {
  const { workload } = report.settings;
  const charts: Chart[] = [];
  const draw = (drawing: Markup | null): void => {
    if (drawing !== null) charts.push({ drawing });
  };
  const curve = (curves: CurveChart | null): void => {
    if (curves !== null) charts.push({ curves });
  };
  if (workload === 'idle') draw(priceBars(report, PRICES));
  if (workload === 'wait') draw(timelines(report));
  const bases = new Set(Object.keys(report.figures).flatMap((name) => name.split('@', 1)));
  for (const base of bases) curve(ladder(report, base));
  for (const name of rounds[workload]) {
    const [base] = name.split('@');
    const figures = Object.keys(report.figures).filter(
      (one) => one === name || (name !== base && one.startsWith(`${base}@`)),
    );
    const title = figures.length === 0 ? base : (report.figures[figures[0]]?.title ?? base);
    draw(
      roundsFigure(
        report,
        `${title.split(', ')[0]}, every round (${unitTitle(report.figures[figures[0]]?.unit)})`,
        figures,
      ),
    );
  }
  if (workload !== 'wait') {
    for (const path of ends(resultPaths(report))) {
      curve(percentiles(report, `Latency by percentile${sayPath(report, path)}`, resultAt(path)));
    }
  }
  return charts;
}
