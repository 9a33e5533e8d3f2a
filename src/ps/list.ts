// The processes of a user, each with its threads, its epoll sets and how many descriptors wait in them.

import type { EvidenceOptions, Figure, Files, Reading, ThreadCall, Unavailable } from '../probe/index.js';
import {
  findEpollFds,
  isKnown,
  isUnavailable,
  known,
  listPids,
  parseInterest,
  parseSyscall,
  readProcess,
  systemFiles,
  unavailable,
} from '../probe/index.js';
import { programName } from './program-name.js';
import { PS_FORMAT, userIdOf } from './report.js';
import { TIME_UP, withoutDuplicates } from './sets.js';
import { has32BitWords, unnamed } from './threads.js';

export interface PsRow {
  readonly pid: number;
  readonly name: string;
  readonly state: string;
  readonly userId: Figure;
  readonly threads: Figure;
  readonly openFds: Figure;
  /** Of each set the descriptor and the number of entries. Unavailable: no permission, or no time. */
  readonly sets: Reading<readonly { readonly epollFd: number; readonly entries: number }[]>;
  /** What the first thread is in. */
  readonly call: Reading<ThreadCall>;
}

export interface PsList {
  readonly format: typeof PS_FORMAT;
  readonly kind: 'list';
  readonly takenAt: string;
  /** Null: of all users. */
  readonly userId: number | null;
  readonly processes: readonly PsRow[];
  readonly notes: readonly string[];
}

export interface ListOptions extends EvidenceOptions {
  /** Every user's, and the threads of the kernel too (default false). */
  readonly all?: boolean;
  /** Default 5000. */
  readonly limitMs?: number;
  readonly platform?: string;
}

function setsOf(pid: number, options: EvidenceOptions): PsRow['sets'] {
  const fds = findEpollFds(pid, options);
  if (!isKnown(fds)) return fds;
  const { files = systemFiles } = options;
  const sets = [...withoutDuplicates(pid, fds.value, options).keys()].flatMap((epollFd) => {
    const text = files.text(`/proc/${pid}/fdinfo/${epollFd}`);
    const entries = isKnown(text) ? parseInterest(text.value) : null;
    return entries === null ? [] : [{ epollFd, entries: entries.length }];
  });
  return known(sets, '/proc/PID/fdinfo/FD');
}

function firstCall(pid: number, files: Files): PsRow['call'] {
  const text = files.text(`/proc/${pid}/task/${pid}/syscall`);
  if (!isKnown(text)) return text;
  const parsed = parseSyscall(text.value);
  if (parsed === null) return unavailable('in a form that is not known here');
  const call = known(parsed, '/proc/PID/task/TID/syscall');
  const words = has32BitWords(pid, files);
  return isKnown(words) && words.value ? unnamed(call) : call;
}

/** By pid. A process that ends meanwhile is left out. */
export function readPsList(options: ListOptions = {}): PsList | Unavailable {
  const { files = systemFiles, all = false, platform = process.platform, limitMs = 5000 } = options;
  if (platform !== 'linux')
    return unavailable(
      `ps reads /proc and the interest lists of epoll, which only Linux has; this is ${platform}`,
    );
  const pids = listPids(files);
  if (!isKnown(pids)) return pids;
  const deadlineMs = performance.now() + limitMs;
  const own = process.geteuid?.() ?? -1;
  const processes: PsRow[] = [];
  let late = 0;
  for (const pid of pids.value.toSorted((a, b) => a - b)) {
    const userId = userIdOf(pid, files);
    if (!isKnown(userId) || (!all && userId.value !== own)) continue;
    const snapshot = readProcess(pid, { files, memory: false, threads: false });
    if (isUnavailable(snapshot)) continue;
    // A thread of the kernel's has no command, and no descriptors.
    const command = files.text(`/proc/${pid}/cmdline`);
    if (!all && isKnown(command) && command.value === '') continue;
    const inTime = performance.now() <= deadlineMs;
    if (!inTime) late++;
    processes.push({
      pid,
      name: programName(pid, snapshot.name, files),
      state: snapshot.state,
      userId,
      threads: snapshot.figures.threads,
      openFds: snapshot.figures.openFds,
      sets: inTime ? setsOf(pid, options) : unavailable(TIME_UP),
      call: firstCall(pid, files),
    });
  }
  return {
    format: PS_FORMAT,
    kind: 'list',
    takenAt: new Date().toISOString(),
    userId: all ? null : own,
    processes,
    notes: late === 0 ? [] : [`time was up before the sets of ${late} processes were read: see --limit`],
  };
}
