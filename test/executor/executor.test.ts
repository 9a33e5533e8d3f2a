// The executor: what workers give arrives as items, nothing is unbounded, and whatever happens no worker is left behind.

import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { executor, type Executor, type ExecutorOptions } from '../../src/executor/index.js';
import { run, sleep } from '../../src/async/index.js';
import { Reactor } from '../../src/index.js';
import { codeOf, errorOf } from '../async/tools.js';
import { startProgram } from '../lifecycle/child.js';
import { NotingObserver } from '../reactor/fixture.js';

const work = new URL('programs/work.mjs', import.meta.url);
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

function pool(options: ExecutorOptions = {}): { reactor: Reactor; pool: Executor; observer: NotingObserver } {
  const observer = new NotingObserver();
  const reactor = new Reactor({ observer });
  const pool = executor(reactor, options);
  cleanups.push(async () => {
    await pool.close();
    expect(pool.figures).toMatchObject({ queued: 0, running: 0, workers: 0 });
    reactor.close();
  });
  return { reactor, pool, observer };
}
const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe.each(['threads', 'processes'] as const)('%s', (kind) => {
  test('results and errors arrive, as posted items, and the reactor stays alive until then', async () => {
    const { reactor, pool: workers, observer } = pool({ kind, workersMax: 1 });
    const outcomes: unknown[] = [];
    const calls: [string, unknown[]][] = [
      ['add', [1, 2]],
      ['echo', [new Map([[1, new Date(0)]]), Buffer.from('x'), 3n]],
      ['inside', []],
      ['fail', []],
      ['failWithNothing', []],
      ['missing', []],
      ['notCloneable', []],
      ['whoami', []],
    ];
    for (const [name, args] of calls) {
      workers.run(work, name, args).then(
        (value) => outcomes.push(value),
        (error: unknown) => outcomes.push(error),
      );
    }
    expect(reactor.alive).toBe(true);
    await reactor.run(); // ends by itself when the last result has come
    expect(observer.items.filter((item) => item === 'posted').length).toBe(calls.length);
    expect(outcomes.slice(0, 3)).toEqual([
      3,
      [new Map([[1, new Date(0)]]), expect.anything(), 3n],
      'of the default export',
    ]);
    expect(outcomes[3]).toBeInstanceOf(RangeError);
    expect(outcomes[3]).toMatchObject({ message: 'out of range', code: 'ERR_OWN', limit: 7 });
    expect(outcomes[4]).toBeInstanceOf(Error);
    expect(outcomes[5]).toMatchObject({
      message: expect.stringMatching(/exports no function 'missing'; it exports add/),
    });
    expect(outcomes[6]).toMatchObject({ message: expect.stringMatching(/^the result cannot be sent/) });
    const { pid, threadId } = outcomes[7] as { pid: number; threadId: number };
    expect([pid === process.pid, threadId > 0]).toEqual(kind === 'threads' ? [true, true] : [false, false]);
    expect(workers.figures).toMatchObject({ completed: 4, failed: 4, queued: 0, running: 0, workers: 1 });
  });

  test('the queue has a limit; figures tell what waits, runs and has waited', async () => {
    const { reactor, pool: workers } = pool({ kind, workersMax: 1, queueMax: 2 });
    await run(reactor, async () => {
      const tasks = [30, 0, 0].map((ms) => workers.run(work, 'block', [ms]));
      expect(workers.figures).toMatchObject({ queued: 2, running: 1, workers: 1 });
      expect(await codeOf(workers.run(work, 'block', [0]))).toBe('ERR_QUEUE_FULL');
      expect(await Promise.all(tasks)).toEqual([30, 0, 0]);
    });
    const { waitedMs, waitedMsMax, ...figures } = workers.figures;
    expect(figures).toEqual({ queued: 0, running: 0, workers: 1, completed: 3, failed: 0, cancelled: 0 });
    // Two of them waited for the one that took 30 ms.
    expect(waitedMs).toBeGreaterThanOrEqual(60);
    expect(waitedMsMax).toBeLessThanOrEqual(waitedMs);
  });

  test('the reactor goes on while a worker computes', async () => {
    const { reactor, pool: workers } = pool({ kind, workersMax: 1 });
    await run(reactor, async () => {
      let ended = false;
      const spinning = workers.run(work, 'spin', [100]).then(() => (ended = true));
      let slept = 0;
      while (!ended) {
        await sleep(reactor, 1);
        slept++;
      }
      await spinning;
      expect(slept).toBeGreaterThan(5);
    });
  });

  test('aborting a queued task removes it; aborting a running one ends its worker, and another takes its place', async () => {
    const { reactor, pool: workers } = pool({ kind, workersMax: 1 });
    await run(reactor, async () => {
      const before = (await workers.run(work, 'whoami')) as { pid: number; threadId: number };
      const [runs, waits] = [new AbortController(), new AbortController()];
      const running = codeOf(workers.run(work, 'spin', [60_000], runs));
      const queued = codeOf(workers.run(work, 'spin', [60_000], waits));
      const last = workers.run(work, 'whoami');
      waits.abort();
      expect(await queued).toBe('ERR_ABORTED');
      expect(workers.figures).toMatchObject({ queued: 1, running: 1, cancelled: 1 });
      runs.abort();
      expect(await running).toBe('ERR_ABORTED');
      if (kind === 'processes') expect(alive(before.pid)).toBe(false);
      const after = (await last) as typeof before;
      expect([after.pid, after.threadId]).not.toEqual([before.pid, before.threadId]);
      expect(workers.figures).toMatchObject({
        queued: 0,
        running: 0,
        workers: 1,
        cancelled: 2,
        completed: 2,
      });
    });
  });

  test('a worker that dies fails its task only', async () => {
    const { reactor, pool: workers } = pool({ kind, workersMax: 1 });
    await run(reactor, async () => {
      const dying = errorOf(workers.run(work, 'exit', [3]));
      const next = workers.run(work, 'add', [1, 1]);
      const error = await dying;
      expect(error).toMatchObject({
        code: 'ERR_WORKER_ENDED',
        message: expect.stringMatching(/code 3 .*exit\(\)/),
      });
      expect(await next).toBe(2);
    });
  });

  test('close() ends running and waiting tasks with ERR_CLOSED, and all workers', async () => {
    const { reactor, pool: workers } = pool({ kind, workersMax: 1 });
    await run(reactor, async () => {
      const { pid } = (await workers.run(work, 'whoami')) as { pid: number };
      const running = codeOf(workers.run(work, 'block', [60_000]));
      const queued = codeOf(workers.run(work, 'block', [60_000]));
      await workers.close();
      expect([await running, await queued]).toEqual(['ERR_CLOSED', 'ERR_CLOSED']);
      expect(workers.figures).toMatchObject({ workers: 0, cancelled: 2 });
      if (kind === 'processes') expect(alive(pid)).toBe(false);
      expect(await codeOf(workers.run(work, 'add', [1, 2]))).toBe('ERR_CLOSED');
    });
    expect(reactor.alive).toBe(false);
  });

  test('an idle worker ends after idleMs', async () => {
    const { reactor, pool: workers } = pool({ kind, workersMax: 1, idleMs: 1 });
    await run(reactor, async () => {
      await workers.run(work, 'add', [1, 2]);
      for (let i = 0; workers.figures.workers > 0 && i < 1000; i++) await sleep(reactor, 5);
      expect(workers.figures.workers).toBe(0);
      expect(await workers.run(work, 'add', [1, 2])).toBe(3);
    });
  });

  test('arguments that cannot be cloned are refused, and cost no worker', async () => {
    const { reactor, pool: workers } = pool({ kind, workersMax: 1 });
    await run(reactor, async () => {
      const error = await errorOf(workers.run(work, 'add', [() => 1]));
      expect(error).toMatchObject({
        code: 'ERR_ARGUMENT',
        message: expect.stringMatching(/structured clone/),
      });
      expect(await workers.run(work, 'add', [1, 2])).toBe(3);
    });
  });
});

