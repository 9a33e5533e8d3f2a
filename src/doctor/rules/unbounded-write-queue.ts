// Writes that go on although nobody takes them: what write() says and `drain` are ignored, and the queue grows, or bytes are lost.

import type { HandlerHint } from '../finding.js';
import type { Rule } from '../rule.js';
import type { Registration, Scene } from '../scene.js';

/** Writes to a full queue, at so many different moments, without it having been empty in between. */
export const IGNORED_MOMENTS_MIN = 5;
/** Calls within it are one moment: a loop that hands over one large reply does so in one go. */
const MOMENT_MS = 1;
/** A queue that was longer at each of so many looks, over so long, without having become half as long in between. */
const GROWTHS_MIN = 5;
const GROWING_MS = 250;
/** Beside the mark of a stream of node's (64 KiB mostly), so many times it, and so much at least. */
const MARKS = 8;
const STREAM_BYTES_MIN = 256 * 1024;
/** Awaited writes leave next to nothing here: so much was written without waiting. */
const ASYNC_BYTES_MIN = 1024 * 1024;
/** The bound of a net connection is the program's own. Beyond so much it is no bound in practice. */
const NET_BOUND_MIN = 16 * 1024 * 1024;
const NET_BYTES_MIN = 4 * 1024 * 1024;
const DATAGRAMS_MIN = 256;
/** Connections looked at in one tick, in turns. */
const LOOKS_MAX = 1024;

interface Ignored {
  full: boolean;
  writes: number;
  bytes: number;
  moments: number;
  lastMs: number;
  sinceMs: number;
  /** The call that ignored it; undefined: not asked yet. */
  handler: HandlerHint | null | undefined;
}

interface Growth {
  longest: number;
  growths: number;
  sinceMs: number;
}

interface Queue {
  readonly length: number;
  readonly unit: 'bytes' | 'datagrams';
  readonly min: number;
  readonly what: string;
  readonly mark: number | null;
}

export class UnboundedWriteQueue implements Rule {
  private readonly ignored = new WeakMap<object, Ignored>();
  private readonly growths = new Map<Registration, Growth>();
  private nextSlot = 0;

  constructor(private readonly scene: Scene) {}

  netWrite(connection: object, fd: number, given: number, taken: number, queuedBefore: number): void {
    let state = this.ignored.get(connection);
    if (taken === given && state === undefined) return;
    if (state === undefined || queuedBefore === 0) {
      state = {
        full: false,
        writes: 0,
        bytes: 0,
        moments: 0,
        lastMs: -Infinity,
        sinceMs: this.scene.nowMs,
        handler: undefined,
      };
      this.ignored.set(connection, state);
    }
    if (state.full && taken < given) {
      const { nowMs } = this.scene;
      state.writes++;
      state.bytes += given - taken;
      if (nowMs - state.lastMs >= MOMENT_MS) state.moments++;
      state.lastMs = nowMs;
      if (state.moments >= IGNORED_MOMENTS_MIN) this.reportIgnored(fd, state, queuedBefore);
    }
    if (taken < given) state.full = true;
  }

  removed(registration: Registration): void {
    this.growths.delete(registration);
  }

  tick(): void {
    const { bySlot } = this.scene;
    const looks = Math.min(bySlot.length, LOOKS_MAX);
    for (let i = 0; i < looks; i++) {
      this.nextSlot = this.nextSlot + 1 < bySlot.length ? this.nextSlot + 1 : 0;
      const registration = bySlot[this.nextSlot];
      if (registration === undefined || registration.gone || registration.source === null) continue;
      const queue = queueOf(registration.source);
      if (queue === null || queue.length === 0) this.growths.delete(registration);
      else this.look(registration, queue);
    }
  }

