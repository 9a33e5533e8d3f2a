// The seam to the system: every system call of reactor/ and net/ goes through one `Kernel` object.

import type { KernelPoller, PollerKind } from '../poller/poller.js';
import type { DatagramMemory } from './datagram-memory.js';

/** An address of IPv4 or IPv6: `host` is numeric, with `%scope` where IPv6 needs it. */
export interface InternetAddress {
  /** IPv4 or IPv6. */
  readonly family: 4 | 6;
  /** The numeric address. */
  readonly host: string;
  /** 0 to 65,535. */
  readonly port: number;
  /** Of a {@link UnixAddress} only. */
  readonly path?: undefined;
}

/**
 * An address on this machine; unix(7). `path` is a file's, or, if it begins with `\0`, an abstract name, of which Linux
 * alone knows and no file tells. `''` is a socket without a name: one of a pair, or a client that was not bound.
 */
export interface UnixAddress {
  /** AF_UNIX. */
  readonly family: 'unix';
  /** A file, an abstract name, or none. */
  readonly path: string;
  /** Of an {@link InternetAddress} only. */
  readonly host?: undefined;
  /** Of an {@link InternetAddress} only. */
  readonly port?: undefined;
}

/** Where a socket is. `family` tells which of the two it is; of either one may ask `address.port`. */
export type SocketAddress = InternetAddress | UnixAddress;

/** SOCK_STREAM or SOCK_DGRAM of socket(2). */
export type SocketType = 'stream' | 'datagram';

/** The place for the path in `sockaddr_un`, in bytes. The path of a file needs one of them for its end; unix(7). */
export const UNIX_PATH_BYTES_MAX = process.platform === 'linux' ? 108 : 104;

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
  | 'lingerS'
  /** Seconds between keep-alive probes (TCP_KEEPINTVL). */
  | 'keepAliveIntervalS'
  /** Probes without an answer after which the connection counts as broken (TCP_KEEPCNT). */
  | 'keepAliveCount'
  /** Milliseconds that sent bytes may stay without acknowledgement (TCP_USER_TIMEOUT). Linux. */
  | 'userTimeoutMs'
  /** Of a listener: connections are accepted when they have sent something, or after so many seconds (TCP_DEFER_ACCEPT). Linux. */
  | 'deferAcceptS'
  | DatagramSocketOption;
/** Those of datagram sockets. */
export type DatagramSocketOption =
  /** Datagrams may go to broadcast addresses; SO_BROADCAST. */
  | 'broadcast'
  /** How many routers a datagram may pass: IP_TTL, and IPV6_UNICAST_HOPS. */
  | 'ttl'
  | 'hopLimit'
  /** The same for multicast: IP_MULTICAST_TTL, and IPV6_MULTICAST_HOPS. */
  | 'multicastTtl'
  | 'multicastHopLimit'
  /** Whether this host gets what it sends to a group: IP_MULTICAST_LOOP, and IPV6_MULTICAST_LOOP. */
  | 'multicastLoopback'
  | 'multicastLoopback6';

/** What {@link Kernel.setMembership} does: enters or leaves a group, or chooses the interface that multicast goes out by. */
export type Membership = 'join' | 'leave' | 'outgoing';

/** What a descriptor names, as far as it matters to who waits on it. */
export interface DescriptorFacts {
  /** `character`: a terminal or another character device. */
  readonly kind: 'stream' | 'listener' | 'datagram' | 'pipe' | 'character' | 'file' | 'directory' | 'other';
  /** Opened for reading; open(2). */
  readonly readable: boolean;
  /** Opened for writing. */
  readonly writable: boolean;
}

/** Pieces that one {@link Kernel.sendPieces} takes: below IOV_MAX of every system (1024), on the stack of the call. */
export const PIECES_MAX = 64;

/**
 * What reactor/ and net/ need from the operating system. Calls return a number >= 0, or -errno, and never throw for
 * a system error. All sockets are made non-blocking and close-on-exec atomically. Results follow the man pages named.
 */
export interface Kernel {
  /** `native`, `scripted`, ... */
  readonly name: string;
  /** The reused buffer that {@link recv} fills and {@link send} sends from. One per kernel; never resized. */
  readonly buffer: Uint8Array;

  /** Milliseconds, with fractions, on a clock that never goes back (CLOCK_MONOTONIC). Not the time of day. */
  now(): number;
  /** The kinds that this kernel can open, best first. */
  readonly pollerKinds: readonly PollerKind[];
  /** Opens a poller; -errno when the system refuses. `kind` is one of {@link pollerKinds}. */
  openPoller(kind: PollerKind): KernelPoller | number;

