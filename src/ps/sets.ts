// The epoll sets of a process with every entry resolved: what the file is, its readiness, and whether it is a phantom.

import type {
  DerivedReadiness,
  DescriptorFacts,
  EvidenceOptions,
  InterestEntry,
  InterestToken,
  Reading,
  SocketTable,
  TargetState,
} from '../probe/index.js';
import {
  decodeEvents,
  decodeToken,
  derivedReadiness,
  entryReadiness,
  findEpollFds,
  findSocket,
  isDisarmed,
  isKnown,
  isOwnPoller,
  isSameSet,
  known,
  readDescriptors,
  readInterest,
  readSocketTable,
  systemFiles,
  unavailable,
} from '../probe/index.js';
import { findHolders } from './holders.js';
import type { Holder } from './holders.js';

export interface PsEntry {
  /** The number under which it was added. */
  readonly fd: number;
  readonly events: number;
  /** The bits by name, with EPOLLERR and EPOLLHUP, which the kernel adds to all. */
  readonly interest: readonly string[];
  /** A oneshot that has fired: nothing is reported until it is modified. */
  readonly disarmed: boolean;
  /** The program's own 64 bits, in hexadecimal. */
  readonly data: string;
  /** What the data are where the set is a poller of underloop's. */
  readonly token: InterestToken | null;
  readonly inode: number | null;
  readonly device: number | null;
  readonly target: Reading<TargetState>;
  /** The file that the set holds. Of a phantom: if it was found elsewhere. */
  readonly file: DescriptorFacts | null;
  readonly readiness: DerivedReadiness;
  /** Of a phantom: the descriptors that name its file now. Null: it is none. */
  readonly holders: Reading<readonly Holder[]> | null;
}

export interface PsSet {
  readonly epollFd: number;
  /** Other descriptors of the process for the very same set. */
  readonly duplicateFds: readonly number[];
  /** By fd. */
  readonly entries: readonly PsEntry[];
  /** False: the list changed while it was being looked at, so that what stands beside an entry may be of a later moment. */
  readonly steady: boolean;
}

export interface SetsOptions extends EvidenceOptions {
  /** On the clock of performance.now(): what is not looked at by then is unknown. */
  readonly deadlineMs: number;
}

export interface Sets {
  readonly sets: readonly PsSet[];
  /** Descriptors that stand in no set, by number. */
  readonly others: readonly DescriptorFacts[];
  /** Sets that could not be read, each with the reason. */
  readonly unreadable: readonly string[];
  /** For each table of sockets which source answered, or why none did. */
  readonly socketSources: SocketTable['sources'];
}

export function isPhantom({ target }: Pick<PsEntry, 'target'>): boolean {
  return isKnown(target) && target.value !== 'same';
}

const LOOKS_MAX = 3;
/** Descriptors that are read between two looks at the clock. */
const SLICE = 64;
export const TIME_UP = 'time was up';

/** Everything that the sets need of one process, read once and shared. */
class Looker {
  private table: SocketTable | null = null;
  private readonly facts = new Map<number, DescriptorFacts>();
  /** Devices of the kernel's own file systems, learnt from entries whose file is proven. */
  private socketDevice: number | null = null;

  constructor(
    readonly pid: number,
    readonly options: SetsOptions,
  ) {}

  get sockets(): SocketTable {
    return (this.table ??= readSocketTable(this.pid, this.options));
  }

  get sources(): SocketTable['sources'] {
    return this.table?.sources ?? {};
  }

  /** Of the process's own descriptors; those read already are not read again. */
  describe(fds: readonly number[]): void {
    const missing = fds.filter((fd) => !this.facts.has(fd));
    for (let from = 0; from < missing.length; from += SLICE) {
      const slice = missing.slice(from, from + SLICE);
      const late = performance.now() > this.options.deadlineMs;
      const read = late
        ? unavailable(TIME_UP)
        : readDescriptors(this.pid, { ...this.options, fds: slice, sockets: this.sockets });
      for (const fd of slice) {
        const facts = isKnown(read) ? read.value.get(fd) : undefined;
        const reason = isKnown(read) ? 'it was closed meanwhile' : read.unavailable;
        this.facts.set(fd, facts ?? { fd, kind: 'unknown', reason });
      }
    }
  }

  forget(): void {
    this.facts.clear();
    this.table = null;
  }

  of(fd: number): DescriptorFacts | undefined {
    return this.facts.get(fd);
  }

  learn(entries: readonly InterestEntry[]): void {
    for (const { fd, target, device } of entries)
      if (isKnown(target) && target.value === 'same' && this.facts.get(fd)?.kind === 'socket')
        this.socketDevice = device;
  }

