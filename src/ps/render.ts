// A report as text for people: 80 columns, no colours, and no more lines than somebody reads.

import { describeCall, isKnown, valueOf } from '../probe/index.js';
import type { PsList, PsRow } from './list.js';
import type { PsReport } from './report.js';
import { TIME_UP, isPhantom } from './sets.js';
import type { PsEntry, PsSet } from './sets.js';
import { describeState } from './threads.js';
import type { PsThread } from './threads.js';
import {
  callWords,
  figureWords,
  fileWords,
  interestWords,
  phantomWords,
  readyWords,
  sinceWords,
} from './words.js';

export interface RenderOptions {
  /** Every entry, descriptor, process (default false: the first {@link ROWS_MAX} of each). */
  readonly all?: boolean;
  /** A line for each thread (default false: those that do the same as one). */
  readonly threads?: boolean;
  /** Default 80. */
  readonly columns?: number;
}

/** Without `all`. Phantoms come first, then what is ready. */
const ROWS_MAX = 40;
const OTHERS_MAX = 12;
const COLUMNS = 80;

/** Breaks at blanks; what follows the first line stands under `indent`. A word longer than a line is left whole. */
export function wrap(text: string, columns: number, indent: string): string[] {
  const lines: string[] = [];
  let line = /^ */.exec(text)?.[0] ?? '';
  let empty = true;
  for (const word of text.trimStart().split(' ')) {
    if (empty) line += word;
    else if (line.length + 1 + word.length <= columns) line += ` ${word}`;
    else {
      lines.push(line.trimEnd());
      line = indent + word;
    }
    empty = false;
  }
  return [...lines, line.trimEnd()];
}

const count = (n: number, word: string, plural = `${word}s`): string => `${n} ${n === 1 ? word : plural}`;

/** Control characters in a name that a program gave itself would steer the terminal. */
// eslint-disable-next-line no-control-regex
const safe = (text: string): string => text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '?');

// ---- threads -------------------------------------------------------------------------------------------------------

interface Group {
  readonly who: string;
  readonly what: string;
  threads: PsThread[];
}

