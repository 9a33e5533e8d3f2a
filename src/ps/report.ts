// Everything about one process as data: its threads, its epoll sets, its other descriptors; or why it cannot be had.

import type {
  DescriptorFacts,
  EvidenceOptions,
  Figure,
  Files,
  Reading,
  SocketTable,
  Unavailable,
} from '../probe/index.js';
import { isKnown, isUnavailable, parseStat, readProcess, systemFiles, unavailable } from '../probe/index.js';
import { checkInteger } from '../errors.js';
import { programName } from './program-name.js';
import { readSets } from './sets.js';
import type { PsSet } from './sets.js';
import { threadsOf } from './threads.js';
import type { PsThread } from './threads.js';

/** Of the JSON form; counted up when a name changes its meaning or goes. */
export const PS_FORMAT = 1;

export interface PsReport {
  readonly format: typeof PS_FORMAT;
  readonly kind: 'process';
  readonly pid: number;
  readonly name: string;
  /** The words it was started with; empty for a thread of the kernel's. */
  readonly command: readonly string[];
  readonly state: string;
  readonly userId: Figure;
  /** Tells it from a later process with the same pid: ticks since boot. */
  readonly startTicks: number | null;
  /** ISO 8601. */
  readonly takenAt: string;
  readonly lookMs: number;
  readonly openFds: Figure;
  readonly threads: Reading<readonly PsThread[]>;
  readonly sets: readonly PsSet[];
  readonly others: readonly DescriptorFacts[];
  readonly socketSources: SocketTable['sources'];
  /** What could not be had, in sentences. */
  readonly notes: readonly string[];
}

export interface PsOptions extends EvidenceOptions {
  /** After so long nothing more is looked up; what is missing is unknown (default 5000). */
  readonly limitMs?: number;
  readonly platform?: string;
}

const LIMIT_MS = 5000;

/** What `/proc/PID/status` has in a line of that name. */
function statusLine(pid: number, name: string, files: Files): string | null {
  const status = files.text(`/proc/${pid}/status`);
  if (!isKnown(status)) return null;
  return new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status.value)?.[1] ?? null;
}

export function userIdOf(pid: number, files: Files = systemFiles): Figure {
  const line = statusLine(pid, 'Uid', files);
  // Real, effective, saved, file system: who may look is decided by the effective one.
  const id = Number(line?.split(/\s+/)[1]);
  return line === null || Number.isNaN(id)
    ? unavailable(`/proc/${pid}/status has no Uid line`)
    : { value: id, source: '/proc/PID/status Uid' };
}

/** Why a process cannot be looked at, as a sentence with the remedy. `reason`: what the refused probe said. */
export function explainRefusal(pid: number, reason: string, files: Files = systemFiles): string {
  const stat = files.text(`/proc/${pid}/stat`);
  if (!isKnown(stat)) return `process ${pid} has ended while it was being looked at`;
  const parsed = parseStat(stat.value);
  const name = parsed === null ? '' : ` (${parsed.name})`;
  if (parsed?.state === 'Z' || parsed?.state === 'X')
    return `process ${pid}${name} has ended, and its parent has not collected it yet: it has no descriptors any more`;
  const user = userIdOf(pid, files);
  const own = process.geteuid?.() ?? -1;
  if (isKnown(user) && user.value !== own && own !== 0)
    return `process ${pid}${name} belongs to user ${user.value}, and you are user ${own}: run it as that user, or as root with sudo`;
  if (reason.includes('permission'))
    return `process ${pid}${name} does not let itself be looked at (it changed its user or its program is privileged, or a security module forbids it): run as root with CAP_SYS_PTRACE`;
  return `process ${pid}${name}: ${reason}`;
}

/** Null: it may be looked at, or at least tried. */
function obstacle(pid: number, platform: string, files: Files): string | null {
  if (platform !== 'linux')
    return `ps reads /proc and the interest lists of epoll, which only Linux has; this is ${platform}`;
  if (!isKnown(files.text(`/proc/${pid}/stat`)))
    return `there is no process ${pid}, or /proc hides it from this user (hidepid)`;
  const leader = statusLine(pid, 'Tgid', files);
  if (leader !== null && Number(leader) !== pid)
    return `${pid} is a thread of process ${leader}: give that number`;
  return null;
}

const YAMA = '/proc/sys/kernel/yama/ptrace_scope';

/** Threads of which nobody says what they sleep in share one reason, and a remedy. */
function threadNotes(threads: Reading<readonly PsThread[]>, files: Files): string[] {
  if (!isKnown(threads)) return [`threads: ${threads.unavailable}`];
  const refused = threads.value.find(({ call }) => !isKnown(call));
  if (refused === undefined || isKnown(refused.call)) return [];
  const scope = files.text(YAMA);
  const remedy =
    isKnown(scope) && Number(scope.value) > 0
      ? `; ${YAMA} is ${scope.value.trim()}: root may look, or lower it`
      : '';
  return [`what threads sleep in: ${refused.call.unavailable}${remedy}`];
}

/** One look at a process. Reads only: no descriptor is duplicated or opened, no set is waited on, nothing is stopped. */
export function readPs(pid: number, options: PsOptions = {}): PsReport | Unavailable {
  checkInteger('PID', pid, 1, 0x7fffffff);
  const { files = systemFiles, platform = process.platform, limitMs = LIMIT_MS } = options;
  const startedMs = performance.now();
  const hindered = obstacle(pid, platform, files);
  if (hindered !== null) return unavailable(hindered);
  const refused = (reason: string): Unavailable => unavailable(explainRefusal(pid, reason, files));

  const sets = readSets(pid, { ...options, deadlineMs: startedMs + limitMs });
  if (!isKnown(sets)) return refused(sets.unavailable);
  // Threads last: what they sleep in refers to descriptors that have been seen.
  const snapshot = readProcess(pid, { files, memory: false, sleep: true });
  if (isUnavailable(snapshot)) return refused(snapshot.unavailable);
  if (snapshot.state === 'Z') return refused('it has ended');
  const threads = threadsOf(snapshot, files);
  const command = files.text(`/proc/${pid}/cmdline`);
  const lookMs = performance.now() - startedMs;
  const late = lookMs > limitMs ? [`after ${limitMs} ms nothing more was looked up: see --limit`] : [];
  return {
    format: PS_FORMAT,
    kind: 'process',
    pid,
    name: programName(pid, snapshot.name, files),
    command: isKnown(command) ? command.value.split('\0').filter((word) => word !== '') : [],
    state: snapshot.state,
    userId: userIdOf(pid, files),
    startTicks: snapshot.startTicks,
    takenAt: new Date().toISOString(),
    lookMs: Math.round(lookMs),
    openFds: snapshot.figures.openFds,
    threads,
    sets: sets.value.sets,
    others: sets.value.others,
    socketSources: sets.value.socketSources,
    notes: [...sets.value.unreadable, ...threadNotes(threads, files), ...late],
  };
}
