// What this machine and its container allow: descriptors, threads, ports, memory. So a run can say what it can hold.

import { checkInteger } from '../errors.js';
import type { Figure, Reading } from './figure.js';
import { isKnown, known, unavailable } from './figure.js';
import type { Files } from './files.js';
import { systemFiles } from './files.js';

/** A limit; `unlimited` is an answer too, and survives JSON as infinity would not. */
export type Limit = number | 'unlimited';

export interface SoftAndHard {
  readonly soft: Limit;
  readonly hard: Limit;
}

function parseLimit(text: string): Limit {
  return text === 'unlimited' ? text : Number(text);
}

/** /proc/PID/limits, by the first column. */
export function parseLimits(text: string): Map<string, SoftAndHard> {
  const limits = new Map<string, SoftAndHard>();
  for (const match of text.matchAll(/^(Max \S.*?)\s{2,}(unlimited|\d+)\s+(unlimited|\d+)/gm))
    limits.set(match[1], { soft: parseLimit(match[2]), hard: parseLimit(match[3]) });
  return limits;
}

function processLimit(name: string, pid: number | 'self', files: Files): Reading<SoftAndHard> {
  const path = `/proc/${pid}/limits`;
  const text = files.text(path);
  if (!isKnown(text)) return text;
  const limit = parseLimits(text.value).get(name);
  return limit === undefined ? unavailable(`${path} has no "${name}" line`) : known(limit, `${path} ${name}`);
}

/** How many descriptors one process may have open: this one, or the one with the pid. */
export function fdLimit(pid: number | 'self' = 'self', files: Files = systemFiles): Reading<SoftAndHard> {
  if (pid !== 'self') checkInteger('pid', pid, 1, 2 ** 31 - 1);
  const limit = processLimit('Max open files', pid, files);
  if (isKnown(limit) || process.platform === 'linux' || pid !== 'self') return limit;
  // Elsewhere the runtime's own report asks getrlimit for us.
  const report = process.report.getReport() as {
    userLimits?: Record<string, { soft: Limit; hard: Limit } | undefined>;
  };
  const own = report.userLimits?.['open_files'];
  return own === undefined
    ? limit
    : known({ soft: own.soft, hard: own.hard }, 'process.report userLimits.open_files');
}

/** How many processes and threads this user may have. */
export function userProcessLimit(files: Files = systemFiles): Reading<SoftAndHard> {
  return processLimit('Max processes', 'self', files);
}

export interface PortRange {
  readonly first: number;
  readonly last: number;
  /** Connections that one local address can have to one remote address and port, reserved ports taken off. */
  readonly count: number;
}

/** The ports given to connecting sockets. */
export function portRange(files: Files = systemFiles): Reading<PortRange> {
  const path = '/proc/sys/net/ipv4/ip_local_port_range';
  const text = files.text(path);
  if (!isKnown(text)) return text;
  const match = /^(\d+)\s+(\d+)\s*$/.exec(text.value);
  if (match === null) return unavailable(`${path} has a form that is not known here`);
  const first = Number(match[1]);
  const last = Number(match[2]);
  const reserved = files.text('/proc/sys/net/ipv4/ip_local_reserved_ports');
  const taken = isKnown(reserved) ? reservedWithin(reserved.value, first, last) : 0;
  return known({ first, last, count: last - first + 1 - taken }, path);
}

/** `8080,9000-9010`: how many of them lie in the range. */
function reservedWithin(text: string, first: number, last: number): number {
  let count = 0;
  for (const item of text.trim().split(',')) {
    if (item === '') continue;
    const [from = NaN, to = from] = item.split('-').map(Number);
    count += Math.max(0, Math.min(to, last) - Math.max(from, first) + 1);
  }
  return count;
}

function numberFile(path: string, files: Files): Figure {
  const text = files.text(path);
  if (!isKnown(text)) return text;
  const value = /^\d+\s*$/.test(text.value) ? Number(text.value) : NaN;
  return Number.isNaN(value) ? unavailable(`${path} has a form that is not known here`) : known(value, path);
}

/** One more than the largest pid; each thread takes one. */
export function pidMax(files: Files = systemFiles): Figure {
  return numberFile('/proc/sys/kernel/pid_max', files);
}

export function threadsMax(files: Files = systemFiles): Figure {
  return numberFile('/proc/sys/kernel/threads-max', files);
}

/** Mappings that one process may have. A thread's stack takes two: the stack and its guard. */
export function mappingsMax(files: Files = systemFiles): Figure {
  return numberFile('/proc/sys/vm/max_map_count', files);
}

/** Threads on the machine now, the kernel's own included. */
export function threadsNow(files: Files = systemFiles): Figure {
  const text = files.text('/proc/loadavg');
  if (!isKnown(text)) return text;
  const match = /^\S+ \S+ \S+ \d+\/(\d+) /.exec(text.value);
  return match === null
    ? unavailable('/proc/loadavg has a form that is not known here')
    : known(Number(match[1]), '/proc/loadavg field 4');
}

// ---- control groups ------------------------------------------------------------------------------------------------

