// The scripted kernel's stream sockets, TCP and Unix: what each call and each poll says in every state that Linux has for them.

import { constants } from 'node:os';
import { ERROR, HANGUP, READABLE, READ_CLOSED, WRITABLE } from '../poller/poller.js';
import { SHUT_BOTH, SHUT_READ, SHUT_WRITE } from './kernel.js';
import type { DatagramSocketOption, SocketAddress, SocketOption } from './kernel.js';
import { ANY_CHANGE, OpenFile } from './scripted-poller.js';

const E = constants.errno;

export type SocketOptions = Record<Exclude<SocketOption, 'error' | DatagramSocketOption>, number>;

/** Where a socket's address is given back when it goes. */
interface AddressHolder {
  unbind(socket: Socket): void;
}

/** Bytes on their way, in order. */
export class ByteQueue {
  #chunks: Uint8Array[] = [];
  length = 0;

  /** How many of the writes that it took are not read to their end yet. */
  get writes(): number {
    return this.#chunks.length;
  }

  push(bytes: Uint8Array): void {
    this.#chunks.push(bytes.slice());
    this.length += bytes.length;
  }

  take(into: Uint8Array): number {
    let taken = 0;
    while (taken < into.length && this.#chunks.length > 0) {
      const chunk = this.#chunks[0];
      const part = chunk.subarray(0, into.length - taken);
      into.set(part, taken);
      taken += part.length;
      if (part.length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.length);
    }
    this.length -= taken;
    return taken;
  }

  truncate(length: number): void {
    const kept = new Uint8Array(Math.min(length, this.length));
    this.take(kept);
    this.#chunks = [];
    this.length = 0;
    if (kept.length > 0) this.push(kept);
  }
}

/** A stream socket: TCP, or Unix (unix(7)), of which pairs are made too. Its methods return >= 0 or -errno. */
export class Socket extends OpenFile {
  readonly network: AddressHolder;
  readonly family: SocketAddress['family'];
  readonly transport: 'tcp' | 'unix';
  readonly options: SocketOptions;
  /** `closed` is TCP_CLOSE: not connected yet, or not any more. */
  state: 'closed' | 'connecting' | 'connected' | 'listening' = 'closed';
  /** What connect(2) has said so far: after EINPROGRESS it has an outcome to tell, to the next call of it. */
  connectStage: 'none' | 'begun' | 'done' = 'none';
  peer: Socket | null = null;
  local: SocketAddress | null = null;
  remote: SocketAddress | null = null;
  /** SO_ERROR. */
  error = 0;
  readShut = false;
  writeShut = false;
  finReceived = false;
  /** No descriptor names it any more. */
  gone = false;
  backlog = 0;
  /** Connections that are established and wait to be accepted. */
  readonly acceptQueue: Socket[] = [];
  cancelHandshake: (() => void) | undefined;
  /** All bytes sent to this socket and unread: its receive buffer, and behind that its peer's send buffer. */
  readonly #incoming = new ByteQueue();
  /** SOCK_NOSPACE: somebody found it full, so room is worth a wake-up. Without that, room is no news and no edge. */
  #wantsSpace = false;

  constructor(network: AddressHolder, family: SocketAddress['family'], options: SocketOptions) {
    super();
    this.network = network;
    this.family = family;
    this.transport = family === 'unix' ? 'unix' : 'tcp';
    this.options = { ...options };
  }

  get unread(): number {
    return this.#incoming.length;
  }

  /**
   * What can be sent before the buffers are full. For TCP those are our send buffer and the peer's receive buffer; a Unix
   * socket has the sender's alone, and SO_RCVBUF means nothing there (unix(7)).
   */
  get room(): number {
    const { peer } = this;
    const ahead = this.transport === 'tcp' ? (peer?.options.receiveBufferBytes ?? 0) : 0;
    return Math.max(0, this.options.sendBufferBytes + ahead - (peer?.unread ?? 0));
  }

  /** As the kernel reports it: not for one free byte, but when a third of the send buffer is free (sk_stream_is_writeable). */
  get writable(): boolean {
    return this.writeShut || this.room * 3 >= this.options.sendBufferBytes;
  }

  /** tcp_poll and unix_poll. A socket that was never connected reports WRITABLE and HANGUP, and so it does here. */
  poll(): number {
    if (this.state === 'listening') return this.acceptQueue.length > 0 ? READABLE : 0;
    const ended = this.readShut || this.finReceived;
    let report = this.error !== 0 ? ERROR : 0;
    if (this.state === 'closed' || (ended && this.writeShut)) report |= HANGUP;
    if (ended) report |= READABLE | READ_CLOSED;
    if (this.state === 'connecting') return report;
    if (this.unread > 0) report |= READABLE;
    if (this.writable) report |= WRITABLE;
    else this.#wantsSpace = true;
    return report;
  }

  takeError(): number {
    const { error } = this;
    this.error = 0;
    return error;
  }

