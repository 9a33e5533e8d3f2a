// Every poller that can run here, with what its mechanism can tell: what the contract suite is run over.

import { constants } from 'node:os';
import { nativeKernel } from '../../src/kernel/native.js';
import type { Kernel } from '../../src/kernel/kernel.js';
import { EDGE, EVENT_STRIDE, ONESHOT, READABLE } from '../../src/poller/poller.js';
import type { KernelPoller, PollerKind } from '../../src/poller/poller.js';
import { ScriptedKernel } from '../../src/testing.js';
import { ringKernel, unavailable } from '../../src/uring/kernel.js';

const { EBADF, ENOENT } = constants.errno;
/** The kernel has dropped it already: it says so of the number, closed or used again. */
const dropped = [-EBADF, -ENOENT];
/** On Linux kqueue is a library, which cannot see that a descriptor was closed. */
const isLibrary = process.platform === 'linux';

/** What a mechanism reports beyond readable and writable. These are limits of the systems, not of their pollers here. */
export interface Tells {
  /** The peer's half-close, beside READABLE. */
  readonly readClosed: boolean;
  /** That both halves are gone: always, only to who asked for WRITABLE (kqueue's write filter), or never (select). */
  readonly hangup: 'always' | 'writable' | 'never';
  /** A pending error of a stream socket whose peer is gone. kqueue's fflags differ from system to system. */
  readonly error: boolean;
  /** A descriptor that was closed while registered. The others drop it silently. */
  readonly invalid: boolean;
  /** What `remove` says of one that was closed while registered. */
  readonly removesClosed: readonly number[];
}

/** `spin` is no poller of the system, and says nothing that were true. */
const tells: Record<Exclude<PollerKind, 'spin'>, Tells> = {
  epoll: { readClosed: true, hangup: 'always', error: true, invalid: false, removesClosed: dropped },
  uring: { readClosed: true, hangup: 'always', error: true, invalid: false, removesClosed: dropped },
  scripted: { readClosed: true, hangup: 'always', error: true, invalid: false, removesClosed: dropped },
  kqueue: {
    readClosed: true,
    hangup: 'writable',
    error: false,
    invalid: false,
    removesClosed: isLibrary ? [0] : dropped,
  },
  // POLLRDHUP is Linux's own (and FreeBSD's since 13).
  poll: {
    readClosed: process.platform !== 'darwin',
    hangup: 'always',
    error: true,
    invalid: true,
    removesClosed: [0],
  },
  select: { readClosed: false, hangup: 'never', error: false, invalid: true, removesClosed: [0] },
};

export interface Subject {
  readonly name: string;
  readonly kind: PollerKind;
  /** Or-ed into every interest. */
  readonly trigger: number;
  readonly tells: Tells;
  /** Time is virtual: waits are exact. */
  readonly isVirtual: boolean;
  readonly newKernel: () => Kernel;
}

const triggerNames: Record<number, string> = {
  0: 'level',
  [EDGE]: 'edge',
  [ONESHOT]: 'oneshot',
  [EDGE | ONESHOT]: 'edge-oneshot',
};

function subjectsOf(kind: PollerKind, newKernel: () => Kernel): Subject[] {
  const isLevelOnly = kind === 'poll' || kind === 'select';
  return (isLevelOnly ? [0] : [0, EDGE, ONESHOT, EDGE | ONESHOT]).map((trigger) => ({
    name: `${kind}, ${triggerNames[trigger]!}`,
    kind,
    trigger,
    tells: tells[kind as keyof typeof tells],
    isVirtual: kind === 'scripted',
    newKernel,
  }));
}

export const subjects: readonly Subject[] = [
  ...nativeKernel.pollerKinds.flatMap((kind) => subjectsOf(kind, () => nativeKernel)),
  ...(unavailable() === null ? subjectsOf('uring', () => ringKernel()) : []),
  ...subjectsOf('scripted', () => new ScriptedKernel()),
];

export interface Report {
  readonly slot: number;
  readonly generation: number;
  readonly readiness: number;
}

/** One poller under test and the descriptors made for it; all are closed together. */
export class Bench {
  readonly kernel: Kernel;
  readonly poller: KernelPoller;
  private readonly fds = new Set<number>();
  private readonly pollers: KernelPoller[] = [];

