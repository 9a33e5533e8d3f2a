// The seam to the system: every system call of reactor/ and net/ goes through one `Kernel` object.

import type { KernelPoller, PollerKind } from '../poller/poller.js';

/** A numeric socket address. `family` is 4 or 6; `host` is numeric, with `%scope` where IPv6 needs it. */
export interface SocketAddress {
  readonly family: 4 | 6;
  readonly host: string;
  readonly port: number;
}

/** `how` of {@link Kernel.shutdown}, as in shutdown(2). */
export const SHUT_READ = 0;
export const SHUT_WRITE = 1;
export const SHUT_BOTH = 2;

/** Socket options that the kernel seam knows; the native side maps them to level and name. */
export type SocketOption =
  /** SOL_SOCKET SO_ERROR: pending error, cleared by reading. Read only. */
  | 'error'
  | 'reuseAddress'
  | 'reusePort'
  | 'ipv6Only'
  | 'noDelay'
  | 'keepAlive'
  /** Seconds of idleness before the first keep-alive probe (TCP_KEEPIDLE). */
  | 'keepAliveIdleS'
  | 'receiveBufferBytes'
  | 'sendBufferBytes'
  /** Seconds to linger at close; 0: close resets the connection; -1: off. Write only. */
  | 'lingerS';

/**
 * What reactor/ and net/ need from the operating system. Calls return a number >= 0, or -errno, and never throw for
 * a system error. All sockets are made non-blocking and close-on-exec atomically. Results follow the man pages named.
 */
export interface Kernel {
  readonly name: string;
  /** The reused buffer that {@link recv} fills and {@link send} sends from. One per kernel; never resized. */
  readonly buffer: Uint8Array;

  /** Milliseconds, with fractions, on a clock that never goes back (CLOCK_MONOTONIC). Not the time of day. */
  now(): number;
  /** The kinds that this kernel can open, best first. */
  readonly pollerKinds: readonly PollerKind[];
  /** Opens a poller; -errno when the system refuses. `kind` is one of {@link pollerKinds}. */
  openPoller(kind: PollerKind): KernelPoller | number;

  /** A TCP socket; socket(2). */
  socket(family: 4 | 6): number;
  bind(fd: number, address: SocketAddress): number;
  listen(fd: number, backlog: number): number;
  /** The accepted descriptor, or -errno; accept4(2). */
  accept(fd: number): number;
  /** 0 when connected at once, -EINPROGRESS when it goes on; connect(2). */
  connect(fd: number, address: SocketAddress): number;
  /** Reads up to `length` bytes into {@link buffer} at `start`. 0 is end-of-file; recv(2). */
  recv(fd: number, start: number, length: number): number;
  /** Sends `length` bytes of {@link buffer} from `start`. Never raises SIGPIPE; send(2) with MSG_NOSIGNAL. */
  send(fd: number, start: number, length: number): number;
  /** The same from any other bytes: those of `bytes` from `start`, `length` of them. */
  sendBytes(fd: number, bytes: Uint8Array, start: number, length: number): number;
  shutdown(fd: number, how: number): number;
  close(fd: number): number;
  setOption(fd: number, option: SocketOption, value: number): number;
  /** The option's value (>= 0), or -errno. `error` gives the pending errno as a positive number, 0 for none. */
  getOption(fd: number, option: SocketOption): number;
  /** getsockname(2). */
  localAddress(fd: number): SocketAddress | number;
  /** getpeername(2). */
  peerAddress(fd: number): SocketAddress | number;
  /** A connected pair of stream sockets: socketpair(2). Returns 0 and fills `pair[0]`, `pair[1]`. */
  socketPair(pair: Int32Array): number;
  /** A descriptor that only holds a place in the table, given up when accept meets EMFILE: open(2) on /dev/null. */
  openReserve(): number;
}
