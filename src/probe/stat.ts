// The lines of /proc/PID/stat and of schedstat, of a process or of one of its threads.

import { isKnown, known, unavailable } from './figure.js';
import type { Figure, Reading } from './figure.js';

export interface Stat {
  readonly name: string;
  readonly state: string;
  readonly userTicks: number;
  readonly systemTicks: number;
  readonly threads: number;
  readonly startTicks: number;
  readonly virtualBytes: number;
}

/** /proc/PID/stat or task/TID/stat. Null: another form. The name stands in brackets and may contain any character. */
export function parseStat(text: string): Stat | null {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 0 || close < open) return null;
  // The first field after the name is the third of the manual page.
  const fields = text
    .slice(close + 2)
    .trim()
    .split(' ');
  const number = (field: number): number => Number(fields[field - 3]);
  const stat = {
    name: text.slice(open + 1, close),
    state: fields[0] ?? '',
    userTicks: number(14),
    systemTicks: number(15),
    threads: number(20),
    startTicks: number(22),
    virtualBytes: number(23),
  };
  return Number.isNaN(stat.virtualBytes) ? null : stat;
}

/** /proc/PID/task/TID/schedstat. Null: another form. */
export function parseSchedstat(text: string): { cpuNs: number; waitNs: number; slices: number } | null {
  const match = /^(\d+) (\d+) (\d+)\s*$/.exec(text);
  if (match === null) return null;
  return { cpuNs: Number(match[1]), waitNs: Number(match[2]), slices: Number(match[3]) };
}

/** The times in a stat file, which counts them in clock ticks. */
export function cpuTimes(
  stat: Reading<string>,
  nsPerTick: Figure,
  source: string,
): [user: Figure, system: Figure] {
  if (!isKnown(stat)) return [stat, stat];
  if (!isKnown(nsPerTick)) return [nsPerTick, nsPerTick];
  const parsed = parseStat(stat.value);
  if (parsed === null) {
    const other = unavailable(`${source} has a form that is not known here`);
    return [other, other];
  }
  return [
    known(parsed.userTicks * nsPerTick.value, `${source} utime`),
    known(parsed.systemTicks * nsPerTick.value, `${source} stime`),
  ];
}
