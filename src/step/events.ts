// An observer that keeps what has happened since the last hold, as events of a trace.

import type { InterestChange, ItemKind, ObservedReactor, TimeoutReason } from '../reactor/observer.js';
import { SilentObserver, itemName } from '../reactor/observer.js';
import type { Task } from '../reactor/run-queue.js';
import { Timer } from '../reactor/timer-heap.js';
import type { TraceEvent, TraceFields } from '../trace/format.js';
import { messageOf, textOf } from '../trace/encode.js';

/** More than anybody reads between two holds. */
const EVENTS_MAX = 400;
/** Of a name or a message: a program may throw a whole file. */
const TEXT_CHARACTERS_MAX = 500;

const timerNumber = (item: Task | Timer): number => (item instanceof Timer ? item.sequence : -1);

/** Cut to what is shown. */
export function short(text: string): string {
  return text.length <= TEXT_CHARACTERS_MAX ? text : `${text.slice(0, TEXT_CHARACTERS_MAX)}...`;
}

/** The host's own registrations are no part of the program. By name: the program may have another copy of this package. */
const isHosts = (item: Task | Timer): boolean =>
  typeof item !== 'function' && item.constructor.name === 'HostSource';

export class EventKeeper extends SilentObserver {
  private events: TraceEvent[] = [];
  private lost = 0;
  protected now = (): number => performance.now();
  /** An item has thrown since this was set to false. */
  threw = false;
  /** Items run. */
  items = 0;
  private inHosts = false;

  /** What has happened since this was last asked. */
  take(): { events: TraceEvent[]; eventsLost: number } {
    const taken = { events: this.events, eventsLost: this.lost };
    this.events = [];
    this.lost = 0;
    return taken;
  }

  get kept(): number {
    return this.events.length;
  }

  private keep(fields: TraceFields): void {
    this.events.push({ ...fields, timeNs: Math.round(this.now() * 1e6) });
    // Cut rarely: shifting a full array at each event would cost more than the event.
    if (this.events.length >= 2 * EVENTS_MAX) {
      this.lost += this.events.length - EVENTS_MAX;
      this.events = this.events.slice(-EVENTS_MAX);
    }
  }

  override reactorOpened({ kernel }: ObservedReactor): void {
    this.now = () => kernel.now();
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
    this.inHosts = isHosts(item);
    if (this.inHosts) return;
    this.items++;
    const name = short(itemName(item));
    this.keep({ type: 'itemBegin', kind, name, fd, readiness, timer: timerNumber(item) });
  }
  override itemEnd(kind: ItemKind): void {
    if (!this.inHosts) this.keep({ type: 'itemEnd', kind });
    this.inHosts = false;
  }
  override queued(kind: ItemKind, task: Task): void {
    this.keep({ type: 'queued', kind, name: short(itemName(task)) });
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
    const { sequence, deadlineMs, name } = timer;
    this.keep({ type: 'timerSet', timer: sequence, deadlineMs, name: short(name) });
  }
  override timerCancelled(timer: Timer): void {
    this.keep({ type: 'timerCancelled', timer: timer.sequence });
  }
  override error(error: unknown, kind: ItemKind): void {
    this.threw = true;
    this.keep({ type: 'error', kind, message: short(messageOf(error)) });
  }
  override call(
    name: string,
    args: readonly unknown[],
    result: unknown,
    fd: number,
    a: number,
    b: number,
  ): void {
    const number = typeof result === 'number' ? result : 0;
    this.keep({ type: 'call', name, result: number, fd, a, b, text: textOf(args, result) });
  }
}
