// The interest list of an epoll set of any process, as the kernel has it: /proc/PID/fdinfo/FD, and which entries are phantoms.

import { checkFd, checkInteger } from '../errors.js';
import type { KernelPoller } from '../poller/poller.js';
import type { Reading } from './figure.js';
import { isKnown, known, unavailable } from './figure.js';
import type { Files } from './files.js';
import { systemFiles } from './files.js';
import { noInspector, systemInspector } from './inspector.js';
import type { Inspector } from './inspector.js';

/** Bits of an entry; epoll_ctl(2), include/uapi/linux/eventpoll.h. The upper four say how, the others what. */
export const EPOLL_FLAGS = {
  EPOLLIN: 0x1,
  EPOLLPRI: 0x2,
  EPOLLOUT: 0x4,
  EPOLLERR: 0x8,
  EPOLLHUP: 0x10,
  EPOLLNVAL: 0x20,
  EPOLLRDNORM: 0x40,
  EPOLLRDBAND: 0x80,
  EPOLLWRNORM: 0x100,
  EPOLLWRBAND: 0x200,
  EPOLLMSG: 0x400,
  EPOLLRDHUP: 0x2000,
  EPOLLEXCLUSIVE: 2 ** 28,
  EPOLLWAKEUP: 2 ** 29,
  EPOLLONESHOT: 2 ** 30,
  EPOLLET: 2 ** 31,
} as const;
export type EpollFlag = keyof typeof EPOLL_FLAGS;

/** EPOLLEXCLUSIVE and those above it: what a oneshot that has fired keeps (fs/eventpoll.c, EP_PRIVATE_BITS). */
const HOW_MASK = 0xf0000000;

/** The names of an entry's bits. A bit without a name is given as a number. */
export function decodeEvents(events: number): readonly string[] {
  let left = events >>> 0;
  const names: string[] = [];
  for (const [name, bit] of Object.entries(EPOLL_FLAGS)) {
    if ((left & bit) === 0) continue;
    names.push(name);
    left = (left & ~bit) >>> 0;
  }
  if (left !== 0) names.push(`0x${left.toString(16)}`);
  return names;
}

/** For people: `EPOLLIN|EPOLLRDHUP|EPOLLET`; `nothing` for a oneshot that has fired and for no bits. */
export function describeEvents(events: number): string {
  const names = decodeEvents(events);
  return names.length === 0 ? 'nothing' : names.join('|');
}

/** A oneshot that has fired: it is in the list, and reports nothing until it is modified. */
export function isDisarmed(events: number): boolean {
  return (events & EPOLL_FLAGS.EPOLLONESHOT) !== 0 && (events & ~HOW_MASK) === 0;
}

/** The 64 bits of an entry, read as one of our own pollers writes them (native/poller_epoll.cc). */
export type InterestToken =
  | { readonly kind: 'registration'; readonly slot: number; readonly generation: number }
  /** The descriptor by which another thread ends the wait. */
  | { readonly kind: 'waker' };

const WAKER_DATA = 0xffff_ffff_ffff_ffffn;

/** Null: no poller of ours writes this. Of another program's data the answer means nothing: others put a pointer or fd there. */
export function decodeToken(data: bigint): InterestToken | null {
  if (data === WAKER_DATA) return { kind: 'waker' };
  const slot = Number(BigInt.asIntN(32, data >> 32n));
  const generation = Number(BigInt.asIntN(32, data));
  return slot >= 0 && generation >= 1 ? { kind: 'registration', slot, generation } : null;
}

/** Whether a set is one of our own pollers', so that its data are tokens: each has its waker in it, and nobody else's data is that. */
export function isOwnPoller(entries: readonly InterestEntry[]): boolean {
  return entries.some(({ data }) => data === WAKER_DATA);
}

/** Whether the process still has, under the entry's number, the file which the set holds. */
export type TargetState = 'same' | 'closed' | 'other';

