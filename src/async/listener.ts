// Connections to await: an accept loop that takes no more than the program can serve.

import { checkFunction, checkInteger, checkMs, checkObject } from '../errors.js';
import type { SystemError, UnderloopError } from '../errors.js';
import type { InternetAddress, SocketAddress, UnixAddress } from '../kernel/kernel.js';
import {
  listen as listenRaw,
  type ListenOptions,
  type Listener,
  type ListenerHandlers,
} from '../net/listener.js';
import type { Reactor } from '../reactor/reactor.js';
import { abortError, isCancellation, onAbort, type AbortOptions } from './abort.js';
import { AsyncConnection, asyncHandlers, checkReadBound } from './connection.js';
import { signalOf, sleep } from './sleep.js';
import { TaskGroup } from './task-group.js';

/** Accepted connections that nobody has taken yet. More wait in the kernel's queue, where they cost us nothing. */
const ACCEPT_QUEUE_MAX = 64;
/** Handlers that serve() runs at once, unless told otherwise: a bound of memory, and below the usual limit of open files. */
const CONCURRENT_MAX = 1000;
/** How long a connection that was served may take to end its half. */
const LINGER_MS = 1000;

export interface AsyncListenOptions extends ListenOptions, AbortOptions {
  /** Bytes that wait for their reader at most, per connection; 64 KiB unless given. */
  readQueueBytesMax?: number;
  /** Accepted connections that wait for the program at most, 1 to 65,536; 64 unless given. */
  acceptQueueMax?: number;
  /** Accepting failed (EMFILE, ...); it goes on by itself. */
  acceptError?: (error: SystemError | UnderloopError) => void;
}

/**
 * `for await (const connection of listener)`: ends when the listener is closed. `Address`: what {@link AsyncListener.address}
 * is, TCP's unless a path or a descriptor was listened on.
 */
