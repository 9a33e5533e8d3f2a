// What is known of a socket, whatever the source: addresses, state, queues, halves, memory and TCP's figures.

import type { Figure, Reading } from './figure.js';
import { unavailable } from './figure.js';

/** tcp(7). CLOSE is also the state of a datagram socket that is connected to nobody. */
export const SOCKET_STATES = [
  ...['', 'ESTABLISHED', 'SYN_SENT', 'SYN_RECV', 'FIN_WAIT1', 'FIN_WAIT2', 'TIME_WAIT', 'CLOSE'],
  ...['CLOSE_WAIT', 'LAST_ACK', 'LISTEN', 'CLOSING', 'NEW_SYN_RECV', 'BOUND_INACTIVE'],
] as const;

/** Bits of {@link SocketFacts.shutdown}: which halves have ended. Reading ends also by the peer's end. */
export const READING_ENDED = 1;
export const WRITING_ENDED = 2;

/** How much a socket holds, in bytes of memory with all overhead, and how much it may. */
export interface SocketMemory {
  readonly receiveBytes: number;
  readonly receiveMaxBytes: number;
  /** Sent and not yet given back by the device or the reader (sk_wmem_alloc). */
  readonly sendingBytes: number;
  /** Queued for sending, sent and not acknowledged included (sk_wmem_queued). */
  readonly sendBytes: number;
  readonly sendMaxBytes: number;
}

/** Of tcp_info; tcp(7). */
export interface TcpFigures {
  readonly rttMs: number;
  readonly rttVarianceMs: number;
  /** Segments that may be in flight. */
  readonly congestionWindow: number;
  readonly unackedSegments: number;
  readonly lostSegments: number;
  /** Of the segment that is being tried again now. */
  readonly retransmitsNow: number;
  readonly retransmitsTotal: number;
  /** In the send queue and never sent yet. Null: this kernel does not say. */
  readonly notSentBytes: number | null;
}

/** Connections that wait to be accepted, and how many may. */
export interface Backlog {
  readonly waiting: number;
  /** Null: the source does not say. */
  readonly max: number | null;
}

export interface SocketFacts {
  readonly inode: number;
  readonly protocol: 'tcp' | 'udp' | 'unix';
  readonly family: 4 | 6 | 'unix';
  readonly type: 'stream' | 'datagram' | 'seqpacket';
  /** One of {@link SOCKET_STATES}. */
  readonly state: string;
  /** `127.0.0.1:80`, `[::1]:80`, a path, or `@name` in the abstract namespace. */
  readonly local: Reading<string>;
  readonly remote: Reading<string>;
  /** Of a connected unix socket: its other end. */
  readonly peerInode: Figure;
  /** Bytes to be read. A TCP end-of-file counts as one until it is read. */
  readonly receiveBytes: Figure;
  /** Bytes not yet acknowledged (TCP); memory of what the other end has not read, with all overhead (unix, UDP). */
  readonly sendBytes: Figure;
  readonly backlog: Reading<Backlog>;
  /** {@link READING_ENDED} | {@link WRITING_ENDED}. */
  readonly shutdown: Figure;
  readonly memory: Reading<SocketMemory>;
  readonly tcp: Reading<TcpFigures>;
}

/** What a source lacks. */
export const notIn = (source: string): { unavailable: string } => unavailable(`${source} does not say`);

export const NOT_INET = unavailable('only unix sockets have it');
export const NOT_TCP = unavailable('only TCP has it');
export const NOT_LISTENING = unavailable('only a listener has it');
export const NO_BYTES = unavailable('a listener has connections in its queue, and no bytes');
