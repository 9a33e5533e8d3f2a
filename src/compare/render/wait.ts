// `compare wait` as text: the timeline of every request, and what each thread sleeps in.

import type { Report } from '../report.js';
import type { ServerThreads, TimelineRow } from '../workloads/wait.js';
import { formatCount, formatTable, formatValue } from './format.js';
import { figureTable, footing, heading } from './frame.js';

const WIDTH = 64;
/** More timelines than this are shown by examples, evenly chosen. */
const ROWS_MAX = 12;

/**
 * One request on a scale of `totalMs`: `....[##]----[##]`. Dots: sent, and not read by the server; # in brackets: the
 * server works on it; dashes: it waits on the upstream. What is shorter than a column still gets one.
 */
export function drawTimeline(row: TimelineRow, totalMs: number, width = WIDTH): string {
  const column = (ms: number): number => Math.min(Math.floor((ms / totalMs) * width), width - 1);
  const columns = Array.from({ length: width }, () => ' ');
  const fill = (fromMs: number, toMs: number, mark: string): void => {
    for (let at = column(fromMs); at <= column(toMs); at++) columns[at] = mark;
  };
  fill(row.sentMs, row.receivedMs, '.');
  fill(row.waitStartedMs, row.waitEndedMs, '-');
  fill(row.receivedMs, row.waitStartedMs, '#');
  fill(row.waitEndedMs, row.answeredMs, '#');
  const text = columns.join('').replace(/#+/g, (work) => `[${work}]`);
  return text.trimEnd();
}

function chosen<T>(rows: readonly T[], max: number): { row: T; index: number }[] {
  if (rows.length <= max) return rows.map((row, index) => ({ row, index }));
  return Array.from({ length: max }, (_, at) => {
    const index = Math.round((at * (rows.length - 1)) / (max - 1));
    return { row: rows[index], index };
  });
}

function drawing(label: string, rows: readonly TimelineRow[], totalMs: number): string {
  const shown = chosen(rows, ROWS_MAX);
  const digits = String(rows.length).length;
  const lines = shown.map(
    ({ row, index }) => `  req ${String(index + 1).padStart(digits)} ${drawTimeline(row, totalMs)}`,
  );
  const left = rows.length - shown.length;
  const more = left > 0 ? `  (and ${formatCount(left)} others between them)\n` : '';
  const endMs = Math.max(...rows.map((row) => row.repliedMs));
  return `${label}: ${(endMs / 1000).toFixed(2)} s\n${lines.join('\n')}\n${more}`;
}

function threadLine({ name, count, call, descriptors }: ServerThreads): string[] {
  const verb = call === 'running' ? 'running' : `in ${call}`;
  const where =
    descriptors === null
      ? ''
      : count === 1
        ? ''
        : descriptors === count
          ? 'each on a descriptor of its own'
          : `on ${formatCount(descriptors)} descriptors`;
  return [`  ${formatCount(count)} x ${name}`, verb, where];
}

function threads(groups: readonly ServerThreads[]): string {
  const serving = groups.filter(({ serves }) => serves);
  const others = groups.filter(({ serves }) => !serves);
  const helpers = others.map(({ name, count, call }) => `${count} x ${name} (${call})`).join(', ');
  const lines = formatTable(serving.map(threadLine));
  return `${lines}${helpers === '' ? '' : `\n    beside it, of the runtime: ${helpers}`}`;
}

export function renderWait(report: Report): string {
  const { settings, contestants, cells } = report;
  const first = contestants.map(({ label }) =>
    cells.find((cell) => cell.contestant === label && cell.failure === null),
  );
  const shown = first.filter((cell) => cell !== undefined);
  const rowsOf = (raw: Record<string, unknown>): TimelineRow[] => raw['timeline'] as TimelineRow[];
  const totalMs = Math.max(0, ...shown.flatMap(({ raw }) => rowsOf(raw).map((row) => row.repliedMs)));
  return [
    heading(
      report,
      `wait: ${formatCount(settings.connections)} requests, each waits ${formatValue(settings.waitMs, 'ms')} ms on the upstream and works ${settings.cpuUs / 1000} ms`,
    ),
    '',
    `Timelines, one scale for all: . sent and not yet read   [##] in work   --- waiting`,
    '',
    ...shown.map(({ contestant, raw }) => drawing(contestant, rowsOf(raw), totalMs)),
    'Threads while the requests wait',
    ...shown.map(({ contestant, raw }) => `${contestant}\n${threads(raw['threads'] as ServerThreads[])}`),
    '',
    figureTable(report, Object.keys(report.figures)),
    '',
    footing(report),
  ].join('\n');
}