/** Where the files of a controller are, from the group of this process up to the root of what is mounted. */
function controllerFolders(controller: string, files: Files): Reading<readonly string[]> {
  const groups = files.text('/proc/self/cgroup');
  const mounts = files.text('/proc/self/mountinfo');
  if (!isKnown(groups)) return groups;
  if (!isKnown(mounts)) return mounts;
  const lines = groups.value.split('\n').map((line) => /^\d+:([^:]*):(.*)$/.exec(line));
  // Version 1 has a hierarchy for the controller; version 2 has one for all, whose list of controllers is empty.
  const v1 = lines.find((match) => match?.[1]?.split(',').includes(controller) === true);
  const group = (v1 ?? lines.find((match) => match?.[1] === ''))?.[2];
  if (group === undefined) return unavailable('/proc/self/cgroup names no group');
  const mount = mounts.value
    .split('\n')
    .map((line) => /^\S+ \S+ \S+ (\S+) (\S+) .* - (cgroup2?) \S+ (\S+)$/.exec(line))
    .find((match) =>
      v1 === undefined ? match?.[3] === 'cgroup2' : match?.[4]?.split(',').includes(controller) === true,
    );
  if (mount === undefined || mount === null)
    return unavailable(`no control group file system with ${controller} is mounted`);
  const [, root = '/', point = ''] = mount;
  // In a container the mount often shows only the own group: then its root is the group, or a parent of it.
  let below =
    root !== '/' && (group === root || group.startsWith(`${root}/`)) ? group.slice(root.length) : group;
  const folders: string[] = [];
  while (below !== '' && below !== '/') {
    folders.push(point + below);
    below = below.slice(0, below.lastIndexOf('/'));
  }
  return known([...folders, point], `/proc/self/cgroup ${controller}`);
}

// Version 1 says "unlimited" with the largest number of whole pages.
const V1_UNLIMITED = 2 ** 62;

/** The tightest limit among our group and those above it, which hold too. */
function groupLimit(controller: string, names: readonly string[], files: Files): Reading<Limit> {
  const folders = controllerFolders(controller, files);
  if (!isKnown(folders)) return folders;
  let limit: { value: Limit; source: string } | null = null;
  for (const folder of folders.value) {
    for (const name of names) {
      const text = files.text(`${folder}/${name}`);
      if (!isKnown(text)) continue;
      const number = Number(text.value);
      const value = text.value.trim() === 'max' || number >= V1_UNLIMITED ? 'unlimited' : number;
      if (Number.isNaN(value)) continue;
      const tighter =
        limit === null || (value !== 'unlimited' && (limit.value === 'unlimited' || value < limit.value));
      if (tighter) limit = { value, source: text.source };
    }
  }
  // The root group has no such file: nothing limits what is in it.
  return limit ?? known('unlimited', `no ${names.join(' or ')} from ${folders.value[0] ?? '/'} upwards`);
}

/** How many processes and threads the container may have. */
export function cgroupPidsMax(files: Files = systemFiles): Reading<Limit> {
  return groupLimit('pids', ['pids.max'], files);
}

/** How much memory, page cache included, the container may have. */
export function cgroupMemoryMax(files: Files = systemFiles): Reading<Limit> {
  return groupLimit('memory', ['memory.max', 'memory.limit_in_bytes'], files);
}

// ---- what it comes to ----------------------------------------------------------------------------------------------

/** How many, and which limit it is that binds. */
export interface Capacity {
  readonly count: number;
  readonly boundBy: string;
}

/**
 * How many more threads one process can start, by every limit that is known. The user's own limit holds for others'
 * threads too and not for root at all; it is counted as if it were all ours.
 */
export function threadCapacity(files: Files = systemFiles): Reading<Capacity> {
  const now = threadsNow(files);
  const running = isKnown(now) ? now.value : 0;
  const bounds: Capacity[] = [];
  const add = (reading: Reading<Limit>, count: (limit: number) => number, remedy: string): void => {
    if (isKnown(reading) && reading.value !== 'unlimited')
      bounds.push({
        count: Math.max(0, Math.floor(count(reading.value))),
        boundBy: `${reading.source}${remedy}`,
      });
  };
  // The kernel keeps the first 300 pids to itself once they have been used up.
  add(pidMax(files), (limit) => limit - 300 - running, '');
  add(threadsMax(files), (limit) => limit - running, '');
  add(cgroupPidsMax(files), (limit) => limit, '');
  add(mappingsMax(files), (limit) => limit / 2, ' (two mappings per thread)');
  const user = userProcessLimit(files);
  add(isKnown(user) ? known(user.value.soft, user.source) : user, (limit) => limit, '');
  if (bounds.length === 0) return unavailable('no limit on threads can be read here');
  return known(
    bounds.reduce((tightest, bound) => (bound.count < tightest.count ? bound : tightest)),
    'the tightest of pid_max, threads-max, pids.max, max_map_count and RLIMIT_NPROC',
  );
}

/** How many connections one process can hold: its descriptors, less some for its own use. */
export function connectionCapacity(reservedFds = 64, files: Files = systemFiles): Reading<Capacity> {
  checkInteger('reservedFds', reservedFds, 0, 2 ** 31 - 1);
  const limit = fdLimit('self', files);
  if (!isKnown(limit)) return limit;
  const { soft } = limit.value;
  // Linux has no descriptor above fs.nr_open whatever the limit says.
  const highest = numberFile('/proc/sys/fs/nr_open', files);
  const fds = soft === 'unlimited' ? highest : known(soft, limit.source);
  if (!isKnown(fds)) return fds;
  return known({ count: Math.max(0, fds.value - reservedFds), boundBy: fds.source }, fds.source);
}