test('a bare function is refused, with the reason and the remedy', async () => {
  const { reactor, pool: workers } = pool();
  const error = await errorOf(workers.run((() => 1) as never, 'x'));
  expect(error.code).toBe('ERR_EXECUTOR_FUNCTION');
  expect(error.message).toMatch(/Python.*heap of its own.*variables around it.*name a module/s);
  for (const module of ['./work.js', 'work', 7]) {
    expect(await codeOf(workers.run(module as string, 'x'))).toBe('ERR_ARGUMENT');
  }
  expect(reactor.alive).toBe(false);
});

test('reactor.runInExecutor(): modules of Node, files, and errors', async () => {
  using reactor = new Reactor();
  await run(reactor, async () => {
    const key = await reactor.runInExecutor('node:crypto', 'pbkdf2Sync', 'secret', 'salt', 10, 8, 'sha256');
    expect(Buffer.from(key as Uint8Array).length).toBe(8);
    expect(await reactor.runInExecutor(work, 'add', 20, 3)).toBe(23);
    expect(await reactor.runInExecutor(fileURLToPath(work), 'add', 20, 3)).toBe(23);
    expect(await codeOf(reactor.runInExecutor((() => 1) as never, 'x'))).toBe('ERR_EXECUTOR_FUNCTION');
  });
});

test('no process is left when the parent is killed, though its workers are blocked', async () => {
  const program = startProgram('executor/programs/orphans.mjs');
  const pids = JSON.parse(await program.line('pids ')) as number[];
  expect(pids.length).toBeGreaterThan(0);
  for (const pid of pids) expect(alive(pid)).toBe(true);
  program.child.kill('SIGKILL');
  await program.outcome;
  const deadlineMs = performance.now() + 10_000;
  while (pids.some(alive) && performance.now() < deadlineMs)
    await new Promise((resolve) => setTimeout(resolve, 5));
  expect(pids.filter(alive)).toEqual([]);
});
