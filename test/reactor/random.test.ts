// Random programs on the scripted kernel, against a model of the turn written here: no call lost, doubled, stale or out of
// order, whatever is registered, paused, closed, reused, timed, cancelled and queued from wherever, handlers included.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EDGE, ONESHOT } from '../../src/poller/poller.js';
import {
  ALWAYS_REPORTED,
  NONE,
  READABLE,
  READ_CLOSED,
  Reactor,
  SilentObserver,
  WRITABLE,
} from '../../src/index.js';
import type { KernelPoller, Timer, Trigger, Watch } from '../../src/index.js';
import { ScriptedKernel } from '../../src/testing.js';

// ---- What a program consists of --------------------------------------------------------------------------------------

type Command =
  | { kind: 'open'; interest: number; trigger: Trigger }
  | { kind: 'interest'; index: number; interest: number }
  | { kind: 'timers'; delayMs: number; count: number }
  | { kind: 'feedLater'; index: number; delayMs: number }
  | { kind: 'advance'; delayMs: number }
  | { kind: 'post' | 'defer' | 'closing' | 'throw' }
  | { kind: 'cancel' | 'refTimer' | 'unrefTimer'; index: number }
  | {
      kind:
        | 'close' // the watch
        | 'replace' // the watch and its fd; the number is taken and watched again at once
        | 'rewatch' // the watch; its fd is watched again at once
        | 'feed'
        | 'drain'
        | 'clog'
        | 'unclog'
        | 'peerShutdown'
        | 'peerClose'
        | 'ref'
        | 'unref';
      index: number;
    };

type Step =
  | { kind: 'command'; command: Command }
  | { kind: 'turn'; maxWaitMs: number }
  /** As a stepper does: dispatchNext(), and between two items something happens. */
  | { kind: 'stepped'; maxWaitMs: number; between: Command[] };

interface Script {
  steps: Step[];
  /** What the first, second, ... call of a handler does. Later ones do nothing. */
  reactions: Command[][];
  eventsMax: number;
  observed: boolean;
}

const index = fc.nat(30);
const delayMs = fc.nat(12).map((n) => n / 4); // few values: equal deadlines are the rule
const interest = fc.constantFrom(READABLE, READABLE, WRITABLE, READABLE | WRITABLE, NONE);
const trigger = fc.constantFrom<Trigger>('level', 'level', 'edge', 'oneshot', 'edge-oneshot');
const kind = <K extends string>(...kinds: K[]): fc.Arbitrary<K> => fc.constantFrom(...kinds);

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: kind('open'), interest, trigger }) },
  { weight: 5, arbitrary: fc.record({ kind: kind('interest'), index, interest }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: kind('timers'), delayMs, count: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: kind('feedLater'), index, delayMs }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('advance'), delayMs }) },
  { weight: 4, arbitrary: fc.record({ kind: kind('post', 'defer', 'closing', 'throw') }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: kind('cancel', 'cancel', 'cancel', 'refTimer', 'unrefTimer'), index }),
  },
  {
    weight: 14,
    arbitrary: fc.record({
      kind: kind(
        'feed',
        'feed',
        'feed',
        'drain',
        'close',
        'replace',
        'rewatch',
        'clog',
        'unclog',
        'peerShutdown',
        'peerClose',
        'ref',
        'unref',
      ),
      index,
    }),
  },
);
const maxWaitMs = fc.constantFrom(0, 0.25, 3);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: kind('command'), command }) },
  { weight: 3, arbitrary: fc.record({ kind: kind('turn'), maxWaitMs }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: kind('stepped'), maxWaitMs, between: fc.array(command, { maxLength: 6 }) }),
  },
);
const script: fc.Arbitrary<Script> = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 80, size: 'max' }),
  reactions: fc.array(fc.array(command, { maxLength: 4 }), { maxLength: 60, size: 'max' }),
  eventsMax: fc.constantFrom(1, 2, 3, 512, 512),
  observed: fc.boolean(),
});

// ---- The model -------------------------------------------------------------------------------------------------------