  /** The file of a phantom: through somebody who has it open, else a socket by inode and device. */
  phantom(entry: InterestEntry, holders: Reading<readonly Holder[]>): DescriptorFacts | null {
    const holder = isKnown(holders) ? holders.value.at(0) : undefined;
    if (holder !== undefined) {
      const { pid, fd } = holder;
      const sockets = pid === this.pid ? { sockets: this.sockets } : {};
      const read = readDescriptors(pid, { ...this.options, fds: [fd], ...sockets });
      const facts = isKnown(read) ? read.value.get(fd) : undefined;
      if (facts !== undefined && facts.kind !== 'unknown') return { ...facts, fd: entry.fd };
    }
    const { inode, device, fd } = entry;
    if (inode === null || device === null || device !== this.socketDevice) return null;
    const protocol = unavailable('no descriptor was found that could be asked');
    return { fd, kind: 'socket', inode, protocol, ...findSocket(this.sockets, inode) };
  }
}

function sameList(a: readonly InterestEntry[], b: readonly InterestEntry[]): boolean {
  return (
    a.length === b.length &&
    a.every(
      ({ fd, events, data, inode, target }, i) =>
        b[i].fd === fd &&
        b[i].events === events &&
        b[i].data === data &&
        b[i].inode === inode &&
        (isKnown(target) ? target.value : '?') === (isKnown(b[i].target) ? b[i].target.value : '?'),
    )
  );
}

function resolve(looker: Looker, epollFd: number, entries: readonly InterestEntry[]): PsEntry[] {
  const { pid, options } = looker;
  const own = isOwnPoller(entries);
  const occurrences = new Map<number, number>();
  looker.learn(entries);
  return entries.map((entry) => {
    const { fd, events, data, inode, device, target } = entry;
    const occurrence = occurrences.get(fd) ?? 0;
    occurrences.set(fd, occurrence + 1);
    const phantom = isPhantom(entry);
    const holders = phantom ? findHolders({ pid, epollFd, fd, occurrence }, inode, options, options) : null;
    const file = holders === null ? (looker.of(fd) ?? null) : looker.phantom(entry, holders);
    return {
      fd,
      events,
      interest: decodeEvents(events),
      disarmed: isDisarmed(events),
      data: `0x${data.toString(16)}`,
      token: own ? decodeToken(data) : null,
      inode,
      device,
      target,
      file,
      readiness:
        phantom && file !== null ? derivedReadiness(file, events) : entryReadiness(entry, file ?? undefined),
      holders,
    };
  });
}

/** One set. A process that goes on meanwhile is looked at anew, a few times. */
function readSet(looker: Looker, epollFd: number): Reading<PsSet> {
  const { pid, options } = looker;
  for (let look = 1; ; look++) {
    const before = readInterest(pid, epollFd, options);
    if (!isKnown(before)) return before;
    looker.describe(before.value.entries.map(({ fd }) => fd));
    const after = readInterest(pid, epollFd, options);
    if (!isKnown(after)) return after;
    const steady = sameList(before.value.entries, after.value.entries);
    if (!steady && look < LOOKS_MAX && performance.now() < options.deadlineMs) {
      looker.forget();
      continue;
    }
    const entries = resolve(looker, epollFd, before.value.entries);
    entries.sort((a, b) => a.fd - b.fd);
    return known({ epollFd, duplicateFds: [], entries, steady }, '/proc/PID/fdinfo/FD');
  }
}

/** Sets that are one, under several descriptors, once: the first descriptor, and the others. */
export function withoutDuplicates(
  pid: number,
  fds: readonly number[],
  options: EvidenceOptions,
): Map<number, number[]> {
  const sets = new Map<number, number[]>();
  for (const fd of fds) {
    const first = [...sets.keys()].find((one) => isSameSet(pid, one, fd, options));
    if (first === undefined) sets.set(fd, []);
    else sets.get(first)!.push(fd);
  }
  return sets;
}

/** All epoll sets of a process, and its descriptors that stand in none. Opens and changes nothing of the process's. */
export function readSets(pid: number, options: SetsOptions): Reading<Sets> {
  const fds = findEpollFds(pid, options);
  if (!isKnown(fds)) return fds;
  const looker = new Looker(pid, options);
  const sets: PsSet[] = [];
  const unreadable: string[] = [];
  for (const [epollFd, duplicateFds] of withoutDuplicates(pid, fds.value, options)) {
    const set = readSet(looker, epollFd);
    if (isKnown(set)) sets.push({ ...set.value, duplicateFds });
    else unreadable.push(`epoll fd ${epollFd}: ${set.unavailable}`);
  }
  const inSets = new Set(
    sets.flatMap(({ entries }) => entries.filter((entry) => !isPhantom(entry)).map(({ fd }) => fd)),
  );
  const { files = systemFiles } = options;
  const open = files.list(`/proc/${pid}/fd`);
  if (!isKnown(open)) return open;
  const others = open.value
    .map(Number)
    .filter((fd) => !inSets.has(fd))
    .sort((a, b) => a - b);
  looker.describe(others);
  return known(
    {
      sets,
      others: others.map((fd) => looker.of(fd)!),
      unreadable,
      socketSources: looker.sources,
    },
    '/proc/PID/fd',
  );
}