  constructor(readonly subject: Subject) {
    this.kernel = subject.newKernel();
    this.poller = this.openPoller();
  }

  openPoller(): KernelPoller {
    const poller = this.kernel.openPoller(this.subject.kind);
    if (typeof poller === 'number') throw new Error(`openPoller: ${String(poller)}`);
    this.pollers.push(poller);
    return poller;
  }

  /** A connected pair of sockets. What one end does, the other sees at once. */
  pair(): [number, number] {
    const ends = new Int32Array(2);
    const result = this.kernel.socketPair(ends);
    if (result !== 0) throw new Error(`socketPair: ${String(result)}`);
    for (const fd of ends) this.fds.add(fd);
    return [ends[0]!, ends[1]!];
  }

  /** A descriptor of /dev/null. */
  reserve(): number {
    const fd = this.kernel.openReserve();
    this.fds.add(fd);
    return fd;
  }

  close(fd: number): void {
    this.fds.delete(fd);
    const result = this.kernel.close(fd);
    if (result !== 0) throw new Error(`close: ${String(result)}`);
  }

  closeAll(): void {
    for (const poller of this.pollers) poller.close();
    for (const fd of this.fds) this.kernel.close(fd);
  }

  add(fd: number, interest: number, slot = 0, generation = 1): number {
    return this.poller.add(fd, interest | this.subject.trigger, slot, generation);
  }
  modify(fd: number, interest: number, slot = 0, generation = 1): number {
    return this.poller.modify(fd, interest | this.subject.trigger, slot, generation);
  }

  /** One wait, by default one that only looks. */
  wait(timeoutMs = 0, capacity = 16, poller = this.poller): Report[] {
    const events = new Int32Array(capacity * EVENT_STRIDE);
    const count = poller.wait(events, timeoutMs);
    if (count < 0 || count > capacity) throw new Error(`wait: ${String(count)}`);
    return Array.from({ length: count }, (_, i) => {
      const [slot, generation, readiness] = events.subarray(i * EVENT_STRIDE) as unknown as number[];
      return { slot: slot!, generation: generation!, readiness: readiness! };
    });
  }
  /** The readiness of the only registration: 0 when nothing is reported. */
  readiness(): number {
    const reports = this.wait();
    if (reports.length > 1) throw new Error(`one registration, ${String(reports.length)} events`);
    return reports[0]?.readiness ?? 0;
  }

  send(fd: number, text: string): void {
    const bytes = new TextEncoder().encode(text);
    const count = this.kernel.sendBytes(fd, bytes, 0, bytes.length);
    if (count !== bytes.length) throw new Error(`sendBytes: ${String(count)}`);
  }
  /** Reads all that is there: the text, and whether end-of-file came behind it. */
  drain(fd: number): { text: string; eof: boolean } {
    let text = '';
    for (let rounds = 0; rounds < 10_000; rounds++) {
      const count = this.kernel.recv(fd, 0, this.kernel.buffer.length);
      if (count === -constants.errno.EAGAIN) return { text, eof: false };
      if (count === 0) return { text, eof: true };
      if (count < 0) throw new Error(`recv: ${String(count)}`);
      text += String.fromCharCode(...this.kernel.buffer.subarray(0, Math.min(count, 16)));
    }
    throw new Error('recv never came to an end');
  }
  /** Sends until the socket takes no more. */
  fill(fd: number): void {
    for (let rounds = 0; rounds < 10_000; rounds++) {
      const count = this.kernel.send(fd, 0, this.kernel.buffer.length);
      if (count === -constants.errno.EAGAIN) return;
      if (count < 0) throw new Error(`send: ${String(count)}`);
    }
    throw new Error('the socket was never full');
  }

  /** Makes `count` readable sockets with slots 0, 1, ... */
  readableSockets(count: number): number[] {
    return Array.from({ length: count }, (_, slot) => {
      const [near, far] = this.pair();
      if (this.add(near, READABLE, slot, slot + 100) !== 0) throw new Error('add');
      this.send(far, 'x');
      return near;
    });
  }
}
