// What every report has above and below its tables: machine and notices, notes, failures, verdict.

import { isKnown } from '../../probe/index.js';
import type { Report } from '../report.js';
import { formatCount, formatSummary, formatTable, intervalNote, wrap } from './format.js';

/** Which machine it was, and where everything ran. */
export function machineLines(
  machine: Report['machine'],
  pinning: Report['pinning'],
  seed: number,
): [string, string] {
  const cpu = isKnown(machine.cpuModel) ? machine.cpuModel.value : machine.architecture;
  const virtual = isKnown(machine.virtualMachine) && machine.virtualMachine.value ? ', virtual machine' : '';
  const pins =
    pinning.reason === null
      ? `server on core ${pinning.serverCpu}; load, upstream and this program on core ${pinning.clientCpu}`
      : `nothing is pinned (${pinning.reason}): server and load take each other's time`;
  return [
    `${cpu}, ${machine.usableCpus} cores${virtual}; ${machine.kernel}; ${machine.runtime}`,
    `${pins}; seed ${seed}`,
  ];
}

export function heading(report: Report, title: string): string {
  return [
    title,
    ...machineLines(report.machine, report.pinning, report.settings.seed),
    ...report.notices.map((notice) => wrap(`! ${notice}`, '  ')),
    ...(report.interrupted ? [`! Interrupted: ${report.cells.length} cells were measured.`] : []),
  ].join('\n');
}

/** One row for each figure, one column for each contestant. `rename` may shorten a heading. */
export function figureTable(
  report: Report,
  names: readonly string[],
  marks: Record<string, string> = {},
): string {
  const labels = report.contestants.map(({ label }) => label);
  const rows = names
    .filter((name) => labels.some((label) => report.summaries[label]?.[name] !== undefined))
    .map((name) => {
      const { title, unit } = report.figures[name] ?? { title: name, unit: 'count' };
      const values = labels.map((label) => formatSummary(report.summaries[label]?.[name], unit));
      return [title + (marks[name] ?? ''), ...values];
    });
  return formatTable([['', ...labels], ...rows]);
}

/** Below the tables: how to read them, what could not be had, what failed, and the verdict. */
export function footing(report: Report): string {
  const { cells, settings, contestants } = report;
  const parts: string[] = [];
  const ok = (label: string): number =>
    cells.filter(({ contestant, failure, round }) => contestant === label && failure === null && round > 0)
      .length;
  const short = contestants.filter(({ label }) => ok(label) < settings.rounds);
  parts.push(
    wrap(
      `${intervalNote(settings.rounds)}${short.length === 0 ? '' : `; fewer for ${short.map(({ label }) => `${label} (n = ${ok(label)})`).join(', ')}`}.`,
    ),
  );
  const reasons = new Map<string, Set<string>>();
  for (const cell of cells) {
    for (const [name, reason] of Object.entries(cell.unavailable)) {
      const text = `${report.figures[name]?.title.trim() ?? name}: ${reason}`;
      reasons.set(text, (reasons.get(text) ?? new Set()).add(cell.contestant));
    }
  }
  for (const [text, labels] of reasons) parts.push(wrap(`- ${text} (${[...labels].join(', ')})`, '  '));
  const notes = new Map<string, number[]>();
  for (const { contestant, round, notes: of } of cells) {
    for (const note of of) {
      const text = `${contestant}: ${note}`;
      notes.set(text, [...(notes.get(text) ?? []), round]);
    }
  }
  for (const [text, rounds] of notes) {
    const all = rounds.length === settings.rounds ? '' : ` (round ${rounds.map(formatCount).join(', ')})`;
    parts.push(wrap(`* ${text}${all}`, '  '));
  }
  for (const { contestant, round, failure } of cells) {
    if (failure !== null) parts.push(wrap(`! ${contestant}, round ${round}, FAILED: ${failure}`, '  '));
  }
  if (report.verdict.length > 0) parts.push('', ...report.verdict.map((line) => wrap(`> ${line}`, '  ')));
  return parts.join('\n');
}