/** A watch as the specification sees it. */
interface ModelWatch {
  readonly id: string;
  readonly fd: number;
  readonly peer: number;
  readonly edge: boolean;
  readonly oneshot: boolean;
  peerOpen: boolean;
  live: boolean;
  interest: number;
  referenced: boolean;
  /** Oneshot: not reported since it was set. */
  armed: boolean;
  /** Edge: something came since it was reported, or it was set since. */
  fresh: boolean;
  real: Watch;
}

interface ModelTimer {
  readonly id: string;
  readonly deadlineMs: number;
  state: 'waiting' | 'due' | 'over';
  referenced: boolean;
  real: Timer;
}

type Item =
  | { kind: 'timer'; timer: ModelTimer }
  | { kind: 'readiness'; watch: ModelWatch; reported: number }
  | { kind: 'posted' | 'deferred' | 'closed'; id: string };

/** What happened over all programs: a test whose programs never meet a hard case would prove nothing. */
const met = {
  calls: 0,
  stale: 0,
  cancelledInBatch: 0,
  masked: 0,
  throws: 0,
  reusedInBatch: 0,
  full: 0,
  nested: 0,
};

const WATCHES_MAX = 12;

class World {
  private readonly kernel = new ScriptedKernel();
  private readonly reactor: Reactor;
  private readonly probe: KernelPoller;
  private watches: ModelWatch[] = [];
  private readonly timers: ModelTimer[] = [];
  private readonly queues = { posted: [] as string[], deferred: [] as string[], closed: [] as string[] };
  private batch: Item[] = [];
  private nextId = 0;
  private callNumber = 0;
  private actions = 0;
  private inHandler = false;
  /** The one call that is expected now. */
  private expected: string | null = null;
  private thrown: Error | null = null;
  private stales = 0;
  private waits: { timeoutMs: number; events: number[][] }[] = [];
  private readonly tokenByFd = new Map<number, string>();
  private readonly pairs = new Set<number>();

  constructor(private readonly script: Script) {
    const kernel = this.kernel;
    const observer = new SilentObserver();
    observer.stale = () => void this.stales++;
    this.reactor = new Reactor({
      kernel,
      eventsMax: script.eventsMax,
      onError: (error) => {
        expect(error).toBe(this.thrown);
        this.thrown = null;
      },
      ...(script.observed ? { observer } : {}),
    });
    this.probe = kernel.openPoller('scripted') as KernelPoller;
    // The model's own view of the kernel: which token an fd has, and what each wait has reported.
    kernel.onCall(({ name, args, result, poller }) => {
      if (poller !== this.reactor.poller) return;
      if (name === 'add' || name === 'modify') this.tokenByFd.set(args[0] as number, args.slice(2).join());
      if (name !== 'wait') return;
      const array = args[0] as Int32Array;
      const events = Array.from({ length: result as number }, (_, i) => [
        ...array.subarray(i * 3, i * 3 + 3),
      ]);
      this.waits.push({ timeoutMs: args[1] as number, events });
    });
  }

  run(): void {
    for (const step of this.script.steps) {
      if (step.kind === 'command') {
        this.execute(step.command);
      } else {
        const between = step.kind === 'stepped' ? [...step.between] : [];
        this.collect(step.maxWaitMs);
        while (this.dispatchNext()) {
          const command = between.shift();
          if (command !== undefined) this.execute(command);
        }
      }
      if (this.batch.length === 0) expect(this.reactor.alive).toBe(this.alive());
    }
    this.finish();
  }

  /** Whatever is still queued runs; whatever is closed leaves nothing behind. */
  private finish(): void {
    for (let turn = 0; turn < 400 && this.queued() > 0; turn++) {
      this.collect(0);
      while (this.dispatchNext());
    }
    expect(this.queued()).toBe(0);
    for (const watch of this.watches) this.close(watch);
    for (const timer of this.timers) timer.real.cancel();
    expect(this.reactor.alive).toBe(false);
    for (const fd of this.pairs) expect(this.kernel.interestOf(this.reactor.poller, fd)).toBeUndefined();
    this.reactor.close();
    this.probe.close();
    expect(new Set(this.kernel.openFds())).toEqual(this.pairs);
  }

  // -- The turn, as specified

