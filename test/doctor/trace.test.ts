// The doctor over traces: the same rules find what a trace can show, and say what it cannot.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { UNDECIDED, diagnoseTrace } from '../../src/doctor/index.js';
import { Reactor, READABLE, WRITABLE, connect, listen } from '../../src/index.js';
import { ScriptedKernel } from '../../src/testing.js';
import { Recorder } from '../../src/trace/index.js';
import { runCommand } from '../cli/command.js';

/** Runs `program` on a scripted kernel, so many turns of it, and gives the trace. */
function recorded(
  turns: number,
  program: (reactor: Reactor, kernel: ScriptedKernel) => void,
  perTurnMs = 0,
): Uint8Array {
  const kernel = new ScriptedKernel();
  const recorder = new Recorder({ ringBytes: 64 * 1024 * 1024 });
  const reactor = new Reactor({ kernel, observer: recorder });
  program(reactor, kernel);
  for (let i = 0; i < turns; i++) {
    reactor.turn(5);
    kernel.clock.advanceTo(kernel.now() + perTurnMs);
  }
  const bytes = recorder.toBytes();
  reactor.close();
  return bytes;
}
const classesOf = (trace: Uint8Array): string[] => diagnoseTrace(trace).findings.map((one) => one.class);
const pairOf = (kernel: ScriptedKernel): [number, number] => {
  const ends = new Int32Array(2);
  kernel.socketPair(ends);
  return [ends[0]!, ends[1]!];
};

test('a handler that took 80 ms, without a cause', () => {
  const trace = recorded(3, (reactor, kernel) => {
    reactor.post(function slow() {
      kernel.clock.advanceTo(kernel.now() + 80);
    });
  });
  const [one, ...rest] = diagnoseTrace(trace).findings;
  expect(rest).toEqual([]);
  expect(one).toMatchObject({
    class: 'blocked-handler',
    cause: 'unknown',
    handler: { name: 'slow', file: null },
  });
  expect(diagnoseTrace(trace, { blockedMs: 100 }).findings).toEqual([]);
});

test('tasks that keep a timer late', () => {
  const trace = recorded(60, (reactor, kernel) => {
    const beat = (): void => void reactor.setTimer(5, beat);
    beat();
    reactor.post(function work() {
      kernel.clock.advanceTo(kernel.now() + 30);
      reactor.post(work);
    });
  });
  expect(classesOf(trace)).toEqual(['starvation']);
});

test('a spin on WRITABLE, by calls that are too short for a write; and none by calls that are long enough', () => {
  const spin = (callMs: number): string[] =>
    classesOf(
      recorded(
        3000,
        (reactor, kernel) => {
          const [ours] = pairOf(kernel);
          reactor.watch(ours, READABLE | WRITABLE, () => kernel.clock.advanceTo(kernel.now() + callMs));
        },
        0.01,
      ),
    );
  expect(spin(0.001)).toEqual(['write-interest-left-on']);
  expect(spin(0.02)).toEqual([]);
});

test('events for a registration that has gone, and a number registered twice', () => {
  const phantom = recorded(5, (reactor, kernel) => {
    const [ours] = pairOf(kernel);
    const watch = reactor.watch(ours, READABLE, () => undefined);
    const twin = kernel.duplicate(ours);
    kernel.close(ours);
    watch.close();
    kernel.feed(twin, new Uint8Array(1));
  });
  expect(classesOf(phantom)).toEqual(['stale-readiness']);
  const twice = recorded(1, (reactor, kernel) => {
    const [ours] = pairOf(kernel);
    reactor.watch(ours, READABLE, () => undefined);
    kernel.close(ours);
    reactor.watch(pairOf(kernel)[0], READABLE, () => undefined);
  });
  expect(classesOf(twice)).toEqual(['stale-readiness']);
});

test('accepts that fail again and again', () => {
  const trace = recorded(4000, (reactor, kernel) => {
    const listener = listen(reactor, { port: 0 }, {});
    const come = (): void => {
      try {
        connect(reactor, { port: listener.address.port }, { open: (one) => one.close() });
      } catch {
        // no descriptor is left for it either
      }
      reactor.setTimer(20, come);
    };
    come();
    for (let i = 0; i < 3; i++) reactor.turn(5);
    kernel.settings.fdLimit = Math.max(...kernel.openFds()) + 2;
  });
  expect(classesOf(trace)).toEqual(['accept-emfile']);
});

test('nothing in an echo that is well', () => {
  const trace = recorded(300, (reactor) => {
    const listener = listen(reactor, { port: 0 }, { data: (one, b, s, e) => void one.write(b, s, e) });
    connect(
      reactor,
      { port: listener.address.port },
      { open: (one) => void one.write('hello'), data: (one, b, s, e) => void one.write(b, s, e) },
    );
  });
  expect(classesOf(trace)).toEqual([]);
});

test('the command tells a trace from a program, and says what is not decided', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'underloop-doctor-'));
  try {
    const file = join(folder, 'app.trace');
    writeFileSync(
      file,
      recorded(3, (reactor) => reactor.post(() => undefined)),
    );
    const { code, stderr } = await runCommand(['doctor', file]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^doctor: no finding\n/);
    for (const one of UNDECIDED) expect(stderr).toContain(one);
    expect((await runCommand(['doctor', file, 'argument'])).code).toBe(2);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
