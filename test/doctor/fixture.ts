// What the tests of the doctor's rules share: a reactor on the scripted kernel under examination, and what is found.

import { afterEach } from 'vitest';
import { LiveObserver } from '../../src/doctor/live.js';
import { Ledger } from '../../src/doctor/ledger.js';
import type { Diagnosis } from '../../src/doctor/diagnosis.js';
import type { Eyes, Look } from '../../src/doctor/eyes.js';
import type { Finding } from '../../src/doctor/finding.js';
import { Reactor, type ReactorOptions } from '../../src/index.js';
import { HANGUP, READABLE, WRITABLE } from '../../src/poller/poller.js';
import { ScriptedKernel } from '../../src/testing.js';

/** The scripted kernel's descriptors as the rules may ask of them. */
class ScriptedEyes implements Eyes {
  outOf: 'EMFILE' | 'ENFILE' | null = null;
  delayMs = 0;
  readonly kinds = new Map<number, string>();
  readonly identities = new Map<number, string | null>();

  constructor(private readonly kernel: ScriptedKernel) {}

  look(fd: number): Look | null {
    const poller = this.kernel.openPoller('scripted');
    if (typeof poller === 'number') return null;
    const events = new Int32Array(3);
    const added = poller.add(fd, READABLE | WRITABLE, 0, 1);
    const count = added < 0 ? 0 : poller.wait(events, 0);
    poller.close();
    if (added < 0) return null;
    const bits = count > 0 ? events[2] : 0;
    const readable = (bits & READABLE) !== 0;
    return {
      readable,
      writable: (bits & WRITABLE) !== 0,
      hungUp: (bits & HANGUP) !== 0,
      bytes: readable ? -1 : 0,
    };
  }
  kind(fd: number): string {
    return this.kinds.get(fd) ?? 'socket';
  }
  isListener(): boolean {
    return false;
  }
  outOfDescriptors(): 'EMFILE' | 'ENFILE' | null {
    return this.outOf;
  }
  identity(fd: number): string | null {
    const known = this.identities.get(fd);
    return known === undefined ? 'same' : known;
  }
  runDelayMs(): number {
    return this.delayMs;
  }
  differences(): null {
    return null;
  }
}

/** A pass of virtual time takes no more turns. */
const TURNS_MAX = 20_000;

export interface Bed {
  readonly kernel: ScriptedKernel;
  readonly reactor: Reactor;
  readonly eyes: ScriptedEyes;
  readonly diagnosis: Diagnosis;
  /** What was found so far. */
  readonly findings: Finding[];
  /** Their classes, each once. */
  readonly classes: string[];
  pair(): [number, number];
  /** Makes turns until the virtual clock has moved by so much; each waits for `stepMs` at most. */
  pass(ms: number, stepMs?: number): void;
  /** An item takes so long. */
  take(ms: number): void;
}

const opened: Reactor[] = [];
afterEach(() => {
  for (const reactor of opened.splice(0)) reactor.close();
});

export function examined(options: ReactorOptions = {}): Bed {
  const kernel = new ScriptedKernel();
  const eyes = new ScriptedEyes(kernel);
  let diagnosis: Diagnosis | null = null;
  const ledger = new Ledger(
    (hint) => (hint === null ? null : { name: hint.name, file: null, line: 0 }),
    () => undefined,
  );
  const observer = new LiveObserver(
    {
      eyes,
      blocked: null,
      report: (draft) => {
        const { turn, beganMs } = diagnosis!.scene;
        ledger.add({ name: 'reactor 1', poller: 'scripted', turn, beganMs }, draft);
      },
    },
    { opened: (made) => (diagnosis = made), closed: () => undefined },
  );
  const reactor = new Reactor({ ...options, kernel, observer });
  opened.push(reactor);
  return {
    kernel,
    reactor,
    eyes,
    diagnosis: diagnosis!,
    get findings() {
      return ledger.findings;
    },
    get classes() {
      return [...new Set(ledger.findings.map((one) => one.class))];
    },
    pair() {
      const ends = new Int32Array(2);
      kernel.socketPair(ends);
      return [ends[0]!, ends[1]!];
    },
    pass(ms, stepMs = 20) {
      const endMs = kernel.now() + ms;
      for (let turns = 0; kernel.now() < endMs; turns++) {
        if (turns > TURNS_MAX) throw new Error('the virtual clock does not move: nobody takes time');
        reactor.turn(Math.min(stepMs, endMs - kernel.now()));
      }
    },
    take(ms) {
      kernel.clock.advanceTo(kernel.now() + ms);
    },
  };
}