  private collect(maxWaitMs: number): void {
    const nowMs = this.kernel.now();
    const due = this.timers.filter(({ state, deadlineMs }) => state === 'waiting' && deadlineMs <= nowMs);
    due.sort((a, b) => a.deadlineMs - b.deadlineMs); // stable: equal deadlines stay in creation order
    for (const timer of due) timer.state = 'due';
    const nearestMs = Math.min(
      ...this.timers.filter(({ state }) => state === 'waiting').map((t) => t.deadlineMs),
    );
    const ownMs = due.length + this.queued() > 0 ? 0 : Math.max(nearestMs - nowMs, 0);

    this.waits = [];
    this.reactor.collect(maxWaitMs);
    expect(this.waits.map(({ timeoutMs }) => timeoutMs)).toEqual([Math.min(ownMs, maxWaitMs)]);
    this.batch = due.map((timer) => ({ kind: 'timer', timer }));
    this.batch.push(...this.readinesses(this.waits[0]!.events));
    for (const queue of ['posted', 'deferred', 'closed'] as const) {
      this.batch.push(...this.queues[queue].splice(0).map((id) => ({ kind: queue, id })));
    }
  }

  /** Holds what the kernel reported to the reactor against what a fresh poller says is so, and names the watches. */
  private readinesses(events: number[][]): Item[] {
    const inSet = this.watches.filter((watch) => watch.live && watch.interest !== NONE);
    const truth = new Map<ModelWatch, number>();
    inSet.forEach((watch, i) => expect(this.probe.add(watch.fd, watch.interest, i, 1)).toBe(0));
    const found = new Int32Array(3 * (inSet.length + 1));
    const count = this.probe.wait(found, 0);
    for (let i = 0; i < count; i++) truth.set(inSet[found[i * 3]!]!, found[i * 3 + 2]!);
    for (const { fd } of inSet) this.probe.remove(fd);

    const byToken = new Map(inSet.map((watch) => [this.tokenByFd.get(watch.fd), watch]));
    expect(byToken.size).toBe(inSet.length);
    const items = events.map(([slot, generation, reported]): Item => {
      const watch = byToken.get(`${String(slot)},${String(generation)}`);
      if (watch === undefined) throw new Error('the kernel holds a registration that was taken out');
      expect(reported, `${watch.id} as it is`).toBe(truth.get(watch));
      if (watch.oneshot) expect(watch.armed, `${watch.id} is armed`).toBe(true);
      watch.armed = false;
      watch.fresh = false;
      return { kind: 'readiness', watch, reported: reported! };
    });
    const reported = new Set(items.map((item) => item.kind === 'readiness' && item.watch));
    expect(reported.size).toBe(items.length);
    if (items.length === this.script.eventsMax) {
      met.full++;
      return items;
    }
    // There was room for all: who is missing must have a reason.
    for (const [watch] of truth) {
      const silent = (watch.oneshot && !watch.armed) || (watch.edge && !watch.fresh);
      if (!reported.has(watch) && !silent) throw new Error(`${watch.id} is ready and was not reported`);
    }
    return items;
  }

  private dispatchNext(): boolean {
    const item = this.batch.shift();
    let stale = 0;
    if (item !== undefined) {
      this.expected = this.predict(item);
      stale = item.kind === 'readiness' && this.expected === null ? 1 : 0;
    }
    this.stales = 0;
    expect(this.reactor.dispatchNext()).toBe(item !== undefined);
    expect(this.expected, 'a call that was due and never made').toBe(null);
    expect(this.thrown, 'an error that onError never got').toBe(null);
    if (this.script.observed) expect(this.stales).toBe(stale);
    met.stale += stale;
    return item !== undefined;
  }

