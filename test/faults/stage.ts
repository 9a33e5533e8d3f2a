// What a workload runs on: one reactor on a scripted kernel, the ends of its connections, and the invariants at the end.

import {
  Reactor,
  SystemError,
  UnderloopError,
  adopt,
  connect,
  copy,
  listen,
  pipe,
  socketPair,
} from '../../src/index.js';
import type {
  Connection,
  ConnectionHandlers,
  ConnectOptions,
  ListenOptions,
  Listener,
  ListenerHandlers,
  SocketAddress,
} from '../../src/index.js';
import { ScriptedKernel } from '../../src/testing.js';
import type { ScriptedKernelOptions } from '../../src/testing.js';
import { arm, isShort, nameOf } from './fault.js';
import type { Fault } from './fault.js';

export type Triggers = 'level' | 'edge';

/** After so long in virtual time the program closes everything itself: a fault that lasts may hold it up for ever. */
const PATIENCE_MS = 3000;
/** Turns, at most, between two moments of the clock, beyond one for each byte that a short transfer moves. */
const TURNS_PER_INSTANT_MAX = 400;
/** Then the program gives up: run() would have rejected the first time. */
const WAITS_FAILED_MAX = 20;
/** Calls in one turn: far more than any bound of a turn allows so few connections. */
const CALLS_PER_TURN_MAX = 20_000;

/** Bytes of the stream `id` at `from`: the first tells which stream it is, the others where they stand in it. */
export function streamBytes(id: number, from: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) {
    const at = from + i;
    bytes[i] = at === 0 ? id : (at * 31 + (at >>> 8) + id * 7) & 0xff;
  }
  return bytes;
}

/** One end of a connection, and what it was told. */
export class End {
  /** The stream that it writes; -1: not known yet. What it reads has the same number. */
  id = -1;
  /** Bytes taken by write(). */
  taken = 0;
  received = 0;
  readonly events: string[] = [];
  /** An error, a refusal or a close before its time. */
  told = false;
  closed = false;
  /** The fault has met one of its calls. */
  hit = false;
  fd = -1;

  constructor(
    readonly connection: Connection<End>,
    readonly side: 'client' | 'server',
  ) {
    this.fd = connection.fd;
  }

  /** Writes `length` more bytes of its stream, or as many as are taken. */
  write(length: number): number {
    if (!this.connection.writable) return 0;
    const taken = this.connection.write(streamBytes(this.id, this.taken, length));
    this.taken += taken;
    return taken;
  }
}

/** What a workload gives of handlers: it is called with the end. */
export interface Play {
  open?(end: End): void;
  data?(end: End, bytes: Buffer, buffer: Uint8Array, start: number): void;
  drain?(end: End): void;
  readClosed?(end: End): void;
  idle?(end: End): void;
  close?(end: End): void;
}

export class Stage {
  readonly kernel: ScriptedKernel;
  readonly reactor: Reactor;
  readonly ends: End[] = [];
  readonly listeners: Listener<End, SocketAddress>[] = [];
  /** What broke an invariant. */
  readonly violations: string[] = [];
  /** Errors that calls threw at once, which their docs allow. */
  readonly thrown: string[] = [];
  /** Descriptors of the program's own. */
  readonly own = new Set<number>();
  /** Errors that the program itself throws from handlers. */
  readonly expected: string[] = [];
  readonly counts = new Map<string, number>();
  /** Closes what the workload has beside connections and listeners. */
  readonly cleanups: (() => void)[] = [];
  /** Checks of the workload's own. */
  readonly atEnd: (() => void)[] = [];
  hits = 0;
  gaveUp = false;
  /** The wait fails for ever: the program closes the reactor and goes. */
  ended = false;
  private waitsFailed = 0;
  /** The workload closes and resets connections itself: bytes on their way may be lost without an error. */
  rough = false;
  private calls = 0;
  private uncaught: unknown[] = [];
  private refusals = 0;

  constructor(
    readonly trigger: Triggers,
    readonly fault: Fault | null,
    options: ScriptedKernelOptions = {},
  ) {
    this.kernel = new ScriptedKernel({ bufferBytes: 4096, ...options });
    this.kernel.onCall(({ name }) => {
      this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
      if (++this.calls > CALLS_PER_TURN_MAX)
        throw new Error(`more than ${String(CALLS_PER_TURN_MAX)} calls in one turn`);
    });
    if (fault !== null) {
      arm(
        this.kernel,
        () => this.reactor.poller,
        fault,
        (fd) => {
          this.hits++;
          for (const end of this.ends) if (!end.closed && end.fd === fd) end.hit = true;
        },
      );
    }
    this.reactor = new Reactor({ kernel: this.kernel, onError: (error) => this.uncaught.push(error) });
  }

