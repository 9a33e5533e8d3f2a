// Entries, threads and readiness in a few words, for people.

import type { DescriptorFacts, Figure } from '../probe/index.js';
import { describeCall, describeDescriptor, isKnown } from '../probe/index.js';
import { isPhantom } from './sets.js';
import type { PsEntry } from './sets.js';
import { describeState } from './threads.js';
import type { PsThread } from './threads.js';

/** The kernel adds these to every entry: they tell nothing. */
const ALWAYS = new Set(['EPOLLERR', 'EPOLLHUP']);

/** `IN|RDHUP|ET`; `fired|ONESHOT` for a oneshot that reports nothing until it is modified; `-` for none. */
export function interestWords({ interest, disarmed }: PsEntry): string {
  const names = interest.filter((name) => !ALWAYS.has(name)).map((name) => name.replace(/^EPOLL/, ''));
  if (disarmed) names.unshift('fired');
  return names.length === 0 ? '-' : names.join('|');
}

const ANSWERS = [
  ['readable', 'IN', ['EPOLLIN', 'EPOLLRDNORM']],
  ['writable', 'OUT', ['EPOLLOUT', 'EPOLLWRNORM']],
  ['priority', 'PRI', ['EPOLLPRI']],
  ['readClosed', 'RDHUP', ['EPOLLRDHUP']],
  ['hangup', 'HUP', ['EPOLLHUP']],
  ['error', 'ERR', ['EPOLLERR']],
] as const;

/** Of what the entry asks: the names of what is so; `-`: nothing is; `?`: it cannot be derived, or not all of it. */
export function readyWords({ interest, readiness, disarmed }: PsEntry): string {
  if (disarmed) return '-';
  const asked = ANSWERS.filter(([, , bits]) => bits.some((bit) => interest.includes(bit)));
  const so = asked.filter(([name]) => readiness[name] === 'yes').map(([, short]) => short);
  if (so.length > 0) return so.join('|');
  return readiness.levelReports === 'no' ? '-' : '?';
}

export function fileWords(file: DescriptorFacts | null): string {
  return file === null ? 'unknown' : describeDescriptor(file);
}

/** What a phantom is, in one sentence; null for an entry that is none. */
export function phantomWords(entry: PsEntry, pid: number): string | null {
  const { fd, target, holders, inode } = entry;
  if (!isPhantom(entry) || !isKnown(target) || holders === null) {
    return isKnown(target) ? null : `whether fd ${fd} is still this file is unknown: ${target.unavailable}`;
  }
  const now = target.value === 'closed' ? 'is closed' : 'is another file now';
  if (!isKnown(holders))
    return `phantom: fd ${fd} ${now}; who keeps its file is unknown: ${holders.unavailable}`;
  const names = holders.value.map((holder) =>
    holder.pid === pid ? `fd ${holder.fd}` : `fd ${holder.fd} of process ${holder.pid}`,
  );
  if (names.length > 0) return `phantom: fd ${fd} ${now}; its file lives on as ${names.join(', ')}`;
  const which = inode === null ? '' : ` (inode ${inode})`;
  return `phantom: fd ${fd} ${now}; who keeps its file${which} was not found`;
}

export function durationWords(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

/** `epoll_wait(fd 13), no timeout`, `futex, with a timeout`, `running`, `stopped by a signal, in read(fd 3)`. */
export function callWords({ state, call, timeout }: PsThread): string {
  if (!isKnown(call))
    return state === 'R' ? describeState(state) : `${describeState(state)}, in what is unknown`;
  const text = describeCall(call.value);
  const until =
    timeout === null
      ? ''
      : timeout.kind === 'none'
        ? ', no timeout'
        : timeout.kind === 'some'
          ? ', with a timeout'
          : `, timeout ${durationWords(timeout.ms)}`;
  if (state === 'S') return `${text}${until}`;
  if (call.value.kind === 'running') return state === 'R' ? text : describeState(state);
  return state === 'R' ? describeState(state) : `${describeState(state)}, in ${text}${until}`;
}

/** ` asleep 3.2 s`, ` for 6.0 s at least`, or nothing where it is not known. */
export function sinceWords({ asleepMs, notRunMs }: PsThread): string {
  if (isKnown(asleepMs)) return `; asleep about ${durationWords(asleepMs.value)}`;
  return isKnown(notRunMs) ? `; not run for ${durationWords(notRunMs.value)} at least` : '';
}

export const figureWords = (figure: Figure): string => (isKnown(figure) ? String(figure.value) : '?');