export interface InterestEntry {
  /** The number under which it was added. A phantom's may be closed, or name another file now: see {@link target}. */
  readonly fd: number;
  /** The bits, unsigned: {@link decodeEvents}. */
  readonly events: number;
  readonly data: bigint;
  /** Of the file that is held. Null: this kernel does not print it. All anonymous files (eventfd, timerfd) share one. */
  readonly inode: number | null;
  /** Of that inode's file system, as the kernel numbers it inside (major << 20 | minor). Null with the inode. */
  readonly device: number | null;
  readonly target: Reading<TargetState>;
}

export interface InterestList {
  readonly pid: number;
  readonly epollFd: number;
  /** In the kernel's order, which is that of addresses in its memory and means nothing. */
  readonly entries: readonly InterestEntry[];
}

export interface EvidenceOptions {
  readonly files?: Files;
  /** By default the system's; with recorded `files`, one that knows nothing. */
  readonly inspector?: Inspector;
}

export function inspectorOf({ files, inspector }: EvidenceOptions): Inspector {
  return inspector ?? (files === undefined ? systemInspector : noInspector);
}

const ENTRY =
  /^tfd:\s*(\d+)\s+events:\s*([0-9a-f]+)\s+data:\s*([0-9a-f]+)(?:\s+pos:-?\d+\s+ino:([0-9a-f]+)\s+sdev:([0-9a-f]+))?\s*$/;

type ParsedEntry = Omit<InterestEntry, 'target'>;

/** The entries in an fdinfo; proc_pid_fdinfo(5). Null: a line has another form. Before Linux 4.13 there is no inode. */
export function parseInterest(fdinfo: string): readonly ParsedEntry[] | null {
  const entries: ParsedEntry[] = [];
  for (const line of fdinfo.split('\n')) {
    if (!line.startsWith('tfd:')) continue;
    const match = ENTRY.exec(line);
    if (match === null) return null;
    entries.push({
      fd: Number(match[1]),
      events: parseInt(match[2], 16),
      data: BigInt(`0x${match[3]}`),
      inode: (match[4] as string | undefined) === undefined ? null : parseInt(match[4], 16),
      device: (match[5] as string | undefined) === undefined ? null : parseInt(match[5], 16),
    });
  }
  return entries;
}

/** What /proc/PID/fd links to for an epoll set. */
export const EPOLL_LINK = 'anon_inode:[eventpoll]';

/** The epoll sets of a process, by descriptor. Several may be one set, duplicated. */
export function findEpollFds(pid: number, { files = systemFiles }: EvidenceOptions = {}): Reading<number[]> {
  checkInteger('pid', pid, 1, 0x7fffffff);
  const folder = `/proc/${pid}/fd`;
  const names = files.list(folder);
  if (!isKnown(names)) return withoutProc(names);
  const found = names.value.filter((name) => {
    // One that was closed since the listing is none.
    const link = files.link(`${folder}/${name}`);
    return isKnown(link) && link.value === EPOLL_LINK;
  });
  return known(
    found.map(Number).sort((a, b) => a - b),
    '/proc/PID/fd',
  );
}

// kqueue keeps a list too; no call and no file hands it out.
function withoutProc(reason: { unavailable: string }): { unavailable: string } {
  if (process.platform === 'linux') return reason;
  return unavailable(
    `${process.platform} shows nobody the list of a kqueue: it is read on Linux only, of epoll`,
  );
}

/** Whether two descriptors of a process are one and the same set; false also where kcmp(2) may not be asked. */
export function isSameSet(
  pid: number,
  epollFd: number,
  otherFd: number,
  options: EvidenceOptions = {},
): boolean {
  const same = inspectorOf(options).isSameFile(pid, epollFd, otherFd);
  return isKnown(same) && same.value;
}

/**
 * What the epoll set `epollFd` of a process holds now. The set is not waited on, so nothing is taken from it. Between
 * the list and the look at its targets a running process may go on: what it closes meanwhile shows as closed.
 */