  violate(text: string): void {
    if (this.violations.length < 5) this.violations.push(text);
  }

  /** A call whose docs say that it may throw coded errors at once. */
  attempt<T>(what: string, make: () => T): T | null {
    try {
      return make();
    } catch (error) {
      const coded = error instanceof SystemError || error instanceof UnderloopError;
      if (!coded) this.violate(`${what} threw ${String(error)}`);
      this.thrown.push(`${what} ${coded ? error.code : ''}`);
      return null;
    }
  }

  handlers(play: Play, side: End['side'], id = -1): ConnectionHandlers<End> {
    const of = (connection: Connection<End>, event: string): End => {
      let end = connection.context;
      if (end === undefined) {
        end = connection.context = new End(connection, side);
        end.id = id;
        this.ends.push(end);
      }
      if (end.closed) this.violate(`'${event}' after 'close'`);
      end.events.push(event);
      return end;
    };
    const handlers: ConnectionHandlers<End> = {
      open: (connection) => {
        const end = of(connection, 'open');
        if (end.fd < 0) end.fd = connection.fd;
        play.open?.(end);
      },
      data: (connection, buffer, start, stop) => {
        const end = of(connection, 'data');
        const bytes = copy(buffer, start, stop);
        if (end.id < 0) end.id = bytes[0] ?? -1;
        if (!bytes.equals(streamBytes(end.id, end.received, bytes.length))) {
          this.violate(
            `end ${String(end.id)} of the ${side} received other bytes than were sent, at ${String(end.received)}`,
          );
        }
        end.received += bytes.length;
        play.data?.(end, bytes, buffer, start);
      },
      drain: (connection) => play.drain?.(of(connection, 'drain')),
      error: (connection) => {
        of(connection, 'error').told = true;
      },
      close: (connection, error) => {
        const end = of(connection, 'close');
        if ((error !== null) !== end.told) this.violate('close and error do not agree');
        end.closed = true;
        play.close?.(end);
      },
    };
    const { readClosed, idle } = play;
    if (readClosed !== undefined)
      handlers.readClosed = (connection) => readClosed(of(connection, 'readClosed'));
    if (idle !== undefined) handlers.idle = (connection) => idle(of(connection, 'idle'));
    return handlers;
  }

  listen(play: Play, options: ListenOptions = {}): Listener<End, SocketAddress> | null {
    const handlers: ListenerHandlers<End> = {
      ...this.handlers(play, 'server'),
      acceptError: () => void this.refusals++,
    };
    const listener = this.attempt('listen', () =>
      listen<End>(this.reactor, { trigger: this.trigger, ...options }, handlers),
    ) as Listener<End, SocketAddress> | null;
    if (listener !== null) this.listeners.push(listener);
    return listener;
  }

  connect(id: number, play: Play, options: ConnectOptions): End | null {
    const connection = this.attempt('connect', () =>
      connect<End>(this.reactor, { trigger: this.trigger, ...options }, this.handlers(play, 'client', id)),
    );
    return connection === null ? null : this.made(connection, 'client', id);
  }

  adopt(fd: number, id: number, side: End['side'], play: Play): End | null {
    const connection = this.attempt('adopt', () =>
      adopt<End>(this.reactor, fd, this.handlers(play, side, id), { trigger: this.trigger }),
    );
    return connection === null ? null : this.made(connection, side, id);
  }

  /** Two ends that write to one another, or the first from the second. */
  both(make: 'pipe' | 'socketPair', id: number, first: Play, second: Play, options = {}): [End, End] | null {
    const handlers = [this.handlers(first, 'server', id), this.handlers(second, 'client', id)] as const;
    const all = { trigger: this.trigger, ...options };
    const made = this.attempt(make, () => {
      if (make === 'socketPair') return socketPair<End>(this.reactor, ...handlers, all);
      const { reader, writer } = pipe<End>(this.reactor, ...handlers, all);
      return [reader, writer] as const;
    });
    return made === null ? null : [this.made(made[0], 'server', id), this.made(made[1], 'client', id)];
  }

  private made(connection: Connection<End>, side: End['side'], id: number): End {
    const end = (connection.context ??= new End(connection, side));
    end.id = id;
    if (!this.ends.includes(end)) this.ends.push(end);
    // The fault may have met connect() itself, before anybody had its descriptor.
    if (connection.closed) end.hit = true;
    return end;
  }

  after(ms: number, call: () => void): void {
    this.reactor.setTimer(ms, call);
  }

