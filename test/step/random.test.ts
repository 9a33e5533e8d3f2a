// Random programs, run freely and item by item: stepping is no second loop, so both make the same calls in the same order.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { READABLE, Reactor } from '../../src/index.js';
import type { Observer, Step, Stepper, Timer, Watch } from '../../src/index.js';
import { SilentObserver } from '../../src/index.js';
import { Conductor } from '../../src/step/conductor.js';
import { encode, type Message } from '../../src/step/protocol.js';
import { Puppet, type Stage } from '../../src/step/puppet.js';
import { ScriptedKernel } from '../../src/testing.js';

const PROGRAMS = 1000; // as the name of the test says, which docs/turn.md quotes
const WATCHES = 3;

type Action =
  | { kind: 'timer'; delayMs: number; then: Action[] }
  | { kind: 'post' | 'defer' | 'closing'; then: Action[] }
  | { kind: 'feed' | 'feedLater' | 'close' | 'park' | 'unpark'; index: number }
  | { kind: 'cancel' | 'throw' };

const index = fc.nat(WATCHES - 1);
const { actions } = fc.letrec<{ actions: Action[]; action: Action }>((tie) => ({
  action: fc.oneof(
    { maxDepth: 3 },
    fc.record({ kind: fc.constantFrom('feed', 'feed', 'feedLater', 'close', 'park', 'unpark'), index }),
    fc.record({ kind: fc.constantFrom('cancel', 'throw') }),
    fc.record({
      kind: fc.constant('timer' as const),
      delayMs: fc.nat(4).map((n) => n / 2),
      then: tie('actions'),
    }),
    fc.record({ kind: fc.constantFrom('post', 'defer', 'closing'), then: tie('actions') }),
  ) as fc.Arbitrary<Action>,
  actions: fc.array(tie('action'), { maxLength: 7 }) as fc.Arbitrary<Action[]>,
}));

/** One run of a program: what its handlers saw, and every system call with its result. */
class Run {
  readonly log: string[] = [];
  readonly kernel = new ScriptedKernel();
  readonly reactor: Reactor;
  private readonly watches: { watch: Watch; near: number }[] = [];
  private readonly timers: Timer[] = [];
  private nextId = 0;

  constructor(observer?: Observer, stepper?: Stepper) {
    const { kernel } = this;
    kernel.onCall(({ name, args, result }) => {
      if (name !== 'openPoller') this.log.push(`${name} ${String(args[0])} ${JSON.stringify(result)}`);
    });
    const onError = (error: unknown): void => void this.log.push(`threw ${String(error)}`);
    this.reactor = new Reactor({
      kernel,
      onError,
      ...(observer && { observer }),
      ...(stepper && { stepper }),
    });
    for (let i = 0; i < WATCHES; i++) {
      const ends = new Int32Array(2);
      kernel.socketPair(ends);
      const near = ends[0]!;
      const watch = this.reactor.watch(near, READABLE, (readiness) => {
        this.log.push(`watch ${String(i)} ${String(readiness)} at ${String(this.reactor.now())}`);
        while (kernel.recv(near, 0, 64) > 0);
      });
      watch.unref();
      this.watches.push({ watch, near });
    }
  }

  perform(actions: Action[]): void {
    for (const action of actions) this.act(action);
  }

  private act(action: Action): void {
    const { reactor, kernel } = this;
    switch (action.kind) {
      case 'timer':
        this.timers.push(reactor.setTimer(action.delayMs, this.handler('timer', action.then)));
        return;
      case 'post':
      case 'defer':
      case 'closing':
        reactor[action.kind](this.handler(action.kind, action.then));
        return;
      case 'cancel':
        this.timers.pop()?.cancel();
        return;
      case 'throw':
        if (reactor.dispatching) throw new Error(`of action ${String(this.nextId++)}`);
        return;
      default:
    }
    const { watch, near } = this.watches[action.index]!;
    if (action.kind === 'feed') kernel.feed(near, Buffer.from('x'));
    else if (action.kind === 'feedLater') kernel.clock.after(1, () => kernel.feed(near, Buffer.from('x')));
    else if (action.kind === 'close') watch.close();
    else if (!watch.closed) watch.interest = action.kind === 'park' ? 0 : READABLE;
  }

  private handler(kind: string, then: Action[]): () => void {
    const id = this.nextId++;
    return () => {
      this.log.push(`${kind} ${String(id)} at ${String(this.reactor.now())}`);
      this.perform(then);
    };
  }
}

/** Notes which items began, in the words of {@link Step}. */
class Items extends SilentObserver {
  readonly seen: unknown[] = [];
  override itemBegin(...[kind, task, fd, readiness]: Parameters<Observer['itemBegin']>): void {
    this.seen.push([kind, task, fd, kind === 'readiness' ? readiness : 0]);
  }
}

/** What a controller is to one reactor, within this process: it asks for one item at each hold. */
class Stepping implements Stage {
  holds = 0;
  readonly conductor = new Conductor((message) => this.tell(message));
  readonly sources = { find: () => null };
  readonly congested = false;
  tell(message: Message): void {
    if (message.type !== 'held') return;
    this.holds++;
    // Everything told can go over the wire.
    if (this.holds % 50 === 0) expect(JSON.parse(encode(message))).toBeTruthy();
    queueMicrotask(() => this.conductor.obey({ do: 'step', count: 1 }));
  }
  keepAlive(): void {}
  gone(): void {}
}

const described = ({ kind, task, fd, readiness }: Step): unknown[] => [kind, task, fd, readiness];

test('1000 random programs make the same calls in the same order freely, through steps(), through held run(), and stepped by a controller', async () => {
  const met = { items: 0, stale: 0, thrown: 0 };
  await fc.assert(
    fc.asyncProperty(actions, async (program) => {
      const free = new Run();
      free.perform(program);
      await free.reactor.run();

      const items = new Items();
      const stepped = new Run(items);
      stepped.perform(program);
      const steps: Step[] = [];
      let allSteps = 0;
      for await (const step of stepped.reactor.steps()) {
        allSteps++;
        if (step.stale) met.stale++;
        else steps.push(step);
      }
      expect(stepped.log).toEqual(free.log);
      // Each was told before it ran, as what it then was.
      expect(steps.map(described)).toEqual(items.seen);

      let holds = 0;
      const held = new Run(undefined, { hold: () => (holds++ % 2 === 0 ? Promise.resolve() : undefined) });
      held.perform(program);
      await held.reactor.run();
      expect(held.log).toEqual(free.log);

      // As the controller of a stepped program does it: held before every item, and let go for one.
      const puppet = new Puppet(new Stepping(), 1, false);
      const puppeted = new Run(puppet, puppet);
      puppeted.perform(program);
      await puppeted.reactor.run();
      expect(puppeted.log).toEqual(free.log);
      expect((puppet.stage as Stepping).holds).toBe(allSteps);

      met.items += steps.length;
      met.thrown += free.log.filter((line) => line.startsWith('threw')).length;
    }),
    { numRuns: PROGRAMS, seed: 1911 },
  );
  // Programs that do nothing would prove nothing.
  expect(met.items).toBeGreaterThan(PROGRAMS);
  expect(met.stale).toBeGreaterThan(20);
  expect(met.thrown).toBeGreaterThan(20);
});
