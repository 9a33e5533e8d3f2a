// The wait on the upstream as a blocking call: the mistake of `blocking-in-loop`, the way of `worker`, the task of `executor`.

import { connect, type BlockingConnection } from '../blocking/client.js';
import { SystemError, UnderloopError } from '../errors.js';
import { UPSTREAM_FRAME_BYTES, UpstreamParser, encodeUpstream } from './frames.js';
import type { UpstreamCalls, Waiter } from './handler.js';

/** One connection to the upstream, kept between calls, and one call at a time, which holds its thread until it is answered. */
export class BlockingUpstream {
  private connection: BlockingConnection | null = null;
  private nextId = 0;

  constructor(private readonly port: number) {}

  /**
   * Returns whether it was answered, `waitMs` later. A call over a connection that stood already and turns out to have
   * ended is asked once more, over a new one, as all other models do.
   */
  wait(waitMs: number): boolean {
    const stood = this.connection !== null;
    return this.ask(waitMs) || (stood && this.ask(waitMs));
  }

  private ask(waitMs: number): boolean {
    try {
      this.connection ??= connect({ port: this.port });
      const id = this.nextId;
      this.nextId = (id + 1) >>> 0;
      encodeUpstream(frame, 0, id, waitMs);
      this.connection.write(frame);
      parser.feed(this.connection.readExactly(UPSTREAM_FRAME_BYTES), 0, UPSTREAM_FRAME_BYTES);
      if (parser.next() && parser.id === id && parser.waitMs === waitMs) return true;
    } catch (error) {
      if (!(error instanceof SystemError || error instanceof UnderloopError)) throw error;
    }
    this.close();
    return false;
  }

  close(): void {
    this.connection?.close();
    this.connection = null;
  }
}

/** Filled anew for each call. */
const frame = new Uint8Array(UPSTREAM_FRAME_BYTES);
/** Fed whole frames only, so that all may share it. */
const parser = new UpstreamParser();

/** Calls that block whoever makes them: nothing else happens in that thread until the upstream has answered. */
export class BlockingCalls implements UpstreamCalls {
  readonly blocks = true;
  private readonly upstream: BlockingUpstream;

  /** `later` runs a callback soon, when nobody is in the middle. */
  constructor(
    port: number,
    private readonly later: (callback: () => void) => void,
  ) {
    this.upstream = new BlockingUpstream(port);
  }

  call(waiter: Waiter, waitMs: number): boolean {
    const answered = this.upstream.wait(waitMs);
    this.later(() => waiter.waitEnded(answered));
    return true;
  }
  close(): void {
    this.upstream.close();
  }
}

let upstreamOfThread: BlockingUpstream | null = null;

/** The task of `executor`: one wait, on a thread of the pool, which keeps its connection for the next. */
export function waitOnUpstream(port: number, waitMs: number): boolean {
  upstreamOfThread ??= new BlockingUpstream(port);
  return upstreamOfThread.wait(waitMs);
}