  /** Turns until nothing keeps the reactor alive; the program loses its patience once, and then closes everything. */
  run(): void {
    const { clock } = this.kernel;
    const transfer = this.fault !== null && isShort(this.fault);
    let instantMs = -1;
    let turns = 0;
    for (let all = 0; this.reactor.alive && !this.ended; all++) {
      if (clock.now() > instantMs) {
        instantMs = clock.now();
        turns = 0;
      }
      const most = TURNS_PER_INSTANT_MAX + (transfer ? 2 * this.bytes : 0);
      if (++turns > most && !this.gaveUp) {
        this.violate(`spins: more than ${String(most)} turns at ${String(instantMs)} ms`);
        this.giveUp();
      }
      if (turns > 2 * most || all > 100_000) {
        this.violate('run() does not end after everything was closed');
        return;
      }
      if (clock.now() > PATIENCE_MS && !this.gaveUp) this.giveUp();
      this.turn(PATIENCE_MS);
    }
    // Timers that keep nobody waiting, such as a listener's rest, are over soon.
    for (let i = 0; i < 300 && this.reactor.timers.size > 0; i++) this.turn(100);
  }

  private get bytes(): number {
    return this.ends.reduce((sum, { taken }) => sum + taken, 1000);
  }

  private turn(maxWaitMs: number): void {
    this.calls = 0;
    try {
      this.reactor.turn(maxWaitMs);
    } catch (error) {
      // Documented (rule 2.9): a wait that fails is thrown, and loses nothing. This program tries again a little later.
      if (this.fault?.call !== 'wait' || !(error instanceof SystemError)) {
        this.violate(`turn() threw ${String(error)}`);
        this.giveUp();
      }
      while (this.reactor.dispatchNext()); // the timers that were due
      this.kernel.clock.advance(1);
      if (++this.waitsFailed > WAITS_FAILED_MAX) this.gaveUp = this.ended = true;
    }
  }

  giveUp(): void {
    this.gaveUp = true;
    for (const listener of this.listeners) listener.close();
    for (const { connection } of this.ends) connection.close();
    for (const cleanup of this.cleanups) cleanup();
  }

  /** Holds the invariants against what has happened. */
  check(): void {
    const { reactor, kernel } = this;
    for (const error of this.uncaught) {
      const text = error instanceof Error ? error.message : String(error);
      if (!this.expected.includes(text)) this.violate(`to onError: ${text}`);
    }
    if (this.ended) {
      this.reactor.close();
      for (const fd of this.own) kernel.close(fd);
      if (kernel.openFds().length > 0) this.violate(`descriptors are left: ${kernel.openFds().join(', ')}`);
      return;
    }
    for (const end of this.ends) {
      const what = `${end.side} ${String(end.id)}`;
      if (!end.closed && !(end.events.length === 0 && !end.connection.closed))
        this.violate(`${what} was never told its close: ${end.events.join(', ')}`);
      if (end.events.filter((event) => event === 'open').length > 1) this.violate(`${what} opened twice`);
      if (end.connection.fd !== -1) this.violate(`${what} is not closed`);
    }
    for (const check of this.atEnd) check();
    this.checkLosses();
    // The wait that fails for ever is the program's to end: run() has rejected, and it closes the reactor.
    const { size } = reactor.registry;
    if (size !== 0) this.violate(`${String(size)} registrations are left`);
    const timers = reactor.timers.size;
    if (timers !== 0) this.violate(`${String(timers)} timers are left`);
    reactor.close();
    for (const fd of this.own) kernel.close(fd);
    const open = kernel.openFds();
    if (open.length > 0) this.violate(`descriptors are left: ${open.join(', ')}`);
  }

  /** No byte that write() took is lost unless somebody was told: the writer; or the reader, whose own call has failed. */
  private checkLosses(): void {
    for (const end of this.ends) {
      const others = this.ends.filter(({ id, side }) => id === end.id && side !== end.side);
      const received = others.reduce((sum, other) => sum + other.received, 0);
      if (received > end.taken) this.violate(`stream ${String(end.id)}: more was received than written`);
      if (received >= end.taken || end.told || this.gaveUp || this.rough) continue;
      // Documented: to the master of a terminal EIO is the end (pty(7)), and pipes are read in the same way.
      if (this.fault?.call === 'read' && this.fault.error === 'EIO') continue;
      if (others.some((other) => other.hit && other.told)) continue;
      // Turned away by the listener, or closed unaccepted with it: its counters and acceptError tell that, and the client
      // sees its end before any answer.
      const refused = this.listeners.some((listener) => listener.counters().refused > 0) || this.refusals > 0;
      if (others.length === 0 && refused && end.closed) continue;
      this.violate(
        `stream ${String(end.id)} of the ${end.side} lost ${String(end.taken - received)} of ${String(end.taken)} bytes, and nobody was told`,
      );
    }
  }

  describe(): string {
    return `${this.fault === null ? 'no fault' : nameOf(this.fault)} (${this.trigger}): ${this.violations.join('; ')}`;
  }
}
