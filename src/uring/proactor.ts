// The completion loop: what connections stage is submitted by the reactor's one wait, and what has completed is told to
// them here, in one item of the turn.

import { UnderloopError } from '../errors.js';
import { READABLE } from '../poller/poller.js';
import { Reactor } from '../reactor/reactor.js';
import type { ReactorOptions } from '../reactor/options.js';
import type { Source } from '../reactor/run-queue.js';
import { NOTHING, ROW_STRIDE, SEND, type Area } from './area.js';
import { ringKernel, type RingOptions } from './kernel.js';

const GENERATION_MAX = 0xffffff;

/** What has operations in flight: a connection, or a listener. */
export interface Completer {
  /** One of its operations has completed, or has a further result. */
  complete(kind: number, result: number, flags: number): void;
  /** One of its sends has ended. Calls no code of the program's. */
  sent(result: number): void;
  close(): void;
}

export class Proactor implements Source, Disposable {
  readonly area: Area;
  readonly name = 'completions';
  /** The buffer of the pool that a handler has been given and is working on, and where in the arena it begins. */
  lent: Uint8Array | null = null;
  lentAt = 0;
  private readonly slot: number;
  private readonly completers: (Completer | null)[] = [];
  private generations = new Int32Array(64).fill(1);
  private readonly free: number[] = [];
  private live = 0;
  private open = true;

  constructor(
    readonly reactor: Reactor,
    area: Area,
  ) {
    this.area = area;
    this.slot = reactor.registry.add(area.fd, READABLE, 0, this, false);
  }

  /** A slot for what will have operations in flight. Their rows name it, and its generation. */
  add(completer: Completer): number {
    const slot = this.free.pop() ?? this.completers.length;
    if (slot >= this.generations.length) {
      const bigger = new Int32Array(this.generations.length * 2).fill(1);
      bigger.set(this.generations);
      this.generations = bigger;
    }
    this.completers[slot] = completer;
    if (this.live++ === 0) this.reactor.registry.setReferenced(this.slot, true);
    return slot;
  }
  generation(slot: number): number {
    return this.generations[slot];
  }
  /** Nothing of it is in flight any more but sends, whose rows are dropped by their generation. */
  release(slot: number): void {
    this.completers[slot] = null;
    const generation = this.generations[slot];
    this.generations[slot] = generation === GENERATION_MAX ? 1 : generation + 1;
    this.free.push(slot);
    if (--this.live === 0 && this.open) this.reactor.registry.setReferenced(this.slot, false);
  }

  get closed(): boolean {
    return !this.open;
  }

  /** The ring's item: all that has completed. */
  run(): void {
    const { area } = this;
    const { rows } = area;
    if (area.sendRows > 0) this.settle();
    const end = area.rowCount * ROW_STRIDE;
    for (let at = 0; at < end && this.open; at += ROW_STRIDE) {
      const kind = rows[at + 1] & 0xff;
      if (kind === NOTHING) continue;
      const completer = this.completerOf(at);
      if (completer === null) continue;
      try {
        completer.complete(kind, rows[at + 2], rows[at + 3]);
      } catch (error) {
        this.fault(error);
      }
    }
  }

  /**
   * How sends have ended, before anybody sends again: what a connection sends next must come after what the last send
   * has left. Called first thing, and by a write of a timer's, which runs before this item.
   */
  settle(): void {
    const { area } = this;
    const { rows } = area;
    area.sendRows = 0;
    const end = area.rowCount * ROW_STRIDE;
    for (let at = 0; at < end; at += ROW_STRIDE) {
      if ((rows[at + 1] & 0xff) !== SEND) continue;
      const completer = this.completerOf(at);
      rows[at + 1] = NOTHING;
      completer?.sent(rows[at + 2]);
    }
  }

  /** Null: its slot has been given away since. */
  private completerOf(at: number): Completer | null {
    const { rows } = this.area;
    const slot = rows[at];
    return rows[at + 1] >>> 8 === this.generations[slot] ? this.completers[slot] : null;
  }

  /** A handler threw: the others go on, and the reactor reports it as it does with its own items. */
  private fault(error: unknown): void {
    this.reactor.post(() => {
      throw error;
    });
  }

  /** Closes all that it has. What is in flight is cancelled when the reactor closes its poller. */
  dispose(): void {
    for (const completer of this.completers) completer?.close();
    this.open = false;
  }
  [Symbol.dispose](): void {
    this.reactor.close();
  }
}

/** A reactor that waits in a ring, and the ring's completions. Throws ERR_UNSUPPORTED where there are no rings. */
export function openProactor(
  options: RingOptions & Pick<ReactorOptions, 'onError' | 'observer'> = {},
): Proactor {
  const { onError, observer, ...ring } = options;
  const kernel = ringKernel(ring);
  const given = { ...(onError !== undefined && { onError }), ...(observer !== undefined && { observer }) };
  const reactor = new Reactor({ kernel, poller: 'uring', ...given });
  if (kernel.area === null) throw new UnderloopError('ERR_UNSUPPORTED', 'the reactor has opened no ring');
  return new Proactor(reactor, kernel.area);
}
