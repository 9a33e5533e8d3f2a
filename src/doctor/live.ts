// An observer that feeds the rules from a live reactor.

import type {
  InterestChange,
  ItemKind,
  ObservedReactor,
  Observer,
  TimeoutReason,
} from '../reactor/observer.js';
import { SilentObserver, itemName } from '../reactor/observer.js';
import type { Registry } from '../reactor/registry.js';
import type { RunQueue, Source, Task } from '../reactor/run-queue.js';
import type { Timer } from '../reactor/timer-heap.js';
import { ChainCounter } from './chains.js';
import { Diagnosis, type DiagnosisOptions } from './diagnosis.js';
import { Taker, type Registration } from './scene.js';
import type { StuckWatch } from './stuck.js';
import { unwatchWrites, watchWrites } from './writes.js';

/** What is looked at of the reactor beside what an observer is told. By shape: the program may have its own copy of the package. */
interface SeenReactor extends ObservedReactor {
  readonly registry: Registry<Source>;
  readonly queues: readonly RunQueue[];
}

export interface LiveOptions extends Omit<DiagnosisOptions, 'poller' | 'pollerFd' | 'isRaw'> {
  /** Is told what begins and ends, too. */
  readonly blocked: Observer | null;
  /** Is told what the thread is in. */
  readonly stuck?: { readonly watch: StuckWatch; readonly name: string };
}

/** Different closures of one name are one taker; so many names are kept apart. */
const NAMES_MAX = 4096;

/** The handlers that the program gave to net/ are called by these; they run themselves, too. */
const isPrograms = (task: object): boolean =>
  typeof task === 'function' || task.constructor.name === 'Object' || task.constructor.name === 'Timer';

export class LiveObserver extends SilentObserver {
  private readonly blocked: Observer | null;
  private made: Diagnosis | null = null;
  private reactor: SeenReactor | null = null;
  /** The reactor's clock: of the native kernel it is this one, read in a cheaper way, and moved by a constant. */
  private clock: { now(): number } = performance;
  private offsetMs = 0;
  private readonly tasks = new Map<string, Taker>();
  readonly chains = new ChainCounter(() => this.now());
  private readonly drainTaker = new Taker('drain', 'drain', '', -1, false, false);

  constructor(
    private readonly options: LiveOptions,
    private readonly told: { opened(diagnosis: Diagnosis, touch: () => void): void; closed(): void },
  ) {
    super();
    this.blocked = options.blocked;
  }

  private get diagnosis(): Diagnosis {
    return this.made as Diagnosis;
  }
  private now(): number {
    return this.clock.now() + this.offsetMs;
  }

  /** Outside of the reactor's turns: brings the clock up to date. */
  readonly touch = (): void => this.diagnosis.setTime(this.now());

  /** The function that ran last under this name; null: none that is known. */
  subjectOf(kind: string, name: string): unknown {
    for (const taker of this.tasks.values())
      if (taker.kind === kind && taker.name === name) return taker.subject;
    return null;
  }

  override reactorOpened(reactor: ObservedReactor): void {
    const { kernel, poller } = reactor;
    this.reactor = reactor as SeenReactor;
    if (kernel.name === 'native') this.offsetMs = kernel.now() - performance.now();
    else this.clock = kernel;
    this.made = new Diagnosis({ ...this.options, poller: poller.kind, pollerFd: poller.fd, isRaw: false });
    this.made.begin(this.now());
    this.blocked?.reactorOpened(reactor);
    this.told.opened(this.made, this.touch);
  }
  override reactorClosed(): void {
    this.touch();
    this.diagnosis.finish();
    unwatchWrites(this.netWrite);
    this.blocked?.reactorClosed();
    this.told.closed();
  }

  override turnBegin(turn: number, nowMs: number): void {
    this.diagnosis.setTime(nowMs);
    this.diagnosis.turnBegin(turn);
    this.blocked?.turnBegin(turn, nowMs);
  }
  override turnEnd(turn: number): void {
    this.diagnosis.turnEnd();
    this.blocked?.turnEnd(turn);
  }
  override waitBegin(timeoutMs: number, reason: TimeoutReason): void {
    let queued = 0;
    for (const queue of (this.reactor as SeenReactor).queues) queued += queue.length;
    this.diagnosis.waitBegin(timeoutMs, reason, queued);
    this.blocked?.waitBegin(timeoutMs, reason);
  }
  override waitEnd(events: number): void {
    this.blocked?.waitEnd(events);
    this.touch();
    this.diagnosis.waitEnd(events);
  }
  override readiness(_fd: number, readiness: number, slot: number, generation: number): void {
    this.diagnosis.readiness(readiness, slot, generation);
  }
  override batch(_timers: number, _ready: number, posted: number, deferred: number, closed: number): void {
    this.diagnosis.batch(Math.max(posted, deferred, closed));
  }
  override stale(slot: number, generation: number, readiness: number): void {
    this.diagnosis.stale(slot, generation, readiness);
  }

