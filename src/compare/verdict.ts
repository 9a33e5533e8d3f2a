// Who is better, and whether that is more than chance: ratios of the same round, and their intervals.

import type { Contestant, Report } from './report.js';
import { INTERVAL_ROUNDS_MIN, summarise, type Summary } from './statistics.js';

/** Less busy than this, the server's core was not what limited the throughput. */
export const SATURATED_SHARE = 0.95;

/**
 * A difference smaller than this is not worth a winner. It also makes chance rarer as one: with six rounds an interval that only
 * has to leave out 1 does so in 3.1% of all comparisons of a model with itself, by figure; test/compare/verdict.test.ts says what
 * is left of that, and what true differences are still found.
 */
export const DIFFERENCE_MIN = 0.02;

/** A contestant's figure divided by another's of the same round, over all rounds that have both. Null: there is none. */
export function ratioOf(report: Report, figure: string, contestant: string, to: string): Summary | null {
  const ratios: number[] = [];
  for (const cell of report.cells) {
    if (cell.contestant !== contestant || cell.failure !== null) continue;
    const other = report.cells.find(
      (one) => one.contestant === to && one.round === cell.round && one.failure === null,
    );
    const value = cell.figures[figure];
    const base = other?.figures[figure];
    if (value !== undefined && base !== undefined && base > 0) ratios.push(value / base);
  }
  return ratios.length === 0 ? null : summarise(ratios);
}

/**
 * Whether a ratio differs from 1 by more than {@link DIFFERENCE_MIN}: all of its 95% interval lies farther away, on one side.
 * Without an interval nothing is claimed.
 */
export function differs(ratio: Summary): boolean {
  const far = 1 + DIFFERENCE_MIN;
  return ratio.interval !== null && (ratio.interval.low > far || ratio.interval.high < 1 / far);
}

/** A sentence per contestant: the best by its median, and each other one by its ratio to it. */
export function compareWithBest(
  report: Report,
  figure: string,
  title: string,
  better: 'less' | 'more' = 'less',
  contestants: readonly Contestant[] = report.contestants,
): string[] {
  const sign = better === 'less' ? 1 : -1;
  const ranked = contestants
    .map(({ label }) => ({ label, median: report.summaries[label]?.[figure]?.median }))
    .filter((one): one is { label: string; median: number } => one.median !== undefined)
    .sort((a, b) => sign * (a.median - b.median));
  if (ranked.length < 2) return [];
  const [best, ...others] = ranked;
  const level: string[] = [];
  const behind: string[] = [];
  const open: string[] = [];
  for (const { label } of others) {
    const ratio = ratioOf(report, figure, label, best.label);
    if (ratio === null) continue;
    const text = `${label} x ${ratio.median.toFixed(2)}`;
    if (ratio.interval === null)
      open.push(`${text} (range ${ratio.min.toFixed(2)}-${ratio.max.toFixed(2)}, n = ${ratio.n})`);
    else {
      const interval = `[${ratio.interval.low.toFixed(2)}, ${ratio.interval.high.toFixed(2)}]`;
      (differs(ratio) ? behind : level).push(`${text} ${interval}`);
    }
  }
  const lines: string[] = [];
  const extreme = better === 'less' ? 'lowest' : 'highest';
  if (behind.length > 0) {
    lines.push(`${capital(title)}: ${best.label} is ${extreme}; beside it ${behind.join(', ')}.`);
  }
  if (level.length > 0) {
    lines.push(
      `${capital(title)}: no winner between ${best.label} and ${level.join(', ')} (the interval of the ratio comes within ${DIFFERENCE_MIN * 100}% of 1).`,
    );
  }
  if (open.length > 0) {
    lines.push(
      `${capital(title)}: too few rounds for a winner (an interval needs ${INTERVAL_ROUNDS_MIN}); ${extreme} by its median is ${best.label}, beside it ${open.join(', ')}.`,
    );
  }
  return lines;
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
