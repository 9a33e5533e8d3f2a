// The only file that loads the addon, and the shape of what it exports.

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { UnderloopError } from './errors.js';
import type { SocketAddress } from './kernel/kernel.js';

/** What `native/` exports. Calls return a number >= 0, or -errno, and never throw. */
export interface Binding {
  readonly buffer: ArrayBuffer;
  readonly pollerKinds: readonly string[];
  now(): number;
  nothing(a: number, b: number, c: number): number;

  pollerOpen(kind: string): number;
  pollerClose(handle: number): number;
  pollerDescribe(handle: number): NativePollerDescription;
  pollerAdd(handle: number, fd: number, interest: number, slot: number, generation: number): number;
  pollerModify(handle: number, fd: number, interest: number, slot: number, generation: number): number;
  pollerRemove(handle: number, fd: number): number;
  pollerEvents(handle: number, eventsMax: number): ArrayBuffer | number;
  pollerRaw(handle: number, eventsMax: number): ArrayBuffer | number;
  pollerWaitOwn(handle: number, timeoutMs: number): number;
  pollerWait(handle: number, events: Int32Array, timeoutMs: number): number;
  pollerWake(handle: number): void;

  /** A ring as a poller: its handle, or -errno and what was refused; native/uring/exports.cc. */
  uringOpen(
    buffers: number,
    bufferBytes: number,
    completionsMax: number,
    multishot: number,
    deferred: number,
  ): number | [number, string];
  uringDescribe(handle: number): NativeRing;
  /** Twice the room for staged operations. */
  uringGrow(handle: number): ArrayBuffer;
  uringSetBlocking(fd: number, blocking: number): number;

  /** `family`: 4, 6, or 1 for AF_UNIX, whose path stands where the others have their host. `type`: 0 stream, 1 datagram. */
  socket(family: number, type: number): number;
  bind(fd: number, family: number, host: string, port: number): number;
  connect(fd: number, family: number, host: string, port: number): number;
  listen(fd: number, backlog: number): number;
  accept(fd: number): number;
  recv(fd: number, start: number, length: number): number;
  send(fd: number, start: number, length: number): number;
  sendBytes(fd: number, bytes: Uint8Array, start: number, length: number): number;
  shutdown(fd: number, how: number): number;
  close(fd: number): number;
  setOption(fd: number, option: number, value: number): number;
  getOption(fd: number, option: number): number;
  localAddress(fd: number): SocketAddress | number;
  peerAddress(fd: number): SocketAddress | number;
  socketPair(pair: Int32Array): number;
  /** Of a network interface, by its name; 0: there is none. */
  interfaceNumber(name: string): number;
  /** The other way; '': there is none. */
  interfaceName(number: number): string;
  openReserve(): number;
  /** What a descriptor is: its kind in the low three bits, 8: it can be read, 16: it can be written. */
  inspect(fd: number): number;
  /** Makes it non-blocking and closed on exec, and closes it with the environment; SIGPIPE kills nobody from here on. */
  adopt(fd: number): number;
  sendPieces(fd: number, pieces: readonly Uint8Array[], count: number, start: number, end: number): number;
  writePieces(fd: number, pieces: readonly Uint8Array[], count: number, start: number, end: number): number;

  /** The block that datagrams come into; its layout is that of kernel/datagram-memory.ts. */
  datagramBlock(): ArrayBuffer;
  /** 1: each datagram by a call of its own; 0: many by one call. Gives whether many go by one call now. */
  datagramsOneByOne(one: number): number;
  receiveDatagrams(fd: number, count: number, bytesMax: number): number;
  sendDatagrams(fd: number, bytes: Uint8Array, table: Int32Array, first: number, count: number): number;
  /** `action`: 0 leave, 1 join, 2 choose the interface that multicast leaves by. */
  setMembership(fd: number, action: number, family: number, group: string, networkInterface: string): number;

  read(fd: number, bytes: Uint8Array, start: number, length: number): number;
  write(fd: number, bytes: Uint8Array, start: number, length: number): number;
  pipe(ends: Int32Array): number;
  duplicate(fd: number): number;
  setNonBlocking(fd: number): number;
  /** flock(2), for one alone, until the last duplicate of `fd` is closed; -EWOULDBLOCK: somebody else has it. */
  lockFile(fd: number): number;
  openPty(): number;
  openPtySlave(master: number): number;
  eventFd(initial: number): number;
  timerFd(firstMs: number, intervalMs: number): number;
  timerFdSet(fd: number, firstMs: number): number;
  signalFd(signal: number): number;
  inotify(path: string, mask: number): number;
  pidFd(pid: number): number;
  netlink(): number;