/** Those of one name in the same call and state, the main thread by itself. */
function grouped(threads: readonly PsThread[]): Group[] {
  const groups = new Map<string, Group>();
  for (const thread of threads) {
    const what = callWords(thread);
    const key = `${String(thread.main)} ${thread.name} ${what}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { who: thread.name, what, threads: [thread] });
    else group.threads.push(thread);
  }
  return [...groups.values()];
}

function threadLines(threads: readonly PsThread[], options: RenderOptions, columns: number): string[] {
  const rows = options.threads
    ? threads.map((thread): [string, string] => {
        const channel = valueOf(thread.waitChannel);
        const where = channel === null ? '' : ` [${channel}]`;
        return [
          `${thread.threadId} ${thread.name}${thread.main ? ' (main)' : ''}`,
          `${callWords(thread)}${where}${sinceWords(thread)}`,
        ];
      })
    : grouped(threads).map(({ who, what, threads: all }): [string, string] => [
        all.length === 1 ? `${who}${all[0].main ? ' (main)' : ''}` : `${all.length} x ${who}`,
        all.length === 1 ? `${what}${sinceWords(all[0])}` : what,
      ]);
  const shown = options.all ? rows : rows.slice(0, ROWS_MAX);
  const width = Math.min(24, Math.max(...shown.map(([who]) => who.length)));
  const lines = shown.flatMap(([who, what]) =>
    wrap(`  ${safe(who).padEnd(width)}  ${what}`, columns, ' '.repeat(width + 4)),
  );
  if (shown.length < rows.length) lines.push(`  and ${rows.length - shown.length} more (--all)`);
  return lines;
}

// ---- sets ----------------------------------------------------------------------------------------------------------

function rank(entry: PsEntry): number {
  if (isPhantom(entry)) return 0;
  return entry.readiness.levelReports === 'yes' ? 1 : 2;
}

function entryLines(entry: PsEntry, pid: number, widths: readonly number[], columns: number): string[] {
  const [interestWidth, readyWidth] = widths;
  const indent = ' '.repeat(interestWidth + readyWidth + 12);
  const mark = isPhantom(entry) ? '!' : ' ';
  const head = `${mark}${String(entry.fd).padStart(6)}  ${interestWords(entry).padEnd(interestWidth)}  ${readyWords(entry).padEnd(readyWidth)}  `;
  const lines = wrap(`${head}${safe(fileWords(entry.file))}`, columns, indent);
  const phantom = phantomWords(entry, pid);
  return phantom === null
    ? lines
    : [...lines, ...wrap(`${' '.repeat(9)}${phantom}`, columns, ' '.repeat(11))];
}

/** `4960 socket, 3 pipe`. */
function kinds(entries: readonly PsEntry[]): string {
  const counts = new Map<string, number>();
  for (const { file } of entries) {
    const kind = file?.kind ?? 'unknown';
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].map(([kind, n]) => `${n} ${kind}`).join(', ');
}

function setLines(set: PsSet, report: PsReport, options: RenderOptions, columns: number): string[] {
  const { epollFd, duplicateFds, entries, steady } = set;
  const phantoms = entries.filter(isPhantom).length;
  const ready = entries.filter(({ readiness }) => readiness.levelReports === 'yes').length;
  const unknown = entries.filter(({ readiness }) => readiness.levelReports === 'unknown').length;
  const fds = new Set([epollFd, ...duplicateFds]);
  const waiters = (valueOf(report.threads) ?? []).filter(
    ({ call }) =>
      isKnown(call) &&
      call.value.kind === 'call' &&
      call.value.fd !== null &&
      fds.has(call.value.fd) &&
      (call.value.name ?? '').startsWith('epoll_'),
  );
  const names = [...new Set(waiters.map(({ name, main }) => (main ? `${name} (main)` : name)))];
  const title = [
    `epoll fd ${epollFd}${duplicateFds.length === 0 ? '' : ` (also fd ${duplicateFds.join(', ')})`}: ${count(entries.length, 'entry', 'entries')}`,
    `${ready} ready`,
    ...(unknown > 0 ? [`${unknown} unknown`] : []),
    ...(phantoms > 0 ? [count(phantoms, 'phantom')] : []),
    waiters.length === 0
      ? 'nobody waits on it now'
      : `${count(waiters.length, 'thread')} (${names.join(', ')}) ${waiters.length === 1 ? 'waits' : 'wait'} on it`,
    ...(steady ? [] : ['it changed while it was being read']),
  ].join(', ');
  const lines = wrap(title, columns, '  ');
  if (entries.length === 0) return lines;
  const sorted = options.all ? entries : entries.toSorted((a, b) => rank(a) - rank(b) || a.fd - b.fd);
  const shown = options.all ? sorted : sorted.slice(0, ROWS_MAX);
  const widths = [
    Math.max(8, ...shown.map((entry) => interestWords(entry).length)),
    Math.max(5, ...shown.map((entry) => readyWords(entry).length)),
  ];
  lines.push(`     fd  ${'interest'.padEnd(widths[0])}  ${'ready'.padEnd(widths[1])}  file`);
  for (const entry of shown) lines.push(...entryLines(entry, report.pid, widths, columns));
  const rest = sorted.slice(shown.length);
  if (rest.length > 0) lines.push(`         and ${rest.length} more: ${kinds(rest)} (--all shows them)`);
  return lines;
}

/** One process. */
export function renderReport(report: PsReport, options: RenderOptions = {}): string {
  const columns = options.columns ?? COLUMNS;
  const { pid, name, command, state, userId, threads, openFds, sets, others, notes } = report;
  const list = valueOf(threads) ?? [];
  const lines = wrap(
    `${pid} ${safe(name)}: ${describeState(state)}, user ${figureWords(userId)}, ${count(list.length, 'thread')}, ${figureWords(openFds)} descriptors, ${count(sets.length, 'epoll set')}`,
    columns,
    '  ',
  );
  if (command.length > 0) {
    const words = safe(command.join(' '));
    lines.push(
      `  ${options.all || words.length <= columns - 2 ? words : `${words.slice(0, columns - 5)}...`}`,
    );
  }
  if (list.length > 0) lines.push('', 'threads', ...threadLines(list, options, columns));
  for (const set of sets) lines.push('', ...setLines(set, report, options, columns));
  if (others.length > 0) {
    lines.push('', `${count(others.length, 'descriptor')} in no set`);
    const shown = options.all ? others : others.slice(0, OTHERS_MAX);
    for (const facts of shown)
      lines.push(
        ...wrap(` ${String(facts.fd).padStart(6)}  ${safe(fileWords(facts))}`, columns, ' '.repeat(9)),
      );
    if (shown.length < others.length)
      lines.push(`         and ${others.length - shown.length} more (--all shows them)`);
  }
  if (notes.length > 0) lines.push('', ...notes.flatMap((note) => wrap(`note: ${note}`, columns, '  ')));
  return `${lines.join('\n')}\n`;
}

// ---- the list ------------------------------------------------------------------------------------------------------

const entriesOf = ({ sets }: PsRow): number =>
  isKnown(sets) ? sets.value.reduce((sum, { entries }) => sum + entries, 0) : 0;

const setWords = (sets: PsRow['sets']): readonly [string, string] =>
  isKnown(sets) ? [String(sets.value.length), ''] : ['?', sets.unavailable];

const shortCall = (call: PsRow['call']): string => (isKnown(call) ? describeCall(call.value) : 'unknown');

/** The processes of a user: those with epoll sets first; without `all` the others as a number. */
export function renderList(list: PsList, options: RenderOptions = {}): string {
  const columns = options.columns ?? COLUMNS;
  const withSets = list.processes.filter(({ sets }) => !isKnown(sets) || sets.value.length > 0);
  const rows = options.all ? list.processes : withSets;
  const lines = ['    PID  NAME             THREADS    FDS  SETS  WAITING  FIRST THREAD IN'];
  for (const row of rows) {
    const cells = [
      String(row.pid).padStart(7),
      safe(row.name).slice(0, 15).padEnd(15),
      figureWords(row.threads).padStart(8),
      figureWords(row.openFds).padStart(5),
      setWords(row.sets)[0].padStart(4),
      (isKnown(row.sets) ? String(entriesOf(row)) : '?').padStart(7),
      shortCall(row.call),
    ];
    lines.push(cells.join('  ').slice(0, columns).trimEnd());
  }
  const without = list.processes.length - rows.length;
  if (without > 0)
    lines.push(`and ${count(without, 'process', 'processes')} without an epoll set (--all shows them)`);
  // Where time was up, a note of the list's own says so.
  if (list.processes.some(({ sets }) => !isKnown(sets) && sets.unavailable !== TIME_UP))
    lines.push(...wrap('note: ? stands where a process may not be looked at by this user', columns, '  '));
  lines.push(...list.notes.flatMap((note) => wrap(`note: ${note}`, columns, '  ')));
  return `${lines.join('\n')}\n`;
}