  /** The call that this item must make now; null: none. */
  private predict(item: Item): string | null {
    if (item.kind === 'timer') {
      const cancelled = item.timer.state === 'over';
      item.timer.state = 'over';
      if (cancelled) met.cancelledInBatch++;
      return cancelled ? null : item.timer.id;
    }
    if (item.kind !== 'readiness') return item.id;
    const { watch, reported } = item;
    if (!watch.live) {
      if (this.watches.some(({ live, fd }) => live && fd === watch.fd)) met.reusedInBatch++;
      return null;
    }
    if (watch.interest === NONE) return null;
    const asked = watch.interest | ALWAYS_REPORTED | (watch.interest & READABLE ? READ_CLOSED : 0);
    if ((reported & asked) !== reported) met.masked++;
    return (reported & asked) === 0 ? null : `${watch.id} ${String(reported & asked)}`;
  }

  /** Every handler of the program comes here first. */
  private called(call: string): void {
    expect(call).toBe(this.expected);
    this.expected = null;
    met.calls++;
    this.inHandler = true;
    try {
      for (const command of this.script.reactions[this.callNumber++] ?? []) {
        met.nested++;
        this.execute(command);
        if (this.thrown !== null) throw this.thrown;
      }
    } finally {
      this.inHandler = false;
    }
  }

  private queued(): number {
    return this.queues.posted.length + this.queues.deferred.length + this.queues.closed.length;
  }

  private alive(): boolean {
    const referenced = this.watches.some((watch) => watch.live && watch.referenced);
    const pending = this.timers.some((timer) => timer.state === 'waiting' && timer.referenced);
    return referenced || pending || this.queued() > 0;
  }

  // -- Commands

  private execute(command: Command): void {
    const { kernel, reactor } = this;
    switch (command.kind) {
      case 'open':
        if (this.watches.filter(({ live }) => live).length < WATCHES_MAX) {
          this.watch(...this.pair(), command.interest, command.trigger);
        }
        return;
      case 'timers':
        for (let i = 0; i < command.count; i++) this.setTimer(command.delayMs);
        return;
      case 'post':
      case 'defer':
      case 'closing': {
        const queue = ({ post: 'posted', defer: 'deferred', closing: 'closed' } as const)[command.kind];
        const id = `${queue} ${String(this.nextId++)}`;
        const call = (): void => this.called(id);
        this.queues[queue].push(id);
        reactor[command.kind](this.nextId % 2 === 0 ? call : { run: call });
        return;
      }
      case 'throw':
        if (!this.inHandler) return;
        met.throws++;
        this.thrown = new Error('thrown on purpose');
        return;
      case 'advance':
        kernel.clock.advance(command.delayMs);
        return;
      case 'cancel':
      case 'refTimer':
      case 'unrefTimer': {
        const pending = this.timers.filter(({ state }) => state !== 'over');
        const due = pending.filter(({ state }) => state === 'due');
        const timer = this.target(command.index, due, pending);
        if (timer === undefined) return;
        if (command.kind === 'cancel') {
          timer.real.cancel();
          timer.state = 'over';
        } else {
          timer.referenced = command.kind === 'refTimer';
          if (timer.referenced) timer.real.ref();
          else timer.real.unref();
        }
        return;
      }
      default: {
        const behind = this.batch.flatMap((item) => (item.kind === 'readiness' ? [item.watch] : []));
        const live = behind.filter(({ live }) => live);
        const watch = this.target(command.index, live, this.watches);
        if (watch !== undefined) this.executeOn(watch, command);
      }
    }
  }

  /** Whom a command means: every other time somebody who stands behind in the batch, for there the hard cases are. */
  private target<T>(index: number, inBatch: T[], all: T[]): T | undefined {
    const choice = index % 2 === 0 && inBatch.length > 0 ? inBatch : all;
    return choice[(index >> 1) % Math.max(choice.length, 1)];
  }

  private setTimer(delayMs: number): void {
    const id = `timer ${String(this.nextId++)}`;
    const real = this.reactor.setTimer(delayMs, () => this.called(id));
    const deadlineMs = this.kernel.now() + delayMs;
    this.timers.push({ id, deadlineMs, state: 'waiting', referenced: true, real });
  }