  /** Unread data comes first, even after a reset; then end-of-file if a FIN was seen; then the pending error, once. */
  receive(into: Uint8Array): number {
    if (this.state === 'listening') return -E.ENOTCONN;
    if (into.length === 0) return 0;
    const { writes } = this.#incoming;
    const taken = this.#incoming.take(into);
    if (taken > 0) {
      // A Unix socket tells its writer of room after every write that was read to its end (unix_write_space), asked or not.
      const told = this.transport === 'unix' && this.#incoming.writes < writes;
      this.peer?.spaceFreed(told);
      return taken;
    }
    if (this.finReceived) return 0;
    if (this.error !== 0) return -this.takeError();
    if (this.readShut) return 0;
    return this.state === 'connected' || this.state === 'connecting' ? -E.EAGAIN : -E.ENOTCONN;
  }

  transmit(bytes: Uint8Array): number {
    if (this.state === 'connecting') return -E.EAGAIN;
    if (this.transport === 'tcp' && this.error !== 0) return -this.takeError();
    const { peer } = this;
    if (this.writeShut || this.state !== 'connected' || peer === null) return -E.EPIPE;
    if (bytes.length === 0) return 0;
    if (this.transport === 'tcp' && (peer.gone || (peer.readShut && peer.writeShut))) {
      // TCP learns that nobody reads there any more by the reset that the bytes draw: this call succeeds, the next one fails.
      this.reset();
      peer.reset();
      return bytes.length;
    }
    const count = Math.min(bytes.length, this.room);
    if (count < bytes.length) this.#wantsSpace = true;
    if (count === 0) return -E.EAGAIN;
    peer.#incoming.push(bytes.subarray(0, count));
    peer.signal(READABLE);
    return count;
  }

  spaceFreed(unasked = false): void {
    if (!(this.#wantsSpace || unasked) || !this.writable) return;
    this.#wantsSpace = false;
    this.signal(WRITABLE);
  }

  shutdown(how: number): number {
    if (how !== SHUT_READ && how !== SHUT_WRITE && how !== SHUT_BOTH) return -E.EINVAL;
    const status = this.state === 'closed' ? -E.ENOTCONN : 0;
    if (this.state === 'connected') {
      // A Unix socket tells this end before the other, TCP after it: who waits on both sees them in that order.
      if (this.transport === 'unix') this.signal(ANY_CHANGE);
      if (how !== SHUT_WRITE) this.#endReading();
      if (how !== SHUT_READ) this.#endWriting();
      this.connectStage = 'done';
    } else if (this.state === 'closed') {
      // Refused, and done nevertheless (inet_shutdown).
      this.readShut ||= how !== SHUT_WRITE;
      this.writeShut ||= how !== SHUT_READ;
    } else if (this.state === 'connecting' || how !== SHUT_WRITE) {
      // Shutting a listener down, or a connect under way, takes it back to unconnected: so Linux wakes a blocked accept.
      if (this.state === 'connecting') this.error = E.ECONNRESET;
      this.#abandon();
    }
    this.signal(ANY_CHANGE);
    return status;
  }

  /** What a RST does on arrival (tcp_reset); after a FIN it means that nobody reads any more, hence EPIPE there. */
  reset(): void {
    if (this.state === 'closed') return;
    this.fail(this.finReceived ? E.EPIPE : E.ECONNRESET);
  }

  fail(errno: number): void {
    this.error = errno;
    this.state = 'closed';
    this.readShut = this.writeShut = true;
    this.signal(ANY_CHANGE);
  }

  protected override released(): void {
    const { peer, state, unread } = this;
    this.gone = true;
    this.network.unbind(this);
    if (state !== 'connected' || peer === null) {
      this.#abandon();
    } else if (this.transport === 'unix') {
      if (unread > 0) peer.error = E.ECONNRESET;
      peer.readShut = peer.writeShut = true;
      peer.signal(ANY_CHANGE);
    } else if (unread > 0 || this.options.lingerS === 0) {
      // Closing on unread data, or with a linger of 0, sends a RST; what had not reached the peer's buffer is lost (RFC 2525).
      peer.#incoming.truncate(peer.options.receiveBufferBytes);
      peer.reset();
    } else {
      this.#endWriting();
    }
    this.writeShut = true;
    this.#incoming.truncate(0);
  }

  /** TCP does not tell the peer, and bytes that still arrive can still be read; a Unix socket stops the peer's writing (EPIPE). */
  #endReading(): void {
    this.readShut = true;
    if (this.transport === 'tcp' || this.peer === null) return;
    this.peer.writeShut = true;
    this.peer.signal(ANY_CHANGE);
  }

  #endWriting(): void {
    const { peer } = this;
    // There is one FIN only: a second shutdown is no news to a TCP peer.
    if (peer === null || (this.transport === 'tcp' && this.writeShut)) return;
    this.writeShut = true;
    if (this.transport === 'unix') peer.readShut = true;
    else peer.finReceived = true;
    // Both FINs are out: TCP is closed, and getpeername(2) says ENOTCONN from here on.
    if (this.transport === 'tcp' && peer.writeShut) this.state = peer.state = 'closed';
    peer.signal(ANY_CHANGE);
  }

  #abandon(): void {
    this.cancelHandshake?.();
    this.state = 'closed';
    this.connectStage = 'none';
    for (const waiting of this.acceptQueue.splice(0)) {
      waiting.options.lingerS = 0;
      if (waiting.peer !== null && this.transport === 'unix') waiting.peer.error = E.ECONNRESET;
      waiting.dispose();
    }
  }
}