  private look(registration: Registration, queue: Queue): void {
    const { nowMs } = this.scene;
    let growth = this.growths.get(registration);
    if (growth === undefined || queue.length < growth.longest / 2) {
      growth = { longest: queue.length, growths: 0, sinceMs: nowMs };
      this.growths.set(registration, growth);
      return;
    }
    if (queue.length <= growth.longest) return;
    growth.longest = queue.length;
    growth.growths++;
    if (growth.growths < GROWTHS_MIN || nowMs - growth.sinceMs < GROWING_MS || queue.length < queue.min)
      return;
    const { fd, taker } = registration;
    this.report(
      fd,
      taker,
      growth.sinceMs,
      `the write queue of fd ${fd} (${queue.what}) grows and grows, to ${queue.length} ${queue.unit}: writes go on without waiting`,
      {
        [queue.unit === 'bytes' ? 'queuedBytes' : 'queuedDatagrams']: queue.length,
        highWaterMarkBytes: queue.mark,
        grewInLooks: growth.growths,
        forMs: Math.round(nowMs - growth.sinceMs),
      },
    );
  }

  private reportIgnored(fd: number, state: Ignored, queuedBytes: number): void {
    const { writes, bytes, moments, sinceMs } = state;
    state.handler ??= this.writerOf(fd);
    this.report(
      fd,
      state.handler,
      sinceMs,
      `fd ${fd} is written to although its queue is full: of ${writes} writes that were not taken whole, ${bytes} bytes were not kept`,
      {
        writesNotTaken: writes,
        bytesNotTaken: bytes,
        moments,
        queuedBytes,
        forMs: Math.round(this.scene.nowMs - sinceMs),
      },
    );
  }

  /** Who writes: the line that called write(), or else whoever the connection belongs to. */
  private writerOf(fd: number): HandlerHint | null {
    const place = this.scene.caller();
    const taker = this.scene.byFd.get(fd)?.taker ?? null;
    return place === null ? taker : { name: place.name, subject: null, place };
  }

  private report(
    fd: number,
    handler: HandlerHint | null,
    sinceMs: number,
    message: string,
    evidence: Record<string, number | null>,
  ): void {
    const registration = this.scene.byFd.get(fd);
    this.scene.report({
      class: 'unbounded-write-queue',
      severity: 'error',
      key: registration === undefined ? `fd ${fd}` : `${registration.slot}/${registration.generation}`,
      fd,
      handler,
      sinceMs,
      message,
      evidence,
      remedy:
        'Obey what write() says: when it took fewer bytes than given (false, of a stream), keep the rest, stop what makes ' +
        'more (pause() the source), and go on in `drain`; with underloop/async await each write. Or close a peer that does not read.',
    });
  }
}

interface Queueing {
  readonly queuedDatagrams?: unknown;
  readonly sendQueueBytesMax?: unknown;
  readonly queuedBytes?: unknown;
  readonly context?: { readonly queuedBytes?: unknown; readonly writableLength?: unknown } | null;
  readonly service?: { readonly writeQueueBytesMax?: unknown };
}

/** What waits to be written: by a connection itself, by the stream or the awaited connection above it. */
function queueOf(source: object): Queue | null {
  const { queuedBytes, context, service, queuedDatagrams, sendQueueBytesMax } = source as Queueing;
  if (typeof queuedDatagrams === 'number') {
    if (typeof sendQueueBytesMax !== 'number' || sendQueueBytesMax <= NET_BOUND_MIN) return null;
    const what = 'a datagram socket';
    return { length: queuedDatagrams, unit: 'datagrams', min: DATAGRAMS_MIN, what, mark: sendQueueBytesMax };
  }
  if (typeof queuedBytes !== 'number') return null;
  if (typeof context === 'object' && context !== null) {
    const { writableLength, writableHighWaterMark } = context as {
      writableLength?: unknown;
      writableHighWaterMark?: unknown;
    };
    if (typeof writableLength === 'number' && typeof writableHighWaterMark === 'number') {
      const min = Math.max(writableHighWaterMark * MARKS, STREAM_BYTES_MIN);
      return { length: writableLength, unit: 'bytes', min, what: 'a stream', mark: writableHighWaterMark };
    }
    if ('readUntil' in context && typeof context.queuedBytes === 'number') {
      return {
        length: context.queuedBytes,
        unit: 'bytes',
        min: ASYNC_BYTES_MIN,
        what: 'awaited connection',
        mark: null,
      };
    }
  }
  const bound = service?.writeQueueBytesMax;
  if (typeof bound !== 'number' || bound <= NET_BOUND_MIN) return null;
  return { length: queuedBytes, unit: 'bytes', min: NET_BYTES_MIN, what: 'a connection', mark: bound };
}
