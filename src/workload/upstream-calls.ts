// Many waits over one connection to the upstream, told apart by their ids: what a server on a loop has instead of threads.

import { connect as nodeConnect, type Socket } from 'node:net';
import type { Connection } from '../net/connection.js';
import { connect } from '../net/connect.js';
import type { Reactor } from '../reactor/reactor.js';
import { UPSTREAM_FRAME_BYTES, UpstreamParser, encodeUpstream } from './frames.js';
import type { UpstreamCalls, Waiter } from './handler.js';

/** Waits that one server may have open at a time: more than it can have connections, were each to wait once. */
const WAITS_MAX = 256 * 1024;
/** Room for all of them to be asked while the upstream reads nothing. */
const WRITE_QUEUE_BYTES_MAX = WAITS_MAX * UPSTREAM_FRAME_BYTES;

interface Call {
  readonly waiter: Waiter;
  readonly waitMs: number;
  /** It was asked over a connection that stood already: if that fails, it is asked once more, over a new one. */
  readonly again: boolean;
}

/** One connection to the upstream, and the calls that wait on it. */
abstract class Line {
  readonly calls = new Map<number, Call>();
  private readonly parser = new UpstreamParser();
  private nextId = 0;

  /** Whether all of the bytes were taken. */
  protected abstract send(bytes: Uint8Array): boolean;
  /** Its end follows. */
  abstract close(): void;

  ask(call: Call): boolean {
    // Fewer are open than there are ids, so a free one is found; after a wrap of 32 bits an old call may still be open.
    while (this.calls.has(this.nextId)) this.nextId = (this.nextId + 1) >>> 0;
    const id = this.nextId;
    this.nextId = (id + 1) >>> 0;
    encodeUpstream(frame, 0, id, call.waitMs);
    if (!this.send(frame)) return false;
    this.calls.set(id, call);
    return true;
  }

  /** Calls back those that are answered. */
  received(bytes: Uint8Array, start: number, end: number): void {
    const { calls, parser } = this;
    parser.feed(bytes, start, end);
    while (parser.next()) {
      const { id } = parser;
      const call = calls.get(id);
      if (call?.waitMs !== parser.waitMs) {
        // Not an upstream that we know: none of its answers can be trusted.
        this.close();
        return;
      }
      calls.delete(id);
      call.waiter.waitEnded(true);
    }
  }
}

/** Filled anew for each call. */
const frame = new Uint8Array(UPSTREAM_FRAME_BYTES);

abstract class MultiplexedCalls implements UpstreamCalls {
  private line: Line | null = null;
  private closed = false;

  /** Opens a connection, whose end goes to ended(). Throws if the system refuses it. */
  protected abstract dial(): Line;

  call(waiter: Waiter, waitMs: number): boolean {
    return this.ask(waiter, waitMs, true);
  }

  private ask(waiter: Waiter, waitMs: number, mayAgain: boolean): boolean {
    if (this.line === null) return this.askAnew(waiter, waitMs);
    if (this.line.calls.size >= WAITS_MAX) return false;
    if (this.line.ask({ waiter, waitMs, again: mayAgain })) return true;
    // It has ended, and we are about to hear of it; the calls that wait on it are dealt with then.
    this.line = null;
    return mayAgain && this.askAnew(waiter, waitMs);
  }

  private askAnew(waiter: Waiter, waitMs: number): boolean {
    if (this.closed) return false;
    try {
      this.line = this.dial();
    } catch {
      return false; // no port, or no descriptor left
    }
    return this.line.ask({ waiter, waitMs, again: false });
  }

  close(): void {
    this.closed = true;
    this.line?.calls.clear();
    this.line?.close();
    this.line = null;
  }

  /**
   * The connection is gone. What was asked over it while it was new has failed; the rest is asked once more, for it may
   * have ended while nobody looked: the upstream was started anew. A blocking thread does just so.
   */
  protected ended(line: Line): void {
    if (line === this.line) this.line = null;
    for (const { waiter, waitMs, again } of line.calls.values()) {
      if (!again || !this.ask(waiter, waitMs, false)) waiter.waitEnded(false);
    }
    line.calls.clear();
  }
}

class ReactorLine extends Line {
  readonly connection: Connection;

  constructor(reactor: Reactor, port: number, ended: (line: Line) => void) {
    super();
    this.connection = connect(
      reactor,
      { port, noDelay: true, writeQueueBytesMax: WRITE_QUEUE_BYTES_MAX },
      {
        data: (_connection, buffer, start, end) => this.received(buffer, start, end),
        close: () => ended(this),
      },
    );
  }
  protected override send(bytes: Uint8Array): boolean {
    return this.connection.writable && this.connection.write(bytes) === bytes.length;
  }
  override close(): void {
    this.connection.close();
  }
}

/** Over a connection of the reactor. */
export class ReactorCalls extends MultiplexedCalls {
  constructor(
    private readonly reactor: Reactor,
    private readonly port: number,
  ) {
    super();
  }
  protected override dial(): Line {
    return new ReactorLine(this.reactor, this.port, (line) => this.ended(line));
  }
}

class NodeLine extends Line {
  private readonly socket: Socket;

  constructor(port: number, ended: (line: Line) => void) {
    super();
    this.socket = nodeConnect({ host: '127.0.0.1', port, noDelay: true })
      .on('data', (bytes) => this.received(bytes, 0, bytes.length))
      .on('error', () => undefined) // close follows
      .on('close', () => ended(this));
  }
  protected override send(bytes: Uint8Array): boolean {
    if (!this.socket.writable || this.socket.writableLength >= WRITE_QUEUE_BYTES_MAX) return false;
    this.socket.write(bytes.slice()); // the stream keeps what it is given
    return true;
  }
  override close(): void {
    this.socket.destroy();
  }
}

/** Over a socket of node:net. */
export class NodeCalls extends MultiplexedCalls {
  constructor(private readonly port: number) {
    super();
  }
  protected override dial(): Line {
    return new NodeLine(this.port, (line) => this.ended(line));
  }
}
