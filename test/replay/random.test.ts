// Random programs on the scripted kernel, recorded and replayed in one process: the replay has no kernel at all, and does the same;
// and a program that does something else is found out exactly when it does.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Reactor, socketPair } from '../../src/index.js';
import type { Connection, Kernel, Observer, Timer } from '../../src/index.js';
import { Blocks } from '../../src/replay/blocks.js';
import { BLOCK_HEADER_BYTES, CHECKSUM_BYTES, type Facts } from '../../src/replay/format.js';
import { RecordTape } from '../../src/replay/record-tape.js';
import { ReplayTape, type Difference } from '../../src/replay/replay-tape.js';
import type { AnyTape } from '../../src/replay/taped-call.js';
import { tapedKernel } from '../../src/replay/taped-kernel.js';
import { Reactors } from '../../src/replay/taped-observer.js';
import { ScriptedKernel } from '../../src/testing.js';

const PAIRS = 2;
const TURNS_MAX = 200;

type Action =
  | { kind: 'timer'; delayMs: number; then: Action[] }
  | { kind: 'post' | 'defer' | 'closing'; then: Action[] }
  | { kind: 'write'; index: number; bytes: number }
  | { kind: 'end' | 'close' | 'pause' | 'resume'; index: number }
  | { kind: 'cancel' | 'throw' };

const index = fc.nat(PAIRS - 1);
const { actions } = fc.letrec<{ actions: Action[]; action: Action }>((tie) => ({
  action: fc.oneof(
    { maxDepth: 3 },
    fc.record({ kind: fc.constant('write' as const), index, bytes: fc.integer({ min: 1, max: 30_000 }) }),
    fc.record({ kind: fc.constantFrom('end' as const, 'close', 'pause', 'resume'), index }),
    fc.record({ kind: fc.constantFrom('cancel' as const, 'throw') }),
    fc.record({
      kind: fc.constant('timer' as const),
      delayMs: fc.nat(4).map((n) => n / 2),
      then: tie('actions'),
    }),
    fc.record({ kind: fc.constantFrom('post' as const, 'defer', 'closing'), then: tie('actions') }),
  ) as fc.Arbitrary<Action>,
  actions: fc.array(tie('action'), { maxLength: 6 }) as fc.Arbitrary<Action[]>,
}));

/** One run of a program: what its handlers saw, and whether somebody stopped it. */
class Run {
  readonly log: string[] = [];
  readonly reactor: Reactor;
  private readonly ends: Connection[] = [];
  private readonly timers: Timer[] = [];

  constructor(kernel: Kernel, observer: Observer) {
    this.reactor = new Reactor({
      kernel,
      observer,
      onError: (error) => void this.log.push(`threw ${String(error)}`),
    });
    for (let i = 0; i < PAIRS; i++) {
      const note = (end: string) => ({
        data: (_connection: Connection, bytes: Uint8Array, start: number, stop: number) =>
          void this.log.push(
            `${end} ${String(i)} read ${String(stop - start)} first ${String(bytes[start])}`,
          ),
        drain: () => void this.log.push(`${end} ${String(i)} drained`),
        close: (_connection: Connection, error: Error | null) =>
          void this.log.push(`${end} ${String(i)} closed ${String(error)}`),
      });
      const [near] = socketPair(this.reactor, note('near'), {
        ...note('far'),
        data: (connection, bytes, start, stop) => {
          this.log.push(`far ${String(i)} read ${String(stop - start)}`);
          if (stop - start < 500 && connection.writable) connection.write(bytes, start, stop);
        },
      });
      this.ends.push(near);
    }
  }

  perform(program: readonly Action[]): void {
    for (const action of program) this.act(action);
  }

  private act(action: Action): void {
    const { reactor, ends, timers } = this;
    switch (action.kind) {
      case 'timer':
        timers.push(reactor.setTimer(action.delayMs, () => this.perform(action.then)));
        return;
      case 'post':
      case 'defer':
      case 'closing':
        reactor[action.kind](() => this.perform(action.then));
        return;
      case 'cancel':
        timers.pop()?.cancel();
        return;
      case 'throw':
        if (reactor.dispatching) throw new Error('of the program');
        return;
      case 'write': {
        const end = ends[action.index]!;
        if (end.writable)
          this.log.push(`took ${String(end.write(new Uint8Array(action.bytes).fill(action.bytes)))}`);
        return;
      }
      default:
        ends[action.index]![action.kind]();
    }
  }

  /** Until nothing is left to do but to wait for ever. */
  finish(stopped: () => boolean): void {
    const { reactor } = this;
    for (let turns = 0; turns < TURNS_MAX && !stopped(); turns++) {
      if (reactor.nextDelayMs === Infinity && turns > 3) return;
      reactor.turn(1);
    }
  }
}