  /** A socket of a family and a type, 'stream' unless given; socket(2). */
  socket(family: SocketAddress['family'], type?: SocketType): number;
  /** bind(2). -ENAMETOOLONG: a path longer than {@link UNIX_PATH_BYTES_MAX}. `''` lets Linux choose an abstract name. */
  bind(fd: number, address: SocketAddress): number;
  /** `backlog`: connections that wait to be accepted, as far as the system allows; listen(2). */
  listen(fd: number, backlog: number): number;
  /** The accepted descriptor, or -errno; accept4(2). */
  accept(fd: number): number;
  /** 0 when connected at once, -EINPROGRESS when it goes on; -EAGAIN when a Unix listener's queue is full; connect(2). */
  connect(fd: number, address: SocketAddress): number;
  /** Reads up to `length` bytes into {@link buffer} at `start`. 0 is end-of-file; recv(2). */
  recv(fd: number, start: number, length: number): number;
  /** Sends `length` bytes of {@link buffer} from `start`. Never raises SIGPIPE; send(2) with MSG_NOSIGNAL. */
  send(fd: number, start: number, length: number): number;
  /** The same from any other bytes: those of `bytes` from `start`, `length` of them. */
  sendBytes(fd: number, bytes: Uint8Array, start: number, length: number): number;
  /** Several pieces in one call, at most {@link PIECES_MAX}: `pieces[0]` from `start`, the last of `count` to `end`; sendmsg(2). */
  sendPieces(fd: number, pieces: readonly Uint8Array[], count: number, start: number, end: number): number;
  /** {@link recv} of what is no socket: read(2). */
  read(fd: number, start: number, length: number): number;
  /** {@link sendBytes} of what is no socket: write(2). Raises SIGPIPE, which {@link adopt} has made harmless. */
  write(fd: number, bytes: Uint8Array, start: number, length: number): number;
  /** {@link sendPieces} of what is no socket: writev(2). */
  writePieces(fd: number, pieces: readonly Uint8Array[], count: number, start: number, end: number): number;
  /** What {@link receiveDatagrams} fills. One per kernel; made when it is first asked for. */
  readonly datagrams: DatagramMemory;
  /**
   * Takes up to `count` datagrams (see `batchMax`), each of which may have `bytesMax` bytes: one more is cut off, and marked.
   * Gives how many came, which are in {@link datagrams} then, or -errno when there was not even one; recvmmsg(2).
   */
  receiveDatagrams(fd: number, count: number, bytesMax: number): number;
  /**
   * Sends the datagrams of rows `first` to `first + count` of `table`, of up to DATAGRAMS_MAX. A row: where in `bytes` the
   * packed address stands (-1: to the connected peer), start, end, nothing. Gives how many went, or -errno when the first of
   * them did not; sendmmsg(2).
   */
  sendDatagrams(fd: number, bytes: Uint8Array, table: Int32Array, first: number, count: number): number;
  /** `networkInterface`: a name, a number, a local IPv4 address, or '' for the system's choice; ip(7), ipv6(7). */
  setMembership(
    fd: number,
    membership: Membership,
    family: 4 | 6,
    group: string,
    networkInterface: string,
  ): number;
  /** `how`: 0 no more reads, 1 no more writes, 2 neither; shutdown(2). */
  shutdown(fd: number, how: number): number;
  /** Never called again for the same descriptor, whatever it gives; close(2). */
  close(fd: number): number;
  /** setsockopt(2). */
  setOption(fd: number, option: SocketOption, value: number): number;
  /** The option's value (>= 0), or -errno. `error` gives the pending errno as a positive number, 0 for none. */
  getOption(fd: number, option: SocketOption): number;
  /** getsockname(2). */
  localAddress(fd: number): SocketAddress | number;
  /** getpeername(2). */
  peerAddress(fd: number): SocketAddress | number;
  /** A connected pair of stream sockets: socketpair(2). Returns 0 and fills `pair[0]`, `pair[1]`. */
  socketPair(pair: Int32Array): number;
  /** A pipe: `ends[0]` reads, `ends[1]` writes; pipe(2). */
  pipe(ends: Int32Array): number;
  /** What a descriptor from elsewhere is; fstat(2). Changes nothing. */
  inspect(fd: number): DescriptorFacts | number;
  /** Takes a descriptor from elsewhere over: O_NONBLOCK (for all who share the open file) and FD_CLOEXEC; fcntl(2). */
  adopt(fd: number): number;
  /** Tells one file from another, its device and inode: for {@link unlink}; stat(2). -errno when it is no socket's. */
  socketFile(path: string): string | number;
  /** Removes a socket's file, if it is still the one that {@link socketFile} told; unlink(2). */
  unlink(path: string, file: string): number;
  /** A descriptor that only holds a place in the table, given up when accept meets EMFILE: open(2) on /dev/null. */
  openReserve(): number;
}
