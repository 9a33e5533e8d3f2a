// Workloads with several points as text: for each figure a row per point, a column per contestant.

import type { Report } from '../report.js';
import { figureTable, footing, heading } from './frame.js';

/** `figures`: the names before the `@`, in the order in which they are shown. */
export function renderLadder(report: Report, title: string, figures: readonly string[]): string {
  const tables = figures.flatMap((figure) => {
    const measured = (name: string): boolean =>
      Object.values(report.summaries).some((of) => of?.[name] !== undefined);
    const names = Object.keys(report.figures).filter(
      (name) => name.split('@')[0] === figure && measured(name),
    );
    return names.length === 0 ? [] : [figureTable(report, names), ''];
  });
  return [heading(report, title), '', ...tables, footing(report)].join('\n');
}