export class AsyncListener<Address extends SocketAddress = InternetAddress>
  implements AsyncIterable<AsyncConnection>, AsyncDisposable
{
  /** @internal */ readonly raw: Listener<AsyncConnection, Address>;
  private readonly queue: AsyncConnection[] = [];
  private readonly queueMax: number;
  private readonly waiting: (() => void)[] = [];
  private readonly forget: () => void;

  /** @internal Use {@link listen}. */
  constructor(reactor: Reactor, options: AsyncListenOptions) {
    checkObject('options', options);
    const signal = signalOf(options);
    if (signal?.aborted === true) throw abortError('listen()', signal);
    const { acceptQueueMax = ACCEPT_QUEUE_MAX, readQueueBytesMax, acceptError } = options;
    checkInteger('options.acceptQueueMax', acceptQueueMax, 1, 65_536);
    if (readQueueBytesMax !== undefined) checkReadBound(readQueueBytesMax);
    if (acceptError !== undefined) checkFunction('options.acceptError', acceptError);
    this.queueMax = acceptQueueMax;
    const handlers: ListenerHandlers<AsyncConnection> = {
      ...asyncHandlers,
      open: (connection) => this.accepted(new AsyncConnection(connection, readQueueBytesMax)),
      ...(acceptError && { acceptError: (_, error) => acceptError(error) }),
    };
    // Which kind of address it is, the overloads of listen() tell.
    const raw: Listener<AsyncConnection, SocketAddress> = listenRaw(reactor, options, handlers);
    this.raw = raw as Listener<AsyncConnection, Address>;
    this.forget = onAbort(signal, () => this.close());
  }

  /** The reactor that it lives on. */
  get reactor(): Reactor {
    return this.raw.reactor;
  }
  /** The address bound, with the port that the system chose. */
  get address(): Address {
    return this.raw.address;
  }
  /** Whether it is closed. */
  get closed(): boolean {
    return this.raw.closed;
  }
  /** Accepted connections that nobody has taken yet. */
  get queued(): number {
    return this.queue.length;
  }

  /** The next connection, which is the caller's from then on; null when the listener is closed. */
  async accept(options?: AbortOptions): Promise<AsyncConnection | null> {
    const signal = signalOf(options);
    if (signal?.aborted === true) throw abortError('accept()', signal);
    for (;;) {
      // Those that went while they waited are given too: what they sent can still be read.
      const connection = this.queue.shift();
      if (connection !== undefined) {
        this.raw.resume();
        return connection;
      }
      if (this.closed) return null;
      await new Promise<void>((resolve, reject) => {
        const wake = (): void => {
          forget();
          this.raw.reactor.observer?.resumed('accept');
          resolve();
        };
        const forget = onAbort(signal, () => {
          this.waiting.splice(this.waiting.indexOf(wake), 1);
          reject(abortError('accept()', signal as AbortSignal));
        });
        this.waiting.push(wake);
      });
    }
  }

  /** Leaving the loop early closes nothing. */
  async *[Symbol.asyncIterator](): AsyncGenerator<AsyncConnection, void, undefined> {
    for (let next = await this.accept(); next !== null; next = await this.accept()) yield next;
  }

  /** Accepts no more. Connections that nobody has taken are closed; those that were taken go on. Idempotent. */
  close(): void {
    this.forget();
    this.raw.close();
    for (const connection of this.queue.splice(0)) connection.close();
    for (const wake of this.waiting.splice(0)) wake();
  }
  /** The end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  private accepted(connection: AsyncConnection): void {
    this.queue.push(connection);
    if (this.queue.length >= this.queueMax) this.raw.pause();
    this.waiting.shift()?.();
  }
}

/**
 * Listens on `host`:`port` (127.0.0.1 unless given), or at `path`, or on a descriptor `fd` that listens already. Throws at
 * once: ERR_ARGUMENT, ERR_HOST_NAME, ERR_UNSUPPORTED, ERR_FD_REFUSED, ERR_ABORTED, a `SystemError`. listen(2).
 */
export function listen(
  reactor: Reactor,
  options: AsyncListenOptions & { path: string },
): AsyncListener<UnixAddress>;
export function listen(
  reactor: Reactor,
  options: AsyncListenOptions & { fd: number },
): AsyncListener<SocketAddress>;
export function listen(reactor: Reactor, options?: AsyncListenOptions): AsyncListener;
export function listen(reactor: Reactor, options: AsyncListenOptions = {}): AsyncListener<SocketAddress> {
  return new AsyncListener(reactor, options);
}

export interface ServeOptions extends AbortOptions {
  /** Handlers that run at once at most, 1 to 1,000,000; 1000 unless given. More connections wait in the kernel's queue. */
  concurrentMax?: number;
  /** How long a connection may take to end its half after its handler is done; 1000 unless given. Then it is closed. */
  lingerMs?: number;
  /**
   * What a handler failed with. By default the peer's doing is ignored (a reset, an end too early, a line too long) and
   * everything else goes to `reactor.onError`.
   */
  onError?: (error: unknown, connection: AsyncConnection) => void;
}

/** What serves one connection. `signal` is aborted when the server ends. */
export type ConnectionHandler = (connection: AsyncConnection, signal: AbortSignal) => unknown;

/**
 * Calls `handler` for every connection, for a bounded number at a time. When it is done the connection is ended; when it
 * throws, that one connection is reset, and no other hears of it. Resolves when the listener is closed and all handlers
 * have ended. Aborting `signal` closes the listener, aborts the handlers' signals and closes their connections.
 */
export async function serve(
  listener: AsyncListener<SocketAddress>,
  handler: ConnectionHandler,
  options: ServeOptions = {},
): Promise<void> {
  checkFunction('handler', handler);
  checkObject('options', options);
  const { concurrentMax = CONCURRENT_MAX, lingerMs = LINGER_MS, onError } = options;
  checkInteger('options.concurrentMax', concurrentMax, 1, 1_000_000);
  checkMs('options.lingerMs', lingerMs);
  if (onError !== undefined) checkFunction('options.onError', onError);
  const group = new TaskGroup(options);
  const room = new Room(concurrentMax);
  const forget = onAbort(group.signal, () => listener.close());
  if (group.signal.aborted) listener.close();
  try {
    for (;;) {
      // Accepted only when there is room: what waits does so in the kernel's queue.
      await room.enter();
      const connection = await listener.accept();
      if (connection === null) break;
      if (group.signal.aborted) connection.close(); // it was taken just before
      void group.start(async (signal) => {
        try {
          await serveOne(connection, handler, signal, lingerMs);
        } catch (error) {
          if (!isCancellation(error, signal)) tell(error, connection, onError);
        } finally {
          room.leave();
        }
      });
    }
  } finally {
    forget();
    await group.ended();
    group.close();
  }
}

/** So many at a time. One caller waits at the door. */
class Room {
  private inside = 0;
  private waiting: (() => void) | null = null;

  constructor(private readonly max: number) {}
  async enter(): Promise<void> {
    if (this.inside === this.max) await new Promise<void>((resolve) => (this.waiting = resolve));
    this.inside++;
  }
  leave(): void {
    this.inside--;
    this.waiting?.();
    this.waiting = null;
  }
}

async function serveOne(
  connection: AsyncConnection,
  handler: ConnectionHandler,
  signal: AbortSignal,
  lingerMs: number,
): Promise<void> {
  const forget = onAbort(signal, () => connection.destroy(abortError('the server', signal)));
  try {
    await handler(connection, signal);
    if (connection.closed) return;
    // A close with unread bytes resets (tcp(7)), and a reset may overtake the answer: end, and read on to the peer's end.
    await connection.end();
    connection.discard();
    await lingered(connection, lingerMs);
  } catch (error) {
    connection.reset();
    throw error;
  } finally {
    forget();
    connection.close();
    await connection.ended();
  }
}

async function lingered(connection: AsyncConnection, lingerMs: number): Promise<void> {
  const limit = new AbortController();
  const late = sleep(connection.reactor, lingerMs, { signal: limit.signal }).catch(() => undefined);
  await Promise.race([connection.ended(), late]);
  limit.abort();
}

/** Errors that a peer can bring about at will: they are its own affair. */
const PEER_CODES = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ERR_END_OF_DATA',
  'ERR_TOO_LONG',
]);

function tell(error: unknown, connection: AsyncConnection, onError: ServeOptions['onError']): void {
  const code = (error as { code?: unknown } | null)?.code;
  if (onError === undefined && PEER_CODES.has(String(code))) return;
  // As an item of the reactor, which is where errors of the program are caught and told.
  connection.reactor.post(() => {
    if (onError === undefined) throw error;
    onError(error, connection);
  });
}
