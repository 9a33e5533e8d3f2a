// What connections share: the handlers they call, and the service of a listener, of a connect or of an adopted descriptor.

import type { Kernel, SocketAddress } from '../kernel/kernel.js';
import type { Reactor } from '../reactor/reactor.js';
import { connectionTrigger } from './checks.js';
import type { Connection } from './connection.js';
import { Staging, type Flush } from './staging.js';
import type { Trigger } from '../poller/poller.js';

/** Bytes that a connection queues at most, unless told otherwise. */
export const WRITE_QUEUE_BYTES_MAX = 1024 * 1024;

/**
 * What a connection calls. One object serves all connections of a listener, so that a connection costs no closures.
 * Handlers run one at a time; one that throws harms no other connection and goes to `reactor.onError`.
 */
export interface ConnectionHandlers<Context = unknown> {
  /** Accepted, or the connect has finished. */
  open?(connection: Connection<Context>): void;
  /**
   * Bytes have come: `buffer[start..end)`. `buffer` is the reactor's own and is filled anew after the call: use it
   * before you return, or keep a copy ({@link copy}).
   */
  data?(connection: Connection<Context>, buffer: Uint8Array, start: number, end: number): void;
  /** The write queue, which had held bytes back, is empty again. */
  drain?(connection: Connection<Context>): void;
  /** The peer has ended its half (FIN): no more data. Without this handler the connection ends its own half too. */
  readClosed?(connection: Connection<Context>): void;
  /**
   * Neither read nor written for the listener's `idleTimeoutMs`. With this handler it decides; the time begins anew. Without
   * it the connection closes with ERR_TIMEOUT.
   */
  idle?(connection: Connection<Context>): void;
  /** Something failed; `close` follows. */
  error?(connection: Connection<Context>, error: Error): void;
  /** The last call, made once for all that was opened or whose connect failed, unless the reactor itself was closed. `error` is null after a clean end. */
  close?(connection: Connection<Context>, error: Error | null): void;
}

/** What all connections of one listener (or one connect) share. */
export interface Service<Context> {
  readonly reactor: Reactor;
  /** Whom connections read and write through: the reactor's kernel, or one that does so to what is no socket. */
  readonly kernel: Kernel;
  readonly handlers: ConnectionHandlers<Context>;
  readonly trigger: number;
  readonly writeQueueBytesMax: number;
  /** Where the kernel's reads go. All connections keep to it: what one of them holds, no other may overwrite. */
  readonly staging: Staging;
  /** Small replies are held until the turn's end. */
  readonly holdsReplies: boolean;
  /** Whom a connect is for: errors name it when the kernel cannot. */
  readonly target?: SocketAddress | undefined;
  /** Told when a connection closes and moves no more bytes; in a later turn {@link connectionClosed} follows. */
  connectionShut?(connection: Connection<Context>): void;
  /** Told when a connection has closed: the listener counts. */
  connectionClosed(connection: Connection<Context>): void;
}

/** What a connection of any origin can be told. */
export interface ServiceOptions {
  /** How it waits: 'level' (the default) or 'edge'. */
  trigger?: Trigger;
  /** Bytes that it queues at most; 1 MiB unless given. */
  writeQueueBytesMax?: number;
  /** When small writes leave: see {@link Flush}. 'now' unless given. */
  flush?: Flush;
}

/** The service of connections that have no listener. @internal */
export class SingleService<Context> implements Service<Context> {
  readonly trigger: number;
  readonly writeQueueBytesMax: number;
  readonly staging: Staging;
  readonly holdsReplies: boolean;
  /** Undoes what was set up for it: timeout and abort listener. */
  settle: () => void = () => undefined;

  constructor(
    readonly reactor: Reactor,
    readonly kernel: Kernel,
    readonly handlers: ConnectionHandlers<Context>,
    options: ServiceOptions,
    readonly target?: SocketAddress,
  ) {
    this.trigger = connectionTrigger(options.trigger, reactor.poller);
    this.writeQueueBytesMax = options.writeQueueBytesMax ?? WRITE_QUEUE_BYTES_MAX;
    this.staging = Staging.of(reactor.kernel.buffer);
    this.holdsReplies = options.flush === 'turn';
  }
  connectionClosed(): void {
    this.settle();
  }
}
