// What the threads of a process sleep in, those that do the same as one group.

import { isKnown, isUnavailable, known } from './figure.js';
import type { Reading } from './figure.js';
import type { Files } from './files.js';
import { readProcess } from './process.js';
import type { ProcessSnapshot, ThreadSnapshot } from './snapshot.js';

/** Threads of one name in the same call. */
export interface ThreadGroup {
  readonly name: string;
  /** Whether it is the process's first thread, which always stands alone. */
  readonly main: boolean;
  readonly count: number;
  /** The system call by name; `running`, `outside`, or why it isn't known. */
  readonly call: string;
  /** The different descriptors that they wait on; null: the call waits on none. */
  readonly fds: readonly number[] | null;
}

function callOf({ sleep }: ThreadSnapshot): { call: string; fd: number | null } {
  if (sleep === null) return { call: 'not asked for', fd: null };
  if (!isKnown(sleep.call)) return { call: `unknown: ${sleep.call.unavailable}`, fd: null };
  const { value } = sleep.call;
  if (value.kind !== 'call') return { call: value.kind, fd: null };
  return { call: value.name ?? `system call ${value.number}`, fd: value.fd };
}

/** Groups the threads of a look that was taken with `sleep`, in the order in which the first of each group was found. */
export function groupThreads(snapshot: ProcessSnapshot): ThreadGroup[] {
  if (!isKnown(snapshot.threads)) return [];
  const groups = new Map<
    string,
    { name: string; main: boolean; count: number; call: string; fds: Set<number> }
  >();
  for (const thread of snapshot.threads.value) {
    const { call, fd } = callOf(thread);
    const { name } = thread;
    const main = thread.threadId === snapshot.pid;
    const key = `${name} ${String(main)} ${call}`;
    const group = groups.get(key) ?? { name, main, count: 0, call, fds: new Set<number>() };
    group.count++;
    if (fd !== null) group.fds.add(fd);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ fds, ...rest }) => ({
    ...rest,
    fds: fds.size === 0 ? null : [...fds].sort((a, b) => a - b),
  }));
}

/** Looks at a process and groups its threads. */
export function describeThreads(pid: number, files?: Files): Reading<readonly ThreadGroup[]> {
  const look = { memory: false, sleep: true };
  const snapshot = readProcess(pid, files === undefined ? look : { ...look, files });
  if (isUnavailable(snapshot)) return snapshot;
  if (!isKnown(snapshot.threads)) return snapshot.threads;
  return known(groupThreads(snapshot), '/proc/PID/task/TID/syscall');
}

/** For people: `4 x libuv-worker: futex`, `node (main): epoll_wait(fd 13)`. */
export function describeThreadGroup({ name, main, count, call, fds }: ThreadGroup): string {
  const who = `${count === 1 ? '' : `${count} x `}${name}${main ? ' (main)' : ''}`;
  if (fds === null) return `${who}: ${call}`;
  return `${who}: ${call}(${fds.length === 1 ? `fd ${fds[0]}` : `${fds.length} descriptors`})`;
}