  override itemBegin(kind: ItemKind, item: Task | Timer, fd: number, readiness: number): void {
    const { diagnosis } = this;
    const { scene } = diagnosis;
    if (kind === 'readiness') {
      const registration = scene.byFd.get(fd) ?? null;
      const taker = registration?.taker ?? this.taskTaker(kind, item);
      diagnosis.itemBegin(kind, taker, registration, readiness, scene.waitEndMs);
      this.began(taker);
      this.blocked?.itemBegin(kind, item, fd, readiness);
      return;
    }
    const taker = this.taskTaker(kind, item);
    // A timer that was due when the turn began runs when the wait is over: from then on it is late.
    const dueMs = kind === 'timer' ? (item as Timer).deadlineMs : scene.waitEndMs;
    diagnosis.itemBegin(kind, taker, null, 0, dueMs);
    this.began(taker);
    this.blocked?.itemBegin(kind, item, fd, readiness);
  }
  override itemEnd(kind: ItemKind, item: Task | Timer): void {
    this.blocked?.itemEnd(kind, item);
    this.ended();
  }
  override drainBegin(): void {
    this.touch(); // Node's own loop may have had its pass in between
    this.diagnosis.itemBegin('drain', this.drainTaker, null, 0, this.diagnosis.scene.nowMs);
    this.began(this.drainTaker);
    this.chains.begin();
    this.blocked?.drainBegin();
  }
  override drainEnd(): void {
    this.blocked?.drainEnd();
    this.chains.end();
    this.ended();
  }

  private began(taker: Taker): void {
    const { stuck } = this.options;
    stuck?.watch.begin(taker, stuck.name, this.diagnosis.scene.poller);
  }
  private ended(): void {
    this.options.stuck?.watch.end();
    this.touch();
    this.diagnosis.itemEnd();
  }

  override interest(
    change: InterestChange,
    fd: number,
    interest: number,
    slot: number,
    generation: number,
  ): void {
    if (change !== 'add') {
      this.diagnosis.changed(change, interest, slot, generation);
      return;
    }
    const { registry } = this.reactor as SeenReactor;
    const source = registry.source(slot) as Source;
    const name = source.constructor.name;
    const isHosts = name === 'HostSource';
    const isRaw = name === 'Watch';
    const taker = new Taker(
      `fd ${fd} ${slot}/${generation}`,
      'readiness',
      itemName(source),
      fd,
      isHosts,
      isRaw,
    );
    taker.subject = isHosts ? null : source;
    this.diagnosis.added(fd, interest, slot, generation, {
      trigger: registry.trigger(slot),
      isRaw,
      taker,
      source,
    });
    if (!isHosts && !isRaw) watchWrites(source, this.netWrite);
  }

  override call(name: string, _args: readonly unknown[], result: unknown, fd: number): void {
    if (typeof result === 'number') this.diagnosis.call(name, fd, result);
    if (name === 'close') this.diagnosis.closing(fd);
  }

  /** The registration of this reactor's that a connection is behind, told by watchWrites() for all reactors. */
  private readonly netWrite = (
    connection: { fd: number },
    given: number,
    taken: number,
    before: number,
  ): void => {
    const registration: Registration | undefined = this.diagnosis.scene.byFd.get(connection.fd);
    if (registration?.source !== connection) return;
    this.touch();
    this.diagnosis.netWrite(connection, connection.fd, given, taken, before);
  };

  private taskTaker(kind: ItemKind, item: Task | Timer): Taker {
    const name = itemName(item);
    const key = `${kind} ${name}`;
    let taker = this.tasks.get(key);
    if (taker === undefined) {
      const programs = isPrograms(item);
      taker = new Taker(key, kind, name, -1, false, programs);
      if (this.tasks.size < NAMES_MAX) this.tasks.set(key, taker);
    }
    // A timer forgets its callback when it runs.
    taker.subject = kind === 'timer' ? ((item as Partial<Timer>).handlerFor?.() ?? null) : item;
    return taker;
  }
}
