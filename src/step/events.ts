// An observer that keeps what has happened since the last hold, as events of a trace.

import { inspect } from 'node:util';
import type { InterestChange, ItemKind, TimeoutReason } from '../reactor/observer.js';
import { SilentObserver, itemName } from '../reactor/observer.js';
import type { Task } from '../reactor/run-queue.js';
import { Timer } from '../reactor/timer-heap.js';
import type { TraceEvent, TraceFields } from '../trace/format.js';

/** More than anybody reads between two holds. */
const EVENTS_MAX = 400;

const timerNumber = (item: Task | Timer): number => (item instanceof Timer ? item.sequence : -1);

export class EventKeeper extends SilentObserver {
  private events: TraceEvent[] = [];
  private lost = 0;
  /** An item has thrown since this was set to false. */
  threw = false;
  /** Items run. */
  items = 0;

  /** What has happened since this was last asked. */
  take(): { events: TraceEvent[]; eventsLost: number } {
    const taken = { events: this.events, eventsLost: this.lost };
    this.events = [];
    this.lost = 0;
    return taken;
  }

  private keep(fields: TraceFields): void {
    if (this.events.length >= EVENTS_MAX) {
      this.events.shift();
      this.lost++;
    }
    this.events.push({ ...fields, timeNs: Math.round(performance.now() * 1e6) });
  }

  override turnBegin(turn: number): void {
    this.keep({ type: 'turnBegin', turn });
  }
  override turnEnd(turn: number): void {
    this.keep({ type: 'turnEnd', turn });
  }
  override drainBegin(): void {
    this.keep({ type: 'drainBegin' });
  }
  override drainEnd(): void {
    this.keep({ type: 'drainEnd' });
  }
  override waitBegin(timeoutMs: number, reason: TimeoutReason): void {
    this.keep({ type: 'waitBegin', timeoutMs, reason });
  }
  override waitEnd(events: number): void {
    this.keep({ type: 'waitEnd', events });
  }
  override readiness(fd: number, readiness: number, slot: number, generation: number, raw: number): void {
    this.keep({ type: 'readiness', fd, readiness, slot, generation, raw });
  }
  override batch(
    timers: number,
    readinesses: number,
    posted: number,
    deferred: number,
    closed: number,
  ): void {
    this.keep({ type: 'batch', timers, readinesses, posted, deferred, closed });
  }
  override itemBegin(kind: ItemKind, item: Task | Timer, fd: number, readiness: number): void {
    this.items++;
    const name = itemName(item);
    this.keep({ type: 'itemBegin', kind, name, fd, readiness, timer: timerNumber(item) });
  }
  override itemEnd(kind: ItemKind): void {
    this.keep({ type: 'itemEnd', kind });
  }
  override queued(kind: ItemKind, task: Task): void {
    this.keep({ type: 'queued', kind, name: itemName(task) });
  }
  override resumed(what: string): void {
    this.keep({ type: 'resumed', name: what });
  }
  override stale(slot: number, generation: number, readiness: number): void {
    this.keep({ type: 'stale', slot, generation, readiness });
  }
  override interest(
    change: InterestChange,
    fd: number,
    interest: number,
    slot: number,
    generation: number,
  ): void {
    this.keep({ type: 'interest', change, fd, interest, slot, generation });
  }
  override timerSet(timer: Timer): void {
    this.keep({ type: 'timerSet', timer: timer.sequence, deadlineMs: timer.deadlineMs, name: timer.name });
  }
  override timerCancelled(timer: Timer): void {
    this.keep({ type: 'timerCancelled', timer: timer.sequence });
  }
  override error(error: unknown, kind: ItemKind): void {
    this.threw = true;
    this.keep({ type: 'error', kind, message: error instanceof Error ? error.message : inspect(error) });
  }
  override call(
    name: string,
    args: readonly unknown[],
    result: unknown,
    fd: number,
    a: number,
    b: number,
  ): void {
    const words = args.filter((one) => typeof one === 'object' && one !== null && !ArrayBuffer.isView(one));
    const text = words.map((one) => inspect(one, { breakLength: Infinity, depth: 1 })).join(', ');
    this.keep({ type: 'call', name, result: typeof result === 'number' ? result : 0, fd, a, b, text });
  }
}
