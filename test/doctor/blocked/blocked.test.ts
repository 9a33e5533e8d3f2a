// What is told of handlers that block, in programs that do so in all ways; and that nothing is told of others.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { watchBlocked, type BlockedSpan } from '../../../src/doctor/blocked/index.js';
import { SilentObserver } from '../../../src/reactor/observer.js';

const program = (name: string) => fileURLToPath(new URL(`./programs/${name}`, import.meta.url));

interface Ended {
  code: number | null;
  out: string;
  errors: string;
}

/** Runs a program; `onLine` may act on the process when it has written a line. */
function run(args: readonly string[], onLine?: (pid: number) => void): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const [command, ...rest] = args;
    const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 25_000 });
    let out = '';
    let errors = '';
    child.stdout.on('data', (bytes: Buffer) => {
      if (out === '' && child.pid !== undefined) onLine?.(child.pid);
      out += String(bytes);
    });
    child.stderr.on('data', (bytes: Buffer) => (errors += String(bytes)));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, errors }));
  });
}

interface Done {
  readonly blocker: string;
  readonly kind: string;
  readonly fd: number;
  readonly beganMs: number;
  readonly durationMs: number;
}
interface Blockers {
  readonly file: string;
  readonly lines: Record<string, number>;
  readonly calls: Record<string, string[] | undefined>;
  readonly done: Done[];
  readonly told: BlockedSpan[];
}

const names: Record<string, string> = {
  posted: 'onPosted',
  timer: 'onTimer',
  readiness: 'onWake',
  drain: 'drain',
};

const onLinux = process.platform === 'linux';

/**
 * What looks at a thread is a thread too: on a machine without a core to spare it comes too late now and then, and then a sleep
 * or a stop is not seen. How often it is right, out of hundreds, is for the examination (test/doctor/examine.js).
 */
const ONCE_MORE = { retry: 1 };

describe.runIf(onLinux)('what blocked', () => {
  test.each([
    ['cpu', 7, 4],
    ['gc', 7, 4],
    ['syscall', 7, 4],
    ['runqueue', 5, 2],
  ])('%s: cause, call, handler and stack are told', ONCE_MORE, async (cause, seed, count) => {
    const { out, errors, code } = await run([
      process.execPath,
      '--expose-gc',
      program('blockers.mjs'),
      cause,
      String(seed),
      String(count),
    ]);
    expect([code, errors]).toEqual([0, '']);
    const { file, lines, calls, done, told } = JSON.parse(out) as Blockers;
    expect(done).toHaveLength(count);
    for (const { blocker, kind, fd, beganMs, durationMs } of done) {
      const span = told.find(
        (one) => one.beganMs <= beganMs && one.beganMs + one.durationMs >= beganMs + durationMs - 0.1,
      );
      expect(span, blocker).toMatchObject({ kind, fd, cause, name: names[kind] });
      const frame = span?.stack.find((one) => one.function === blocker);
      expect(frame?.file).toBe(file);
      // A collection belongs to no line: it comes where memory runs out.
      if (cause !== 'gc') expect(frame?.line, blocker).toBe(lines[blocker]);
      const call = calls[blocker];
      if (call !== undefined) expect(call).toContain(span?.call);
    }
    // Others may have had no core for so long; whatever else is told would be wrong.
    const others = told.filter(
      ({ beganMs, durationMs }) =>
        !done.some((one) => one.beganMs >= beganMs && one.beganMs <= beganMs + durationMs),
    );
    expect(others.filter((span) => span.cause !== 'runqueue' && span.cause !== 'unknown')).toEqual([]);
  });
});

test('handlers that take 5 ms are not told, and the process ends by itself', async () => {
  const { out, errors, code } = await run([process.execPath, program('quiet.mjs'), 'short']);
  expect([code, errors]).toEqual([0, '']);
  const told = JSON.parse(out) as BlockedSpan[];
  expect(told.filter(({ cause }) => cause !== 'runqueue' && cause !== 'unknown')).toEqual([]);
});

test.runIf(onLinux)('a process that is stopped and goes on did not block', ONCE_MORE, async () => {
  const { out, code } = await run([process.execPath, program('quiet.mjs'), 'stopped'], (pid) => {
    process.kill(pid, 'SIGSTOP');
    setTimeout(() => process.kill(pid, 'SIGCONT'), 400);
  });
  expect(code).toBe(0);
  const told = JSON.parse(out.slice(out.indexOf('\n'))) as BlockedSpan[];
  expect(told.filter(({ cause }) => cause !== 'runqueue' && cause !== 'unknown')).toEqual([]);
});

test('at the exit of the process the last span is told at once', async () => {
  const { out, errors, code } = await run([process.execPath, program('quiet.mjs'), 'exit']);
  expect([code, errors]).toEqual([3, '']);
  const [span] = JSON.parse(out) as BlockedSpan[];
  expect(span).toMatchObject({ kind: 'posted', name: 'last' });
  if (process.platform === 'linux') expect(span).toMatchObject({ cause: 'syscall', call: 'futex' });
});

test('a process whose last handler blocks ends by itself', async () => {
  expect(await run([process.execPath, program('quiet.mjs'), 'end'])).toEqual({
    code: 0,
    out: '',
    errors: '',
  });
});

test('closed, it tells what it knows, and nothing after', async () => {
  const { out, errors, code } = await run([process.execPath, program('quiet.mjs'), 'closed']);
  expect([code, errors]).toEqual([0, '']);
  const [before, after] = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as BlockedSpan[]);
  expect(before.map((span) => span.name)).toContain('before');
  expect(after).toEqual([]);
});

test('an item in which another reactor is turned is one item', async () => {
  await using watch = disposable(watchBlocked({ thresholdMs: 20 }));
  const { observer } = watch;
  const outer = () => undefined;
  observer.turnBegin(1, 0);
  observer.itemBegin('posted', outer, -1, 0);
  observer.itemBegin('timer', () => undefined, -1, 0);
  observer.itemEnd('timer', outer);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 40);
  observer.itemEnd('posted', outer);
  expect(await watch.take()).toMatchObject([{ item: 1, kind: 'posted', name: 'outer', turn: 1 }]);
  expect(await watch.take()).toEqual([]);
});

test('a threshold that is none is refused', () => {
  for (const thresholdMs of [0, 0.5, Infinity, '50']) {
    expect(() => watchBlocked({ thresholdMs: thresholdMs as number })).toThrow(
      /options\.thresholdMs must be/,
    );
  }
});

function disposable(watch: ReturnType<typeof watchBlocked>) {
  expect(watch.observer).toBeInstanceOf(SilentObserver);
  return Object.assign(watch, { [Symbol.asyncDispose]: () => watch.close() });
}