  private executeOn(watch: ModelWatch, command: Command): void {
    const { kernel } = this;
    switch (command.kind) {
      case 'interest':
        watch.interest = command.interest;
        watch.real.interest = command.interest;
        watch.armed = watch.fresh = true;
        break;
      case 'close':
        this.close(watch);
        this.forget(watch);
        break;
      case 'rewatch':
        this.close(watch);
        this.watches = this.watches.filter((other) => other !== watch);
        this.watch(watch.fd, watch.peer, watch.interest, 'level', watch.peerOpen);
        break;
      case 'replace': {
        this.close(watch);
        this.forget(watch);
        const [fd, peer] = this.pair();
        expect(fd <= watch.fd, 'the lowest free number').toBe(true);
        this.watch(fd, peer, watch.interest === NONE ? READABLE : watch.interest, 'level');
        break;
      }
      case 'feed':
        this.feed(watch);
        break;
      case 'feedLater':
        // No two at the same time: a wait that a first one ends would leave the second undone.
        kernel.clock.after(command.delayMs + ++this.actions * 2 ** -30, () => {
          if (this.watches.includes(watch)) this.feed(watch);
        });
        break;
      case 'drain':
        while (kernel.recv(watch.fd, 0, 4096) > 0);
        break;
      case 'clog':
        while (kernel.send(watch.fd, 0, 65536) > 0);
        break;
      case 'unclog':
        if (watch.peerOpen) while (kernel.recv(watch.peer, 0, 65536) > 0);
        break;
      case 'peerShutdown':
        if (watch.peerOpen && kernel.shutdown(watch.peer, 1) === 0) watch.fresh = true;
        break;
      case 'peerClose':
        if (!watch.peerOpen) break;
        watch.peerOpen = false;
        watch.fresh = true;
        this.pairs.delete(watch.peer);
        expect(kernel.close(watch.peer)).toBe(0);
        break;
      case 'ref':
      case 'unref':
        watch.referenced = command.kind === 'ref';
        watch.real[command.kind]();
        break;
      default:
        throw new Error(command.kind);
    }
  }

  private feed(watch: ModelWatch): void {
    // Bytes are news, and so an edge, to those who asked to read.
    if (this.kernel.feed(watch.fd, Buffer.of(1)) > 0 && watch.interest & READABLE) watch.fresh = true;
  }

  private pair(): [number, number] {
    const ends = new Int32Array(2);
    expect(this.kernel.socketPair(ends)).toBe(0);
    this.pairs.add(ends[0]!).add(ends[1]!);
    return [ends[0]!, ends[1]!];
  }

  private watch(fd: number, peer: number, interest: number, trigger: Trigger, peerOpen = true): void {
    const id = `watch ${String(this.nextId++)} of fd ${String(fd)}`;
    const handler = (readiness: number, given: Watch): void => {
      expect(given).toBe(watch.real);
      this.called(`${id} ${String(readiness)}`);
    };
    const real = this.reactor.watch(fd, interest, handler, { trigger });
    const flags = { level: 0, edge: EDGE, oneshot: ONESHOT, 'edge-oneshot': EDGE | ONESHOT }[trigger];
    const watch: ModelWatch = {
      id,
      fd,
      peer,
      peerOpen,
      interest,
      real,
      edge: (flags & EDGE) !== 0,
      oneshot: (flags & ONESHOT) !== 0,
      live: true,
      referenced: true,
      armed: true,
      fresh: true,
    };
    this.watches.push(watch);
  }

  private close(watch: ModelWatch): void {
    watch.live = false;
    watch.real.close();
    expect(watch.real.closed).toBe(true);
  }

  /** Closes the descriptors of a closed watch. Its number is free for the next pair. */
  private forget(watch: ModelWatch): void {
    this.watches = this.watches.filter((other) => other !== watch);
    for (const fd of watch.peerOpen ? [watch.fd, watch.peer] : [watch.fd]) {
      this.pairs.delete(fd);
      expect(this.kernel.close(fd)).toBe(0);
    }
  }
}

// ---- The property ----------------------------------------------------------------------------------------------------

test('random programs: every call is made once, in the order specified, and to nobody who has withdrawn', () => {
  fc.assert(
    fc.property(script, (one) => {
      new World(one).run();
    }),
    { numRuns: 600 },
  );
  // The programs were worth it: each hard case was met dozens of times at the least.
  for (const [what, times] of Object.entries(met)) expect(times, what).toBeGreaterThan(25);
});