const facts: Facts = {
  script: '',
  args: [],
  cwd: '',
  environment: {},
  imports: [],
  scriptHash: '',
  pid: 0,
  ppid: 0,
  node: '',
  platform: '',
  version: '',
  startedUnixMs: 0,
  timeOriginMs: 0,
  bufferBytes: 0,
};

function runOn(
  tape: AnyTape,
  real: ScriptedKernel | null,
  program: readonly Action[],
  stopped: () => boolean,
) {
  const memory = real ?? new ScriptedKernel();
  const reactors = new Reactors(tape);
  const run = new Run(tapedKernel(tape, real, memory), reactors.observer());
  run.perform(program);
  run.finish(stopped);
  return { log: run.log, hash: reactors.hash() };
}

/** Blocks of a recording as they are written: whole for a replay, and their entries alone, which can be compared byte by byte. */
class Written {
  readonly parts: Uint8Array[] = [];
  readonly entries: Uint8Array[] = [];
  entryBytes = 0;
  readonly store = (bytes: Uint8Array): void => {
    if (this.parts.push(bytes.slice()) === 1) return; // the header
    const entries = bytes.slice(BLOCK_HEADER_BYTES, -CHECKSUM_BYTES);
    this.entries.push(entries);
    this.entryBytes += entries.length;
  };
}

/** A recorder that knows where each event begins among the entries; where blocks end depends on the clock too. */
class Located extends RecordTape {
  readonly begins: number[] = [];
  constructor(private readonly kept: Written) {
    super(facts, kept.store, { bytesMax: 2 ** 30 });
  }
  override open(op: number, room?: number): void {
    super.open(op, room);
    this.begins.push(this.kept.entryBytes + this.at - BLOCK_HEADER_BYTES - 1);
  }
}

function recorded(program: readonly Action[]) {
  const written = new Written();
  const tape = new Located(written);
  const outcome = runOn(tape, new ScriptedKernel(), program, () => false);
  tape.flush();
  const { events, begins } = tape;
  return {
    ...outcome,
    bytes: Buffer.concat(written.parts),
    entries: Buffer.concat(written.entries),
    events,
    begins,
  };
}

class Stopped extends Error {}

function replayed(bytes: Uint8Array, program: readonly Action[]) {
  let difference: Difference | null = null;
  let over = false;
  const stop = (): never => {
    over = true;
    throw new Stopped();
  };
  const tape = new ReplayTape(new Blocks(bytes), {
    differs: (found) => {
      difference ??= found;
      return stop();
    },
    over: stop,
    damaged: (error) => {
      throw error;
    },
  });
  try {
    const outcome = runOn(tape, null, program, () => over);
    return {
      ...outcome,
      events: tape.events,
      difference: difference as Difference | null,
      rest: tape.peek(),
    };
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    return {
      log: [],
      hash: '',
      events: tape.events,
      difference: difference as Difference | null,
      rest: tape.peek(),
    };
  }
}

test('random programs are replayed to the same calls, results and state', () => {
  let events = 0;
  fc.assert(
    fc.property(actions, (program) => {
      const first = recorded(program);
      const again = replayed(first.bytes, program);
      expect(again.difference).toBeNull();
      expect({ log: again.log, hash: again.hash, events: again.events, rest: again.rest }).toEqual({
        log: first.log,
        hash: first.hash,
        events: first.events,
        rest: -1,
      });
      events += first.events;
    }),
    { numRuns: 80 },
  );
  expect(events).toBeGreaterThan(2000);
});

test('a random change is reported exactly when the program does something else, at the first event that differs', () => {
  const met = { differs: 0, same: 0 };
  fc.assert(
    fc.property(actions, actions, fc.nat(6), (program, other, at) => {
      const changed = [
        ...program.slice(0, at),
        ...other.slice(0, 1),
        ...program.slice(at + (other.length % 2)),
      ];
      const [first, second] = [recorded(program), recorded(changed)];
      const { difference, rest, events } = replayed(first.bytes, changed);
      // Both are of one virtual clock and one scripted kernel, which gives the same as long as it is asked the same: so the
      // first byte that differs is the program's, and the last event that begins before it is the first that differs.
      const [one, two] = [first.entries, second.entries];
      let same = 0;
      const stop = Math.min(one.length, two.length);
      while (same < stop && one[same] === two[same]) same++;
      if (same < stop) {
        met.differs++;
        expect(difference?.event).toBe(first.begins.filter((begin) => begin <= same).length);
        return;
      }
      met.same++;
      expect(difference).toBeNull();
      expect(events).toBe(Math.min(first.events, second.events));
      expect(rest === -1).toBe(first.events <= second.events);
    }),
    { numRuns: 80 },
  );
  expect(met.differs).toBeGreaterThan(20);
  expect(met.same).toBeGreaterThan(3);
});
