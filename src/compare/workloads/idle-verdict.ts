// What the figures of `compare idle` say, in sentences.

import type { Cell, Report } from '../report.js';
import { formatBytes, formatCount } from '../render/format.js';
import { compareWithBest } from '../verdict.js';

/** The stack that people multiply by the number of threads: 1 MiB in the saying, whatever the system reserves. */
const SAID_STACK_BYTES = 2 ** 20;

export function idleVerdict(report: Report): string[] {
  const { summaries } = report;
  const median = (label: string, figure: string): number | undefined => summaries[label]?.[figure]?.median;
  // Who leaves connections in a queue saves what serving them costs: that is no merit.
  const servesAll = report.contestants.filter(
    ({ label }) => (median(label, 'serving') ?? 0) >= (median(label, 'connected') ?? 0),
  );
  const title = 'memory per idle connection, of those that serve all';
  const lines = compareWithBest(report, 'total', title, 'less', servesAll);

  for (const { label, model } of report.contestants) {
    const threads = median(label, 'threads');
    const virtual = median(label, 'virtualTotal');
    const user = median(label, 'user');
    const connected = median(label, 'connected');
    if (model !== 'threads' || [threads, virtual, user, connected].includes(undefined)) continue;
    const inUser = (user ?? 0) * (connected ?? 0);
    const stacks = (median(label, 'kernelStacks') ?? 0) * (connected ?? 0);
    const tables = (median(label, 'pageTables') ?? 0) * (connected ?? 0);
    lines.push(
      `"${formatCount(threads ?? 0)} threads need ${formatBytes((threads ?? 0) * SAID_STACK_BYTES)} of stacks": ${label} reserved ` +
        `${formatBytes(virtual ?? 0)} of addresses, and used ${formatBytes(inUser)} of user memory, ` +
        `${formatBytes(stacks)} of kernel stacks and ${formatBytes(tables)} of page tables.`,
    );
  }
  for (const { label } of report.contestants) {
    const connected = median(label, 'connected') ?? 0;
    const serving = median(label, 'serving') ?? 0;
    if (serving >= connected) continue;
    const timedOut = median(label, 'activeTimedOut') ?? 0;
    const answered = median(label, 'activeAnswered') ?? 0;
    lines.push(
      `${label} serves ${formatCount(serving)} of ${formatCount(connected)} connections: an idle one holds its thread, and the ` +
        `others wait (active requests: ${formatCount(answered)} answered, ${formatCount(timedOut)} timed out).`,
    );
  }
  if (report.cells.some(({ figures }) => figures['unexplainedBytes'] !== undefined))
    lines.push(reconciled(report));
  return lines;
}

/** Whether the bills add up, in one sentence. */
function reconciled(report: Report): string {
  const billed = report.cells.filter(({ figures }) => figures['unexplainedBytes'] !== undefined);
  const beyond = ({ figures }: Cell, explainedBytes: number): boolean =>
    Math.abs((figures['unexplainedBytes'] ?? 0) - explainedBytes) > (figures['toleranceBytes'] ?? 0);
  const off = billed.filter((cell) => beyond(cell, 0));
  const within = 'the drop in free memory, within 10% or 8 MiB';
  if (off.length === 0) return `In all ${billed.length} cells the parts add up to ${within}.`;
  const others = off.filter((cell) => !beyond(cell, cell.figures['elsewhereBytes'] ?? 0));
  return (
    `In ${billed.length - off.length} of ${billed.length} cells the parts add up to ${within}; in ${others.length} more with what other ` +
    `processes of this machine took or gave back meanwhile${off.length > others.length ? `; in ${off.length - others.length} they do not` : ''}.`
  );
}