export function readInterest(
  pid: number,
  epollFd: number,
  options: EvidenceOptions = {},
): Reading<InterestList> {
  checkInteger('pid', pid, 1, 0x7fffffff);
  checkFd('epollFd', epollFd);
  const { files = systemFiles } = options;
  const link = files.link(`/proc/${pid}/fd/${epollFd}`);
  if (!isKnown(link)) return withoutProc(link);
  if (link.value !== EPOLL_LINK)
    return unavailable(`fd ${epollFd} of process ${pid} is ${link.value}, and no epoll set`);
  const path = `/proc/${pid}/fdinfo/${epollFd}`;
  const text = files.text(path);
  if (!isKnown(text)) return text;
  const parsed = parseInterest(text.value);
  if (parsed === null) return unavailable(`${path} has a form that is not known here`);
  const open = files.list(`/proc/${pid}/fd`);
  if (!isKnown(open)) return open;
  const openFds = new Set(open.value.map(Number));
  const occurrences = new Map<number, number>();
  const proven: Proven = { socketDevice: null };
  const entries = parsed.map((entry) => {
    const occurrence = occurrences.get(entry.fd) ?? 0;
    occurrences.set(entry.fd, occurrence + 1);
    const target: Reading<TargetState> = openFds.has(entry.fd)
      ? compareTarget(pid, epollFd, entry, occurrence, files, inspectorOf(options), proven)
      : known('closed', '/proc/PID/fd');
    return { ...entry, target };
  });
  return known({ pid, epollFd, entries }, '/proc/PID/fdinfo/FD');
}

/** What the entries compared so far have shown. */
interface Proven {
  /** The device of the sockets' file system: with it a socket's inode number is its own, and nobody else's. */
  socketDevice: number | null;
}

// The cheapest proof first: kcmp walks the set from its beginning for each entry, which among 5,000 sockets is 60 us.
function compareTarget(
  pid: number,
  epollFd: number,
  { fd, inode, device }: ParsedEntry,
  occurrence: number,
  files: Files,
  inspector: Inspector,
  proven: Proven,
): Reading<TargetState> {
  const link = files.link(`/proc/${pid}/fd/${fd}`);
  if (!isKnown(link)) return known('closed', '/proc/PID/fd');
  const numbered = /^(socket|pipe):\[(\d+)\]$/.exec(link.value);
  if (numbered !== null && inode !== null) {
    if (Number(numbered[2]) !== inode) return known('other', '/proc/PID/fd/FD');
    // Only a socket cannot be opened twice. Another file system may have given the same number to a file of its own.
    if (numbered[1] === 'socket' && proven.socketDevice !== null)
      return known(device === proven.socketDevice ? 'same' : 'other', '/proc/PID/fd/FD');
  }
  const same = inspector.isEpollTarget(pid, fd, epollFd, occurrence);
  if (numbered?.[1] === 'socket' && inode !== null) {
    if (!isKnown(same)) return known('same', '/proc/PID/fd/FD');
    if (same.value) proven.socketDevice = device;
  }
  if (isKnown(same)) return known(same.value ? 'same' : 'other', same.source);
  const info = files.text(`/proc/${pid}/fdinfo/${fd}`);
  const line = isKnown(info) ? /^ino:\s*(\d+)$/m.exec(info.value) : null;
  if (line !== null && inode !== null && Number(line[1]) !== inode)
    return known('other', '/proc/PID/fdinfo/FD ino');
  return unavailable(`${same.unavailable}; and the inode of ${link.value} may belong to several open files`);
}

/** The list of a poller of this very process: `reactor.poller`, or a `Poller`. */
export function readPollerInterest(
  poller: Pick<KernelPoller, 'kind' | 'fd'>,
  options: EvidenceOptions = {},
): Reading<InterestList> {
  switch (poller.kind) {
    case 'epoll':
      return poller.fd < 0
        ? unavailable('the poller is closed')
        : readInterest(process.pid, poller.fd, options);
    case 'kqueue':
      return unavailable('kqueue shows nobody its list; only the registry knows what was asked for');
    case 'poll':
    case 'select':
      return unavailable(
        `${poller.kind} keeps no list in the kernel: each wait hands over the whole of it, which lives in this process`,
      );
    case 'spin':
      return unavailable('spin has no list: it asks nobody, and takes all for ready');
    case 'uring':
      return unavailable(
        'a ring keeps no list: what is waited on for readiness is in an epoll set of its own',
      );
    case 'scripted':
      return unavailable('the scripted poller is in no kernel');
  }
}