  /** FIONREAD: what a read would find; takes none of it. */
  queuedBytes(fd: number): number;
  /** One sock_diag request and its whole dump. Bytes of `reply`; -ENOBUFS when it holds too little. */
  sockDiag(request: Uint8Array, requestBytes: number, reply: Uint8Array, replyBytes: number): number;
  /** kcmp: 0 when the process's `fd` is the very file that its epoll set holds under this number; 1 to 3 when not. */
  compareEpollTarget(
    pid: number,
    fd: number,
    epollPid: number,
    epollFd: number,
    entryFd: number,
    occurrence: number,
  ): number;
  compareFiles(pid: number, fd: number, otherFd: number): number;
  /** The protocol of the socket behind a path /proc/PID/fd/FD, whatever its state; nothing is opened. */
  socketProtocol(path: string): string | number;

  hostOpen(pump: () => void): NativeHost | null;
  hostStart(): void;
  hostStop(): void;
  /** Runs process.nextTick and the microtasks, then brings the host's state up to date. */
  hostDrain(): void;
  hostRef(ref: boolean): void;

  /** A thread that waits for `fd` or a timeout, and then has the runtime call `wake`; native/wait_thread.h. A handle, or -errno. */
  waitThreadOpen(fd: number, wake: () => void): number;
  /** One call of `wake`: when the fd is readable, or after `timeoutMs` (may be Infinity). Replaces what was armed before. */
  waitThreadArm(handle: number, timeoutMs: number): number;
  waitThreadRef(handle: number, ref: boolean): number;
  waitThreadClose(handle: number): number;

  /** Threads for system calls that block. Gives `[handle, fd]`, the fd readable when calls are done, or -errno; native/offload.h. */
  offloadOpen(threadsMax: number): [number, number] | number;
  offloadClose(handle: number): number;
  /** The address of a name: `results` are numeric addresses. */
  offloadResolve(handle: number, id: number, host: string): number;
  offloadReadFile(handle: number, id: number, path: string, bytesMax: number): number;
  offloadReadChunk(handle: number, id: number, fd: number, offset: number, length: number): number;
  /** 1 if the call was taken back before a thread had begun it, else 0. */
  offloadCancel(handle: number, id: number): number;
  /** Fills `outcome` with id and result (or -errno) of the next call that is done, and gives its data; undefined: none is. */
  offloadTake(handle: number, outcome: Float64Array): ArrayBuffer | string | undefined;

  /** `model`: 0 sequential, 1 threads, 2 pool. Takes over `listenFd`. A handle, or -errno; native/blocking/exports.cc. */
  blockingStart(
    model: number,
    listenFd: number,
    upstreamPort: number,
    threads: number,
    stackBytes: number,
    requestsPerConnection: number,
    queueMax: number,
    wakeByPipe: number,
  ): number;
  /** Returns when every thread of the server has been woken and joined. */
  blockingStop(handle: number): number;
  blockingCounters(handle: number, counters: Float64Array): number;
  /** These three block the calling thread; a timeout below 0 is none. -ETIMEDOUT after it; native/blocking_client.cc. */
  blockingConnect(family: number, host: string, port: number, timeoutMs: number): number;
  blockingRead(fd: number, bytes: Uint8Array, start: number, length: number, timeoutMs: number): number;
  /** Sends all; the number sent, or -errno. */
  blockingWrite(fd: number, bytes: Uint8Array, start: number, length: number, timeoutMs: number): number;
  /** CLOCK_MONOTONIC in nanoseconds. */
  monotonicNs(): number;
  /** CPU time of this thread in nanoseconds. */
  threadCpuNs(): number;
  /** The system's id of this thread. */
  threadId(): number;
  /** How long this thread was runnable but did not run, in nanoseconds; 0 where the system does not say. */
  runDelayNs(): number;
  /** From now on this process ends when `fd` does, whatever JavaScript is doing. Takes over `fd`. */
  lifelineStart(fd: number): number;
}

/** The runtime's own loop, as the addon sees it. */
export interface NativeHost {
  /** Readable when the runtime's loop has something to do. */
  fd: number;
  /** A timerfd, or -1. */
  sliceFd: number;
  state: ArrayBuffer;
}

export interface NativePollerDescription {
  edge: boolean;
  oneshot: boolean;
  exclusive: boolean;
  nestable: boolean;
  fdMax: number;
  resolutionMs: number;
  fd: number;
}

/** The memory of a ring, and what it was found to have; native/uring/completions.h. */
export interface NativeRing {
  arena: ArrayBuffer;
  records: ArrayBuffer;
  rows: ArrayBuffer;
  counts: ArrayBuffer;
  fd: number;
  stride: number;
  stagingStart: number;
  multishotAccept: boolean;
  multishotReceive: boolean;
  deferred: boolean;
  registeredFd: boolean;
  submitAll: boolean;
}

function load(): Binding {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const require = createRequire(import.meta.url);
  const find = require('node-gyp-build') as (directory: string) => Binding;
  try {
    return find(root);
  } catch (cause) {
    throw new UnderloopError(
      'ERR_NATIVE_MISSING',
      `underloop's native addon could not be loaded for ${process.platform} ${process.arch}, Node ${process.version}. ` +
        'Build it with `npm run build:native` in a checkout, or `npm rebuild underloop` in a project; ' +
        'that needs a C++ compiler, make and python3.',
      { cause },
    );
  }
}

/** The addon of this thread's environment. */
export const binding: Binding = load();
