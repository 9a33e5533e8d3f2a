// A connection to await: reads what is asked for, writes with backpressure, and holds no more than it is allowed to.

import { UnderloopError, argumentError, checkInteger } from '../errors.js';
import type { SocketAddress } from '../kernel/kernel.js';
import { connect as connectRaw, type ConnectOptions } from '../net/connect.js';
import type { Connection, ConnectionHandlers } from '../net/connection.js';
import type { Reactor } from '../reactor/reactor.js';
import { abortError, onAbort, type AbortOptions } from './abort.js';
import { ByteQueue } from './byte-queue.js';
import { signalOf } from './sleep.js';

/** Bytes that wait for their reader at most, unless told otherwise. One read of the kernel (64 KiB) may come on top. */
export const READ_QUEUE_BYTES_MAX = 64 * 1024;
/**
 * Bytes that write() hands to the kernel without a turn in between, each call counted as a page at least: a peer that reads
 * as fast as we write would otherwise keep a loop of writes going in reactions for ever, and nobody else would have a turn.
 */
const WRITE_BURST_BYTES_MAX = 1024 * 1024;
const PAGE_BYTES = 4096;
/** What readUntil() looks through at most, unless told otherwise. */
const LINE_BYTES_MAX = 64 * 1024;

export interface ReadUntilOptions extends AbortOptions {
  /** Bytes before the delimiter at most; 64 KiB unless given. More reject with ERR_TOO_LONG. */
  maxBytes?: number;
}

interface PendingWrite {
  bytes: Uint8Array;
  /** Bytes of it that the connection has taken. */
  taken: number;
  settle(error?: Error): void;
}

/**
 * One TCP connection. Reads take one caller at a time (ERR_BUSY for a second one); writes queue up in order. After a
 * failure, what had come before it is still read; then reads reject with it. What the program itself closed gives ERR_CLOSED.
 */
export class AsyncConnection implements AsyncIterable<Buffer>, AsyncDisposable {
  /** Whatever the user wants to keep with the connection. */
  context: unknown = undefined;
  private readonly queue = new ByteQueue();
  private readonly queueBytesMax: number;
  private readEnded = false; // the peer's FIN has come
  private discarding = false;
  private busy = false; // somebody reads
  private wake: (() => void) | null = null;
  private readonly writes: PendingWrite[] = [];
  private burstBytes = 0;
  private failure: Error | null = null;
  private over = false; // `close` has come: the last event
  private shutHere = false; // by the program; else what closed it is told by that event, a turn later
  private waiting: (() => void)[] = [];
  /** @internal */ forget: () => void = () => undefined;

  /** @internal Use {@link connect} or a listener. */
  constructor(
    private readonly connection: Connection<AsyncConnection>,
    queueBytesMax = READ_QUEUE_BYTES_MAX,
  ) {
    this.queueBytesMax = queueBytesMax;
    connection.context = this;
  }

  /** The reactor that it lives on. */
  get reactor(): Reactor {
    return this.connection.reactor;
  }
  /** This end; null once closed. */
  get localAddress(): SocketAddress | null {
    return this.connection.localAddress;
  }
  /** The other end; null once closed. */
  get peerAddress(): SocketAddress | null {
    return this.connection.peerAddress;
  }
  /** Whether it is closed, by whichever side. */
  get closed(): boolean {
    return this.connection.closed;
  }
  /** Bytes that have come and were not read yet. */
  get bufferedBytes(): number {
    return this.queue.length;
  }
  /** Bytes given to write() that the kernel has not taken yet. */
  get queuedBytes(): number {
    return this.writes.reduce(
      (sum, { bytes, taken }) => sum + bytes.length - taken,
      this.connection.queuedBytes,
    );
  }
  /** Sends small pieces at once (the default), or gathers them: TCP_NODELAY. */
  noDelay(on = true): this {
    this.connection.noDelay(on);
    return this;
  }

  // ---- Reading --------------------------------------------------------------------------------------------

  /** The next bytes, whatever has come; null at the end. The buffer is yours. An aborted read loses no bytes. */
  async read(options?: AbortOptions): Promise<Buffer | null> {
    const signal = this.beginRead('read()', options);
    try {
      while (this.queue.length === 0) if (!(await this.more('read()', signal))) return null;
      return this.take(this.queue.length);
    } finally {
      this.busy = false;
    }
  }

  /** Exactly `count` bytes. Rejects with ERR_END_OF_DATA when the peer ends before; what came is left for read(). */
  async readExactly(count: number, options?: AbortOptions): Promise<Buffer> {
    checkInteger('count', count, 0, 0x7fffffff);
    const signal = this.beginRead('readExactly()', options);
    try {
      while (this.queue.length < count) {
        if (await this.more('readExactly()', signal)) continue;
        throw this.endOfData(`of ${String(count)} bytes`);
      }
      return this.take(count);
    } finally {
      this.busy = false;
    }
  }

  /**
   * The bytes before `delimiter`, which is taken too and left out. Rejects with ERR_TOO_LONG when it does not stand within
   * `maxBytes`, with ERR_END_OF_DATA when the peer ends before it; what came is left for read() then.
   */
  async readUntil(delimiter: string | Uint8Array, options: ReadUntilOptions = {}): Promise<Buffer> {
    const isText = typeof delimiter === 'string';
    if ((!isText && !(delimiter instanceof Uint8Array)) || delimiter.length === 0) {
      throw argumentError('delimiter', 'a string or Uint8Array that is not empty', delimiter);
    }
    const signal = this.beginRead('readUntil()', options);
    try {
      const { maxBytes = LINE_BYTES_MAX } = options;
      checkInteger('options.maxBytes', maxBytes, 0, 0x7fffffff);
      const mark = isText ? Buffer.from(delimiter) : delimiter;
      for (let searched = 0; ;) {
        const at = this.queue.indexOf(mark, searched);
        if (at > maxBytes || (at < 0 && this.queue.length >= maxBytes + mark.length)) {
          throw new UnderloopError('ERR_TOO_LONG', `no delimiter within ${String(maxBytes)} bytes`);
        }
        if (at >= 0) {
          const before = this.take(at);
          this.queue.skip(mark.length);
          return before;
        }
        // A part of the delimiter may stand at the end.
        searched = Math.max(this.queue.length - mark.length + 1, 0);
        if (!(await this.more('readUntil()', signal))) throw this.endOfData('without the delimiter');
      }
    } finally {
      this.busy = false;
    }
  }

  /** Chunks until the peer ends. Leaving the loop early closes nothing. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    for (let chunk = await this.read(); chunk !== null; chunk = await this.read()) yield chunk;
  }

  private beginRead(what: string, options: AbortOptions | undefined): AbortSignal | undefined {
    const signal = signalOf(options);
    if (signal?.aborted === true) throw abortError(what, signal);
    if (this.busy)
      throw new UnderloopError('ERR_BUSY', `${what}: another read of this connection is waiting`);
    this.busy = true;
    return signal;
  }

  /** Waits until more bytes have come; false when none will. Rejects when the connection has failed. */
  private async more(what: string, signal: AbortSignal | undefined): Promise<boolean> {
    const before = this.queue.length;
    while (this.queue.length === before) {
      if (this.failure !== null) throw this.failure;
      if (this.readEnded) return false;
      if (this.shutHere || this.over) throw closedError();
      this.connection.resume(); // somebody waits: also beyond the bound, as far as the reader's own bound
      await new Promise<void>((resolve, reject) => {
        const forget = onAbort(signal, () => {
          this.wake = null;
          reject(abortError(what, signal as AbortSignal));
        });
        this.wake = () => {
          this.wake = null;
          forget();
          this.reactor.observer?.resumed('read');
          resolve();
        };
      });
    }
    return true;
  }

  private take(count: number): Buffer {
    const taken = this.queue.take(count);
    if (this.queue.length <= this.queueBytesMax / 2) this.connection.resume();
    return taken;
  }

  private endOfData(what: string): UnderloopError {
    const text = `the peer ended after ${String(this.queue.length)} bytes, ${what}`;
    return new UnderloopError('ERR_END_OF_DATA', text);
  }

  // ---- Writing --------------------------------------------------------------------------------------------

  /**
   * Resolves when the kernel has taken all of `bytes`: so a peer that does not read makes the writer wait. The bytes must
   * stay as they are until then. Rejects with the connection's failure, ERR_CLOSED, ERR_WRITE_AFTER_END. Aborting a write
   * of which a part has gone resets the connection: the peer could not tell where the next message begins.
   */
  async write(bytes: Uint8Array | string, options?: AbortOptions): Promise<void> {
    const signal = signalOf(options);
    if (signal?.aborted === true) throw abortError('write()', signal);
    if (this.closed && !this.shutHere) await this.ended();
    if (this.failure !== null) throw this.failure;
    if (typeof bytes === 'string') bytes = Buffer.from(bytes);
    let taken = 0;
    if (this.writes.length === 0) {
      taken = this.connection.write(bytes);
      if (taken === bytes.length && this.connection.queuedBytes === 0) {
        this.burstBytes += Math.max(taken, PAGE_BYTES);
        if (this.burstBytes >= WRITE_BURST_BYTES_MAX) await this.nextTurn();
        return;
      }
    } else if (!(bytes instanceof Uint8Array)) {
      throw argumentError('bytes', 'a Uint8Array or a string', bytes);
    } else if (!this.connection.writable) {
      throw new UnderloopError('ERR_WRITE_AFTER_END', 'write() after end() or close()');
    }
    await this.pendingWrite(bytes, taken, signal);
  }

  private nextTurn(): Promise<void> {
    this.burstBytes = 0;
    return new Promise((resolve) => this.reactor.post(resolve));
  }

  private pendingWrite(bytes: Uint8Array, taken: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const pending: PendingWrite = {
        bytes,
        taken,
        settle: (error) => {
          forget();
          this.reactor.observer?.resumed('write');
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      const forget = onAbort(signal, () => {
        const torn = pending.taken > 0 && pending.taken < bytes.length;
        this.writes.splice(this.writes.indexOf(pending), 1);
        reject(abortError('write()', signal as AbortSignal));
        if (torn) this.reset();
      });
      this.writes.push(pending);
    });
  }

  /** The connection's own queue is empty: the kernel has all that was taken. */
  private drained(): void {
    while (this.writes.length > 0) {
      const first = this.writes[0];
      if (first.taken < first.bytes.length) {
        if (!this.connection.writable) return; // `close` follows and settles it
        first.taken += this.connection.write(first.bytes, first.taken);
        if (first.taken < first.bytes.length || this.connection.queuedBytes > 0) return;
      }
      this.writes.shift();
      first.settle();
    }
  }

  // ---- Ending ---------------------------------------------------------------------------------------------

  /** Ends our half (FIN) when the kernel has all that was written, and resolves then. Reading goes on. Idempotent. */
  async end(options?: AbortOptions): Promise<void> {
    if (!this.connection.writable) return;
    if (this.writes.length > 0) await this.pendingWrite(Buffer.alloc(0), 0, signalOf(options));
    this.connection.end();
  }

  /** Closes at once. Reads and writes that wait reject with ERR_CLOSED; bytes nobody read are dropped. Idempotent. */
  close(): void {
    this.shutHere = true;
    this.connection.close();
    this.queue.clear();
    this.settleAll();
  }
  /** Closes with a reset (RST), so that the peer knows that data may be lost. */
  reset(): void {
    this.shutHere = true;
    this.connection.reset();
    this.close();
  }
  /** Resolves when the connection is closed, however that came; never rejects. */
  async ended(): Promise<void> {
    if (!this.over) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }
  /** The end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.ended();
  }

  /** From now on what comes is read and dropped: for the time between our FIN and the peer's. @internal */
  discard(): void {
    this.discarding = true;
    this.queue.clear();
    this.connection.resume();
  }
  /** Closes with an error that waiting reads and writes reject with. @internal */
  destroy(error: Error): void {
    this.connection.destroy(error);
    this.failure ??= error;
    this.settleAll();
  }

  /** @internal */
  received(buffer: Uint8Array, start: number, end: number): void {
    if (this.discarding) return;
    this.queue.push(buffer, start, end);
    if (this.queue.length >= this.queueBytesMax) {
      // A write waits, yet nothing is queued: sending has failed, and the connection looks for the end of what the peer
      // had sent before it tells. Paused it would never find it, and the writer would wait for ever.
      if (this.writes.length > 0 && this.connection.queuedBytes === 0) this.discarding = true;
      else this.connection.pause();
    }
    this.wake?.();
  }
  /** @internal */
  event(what: 'drain' | 'readClosed'): void {
    if (what === 'drain') this.drained();
    else {
      this.readEnded = true;
      this.wake?.();
    }
  }
  /** @internal */
  finished(error: Error | null): void {
    this.failure ??= error;
    this.over = true;
    this.forget();
    this.settleAll();
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  private settleAll(): void {
    this.wake?.();
    const error = this.failure ?? closedError();
    for (const write of this.writes.splice(0)) write.settle(error);
  }
}

function closedError(): UnderloopError {
  return new UnderloopError('ERR_CLOSED', 'the connection is closed');
}

/** One object for all connections, as the reactor wants it. @internal */
export const asyncHandlers: ConnectionHandlers<AsyncConnection> = {
  data: (connection, buffer, start, end) => connection.context?.received(buffer, start, end),
  drain: (connection) => connection.context?.event('drain'),
  readClosed: (connection) => connection.context?.event('readClosed'),
  close: (connection, error) => connection.context?.finished(error),
};

/** Options of {@link connect}. */
export interface AsyncConnectOptions extends ConnectOptions {
  /** Bytes that wait for their reader at most; 64 KiB unless given. */
  readQueueBytesMax?: number;
}

/**
 * Connects to a numeric address, or to the `path` of a Unix socket, and resolves when the connection stands. Rejects with ERR_CONNECT_TIMEOUT, ERR_ABORTED,
 * a `SystemError` (ECONNREFUSED). `signal` closes the connection later on, too: then what waits rejects with ERR_ABORTED.
 */
export function connect(reactor: Reactor, options: AsyncConnectOptions): Promise<AsyncConnection> {
  return new Promise((resolve, reject) => {
    const { signal, readQueueBytesMax, ...rest } = { ...options };
    if (readQueueBytesMax !== undefined) checkReadBound(readQueueBytesMax);
    signalOf({ signal });
    if (signal?.aborted === true) throw abortError('connect()', signal);
    const raw = connectRaw<AsyncConnection>(reactor, rest, {
      ...asyncHandlers,
      open() {
        reactor.observer?.resumed('connect');
        resolve(connection);
      },
      close(_, error) {
        connection.finished(error);
        reject(error ?? closedError()); // too late to matter once it was open
      },
    });
    const connection = new AsyncConnection(raw, readQueueBytesMax);
    connection.forget = onAbort(signal, () => {
      const error = abortError('the connection', signal as AbortSignal);
      connection.destroy(error);
      reject(error);
    });
  });
}

/** @internal */
export function checkReadBound(bytes: number): void {
  checkInteger('options.readQueueBytesMax', bytes, 1, 0x7fffffff);
}
