// Structured concurrency: whatever tasks do, none outlives the call that started it, and no failure is lost.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TaskGroup, TaskGroupError, gather, race, sleep } from '../../src/async/index.js';
import type { Reactor } from '../../src/index.js';
import { codeOf, errorOf, runClean, world } from './tools.js';

/** What one task does: works for a time, then returns or fails; when it is cancelled it cleans up for a time. */
interface Plan {
  workMs: number;
  fails: boolean;
  cleanMs: number;
}
const plans = fc.array(
  fc.record({
    workMs: fc.integer({ min: 0, max: 9 }),
    fails: fc.boolean(),
    cleanMs: fc.integer({ min: 0, max: 5 }),
  }),
  { maxLength: 8 },
);

function tasksOf(reactor: Reactor, all: readonly Plan[], log: { running: number; cancelled: number[] }) {
  return all.map(({ workMs, fails, cleanMs }, i) => async (signal: AbortSignal): Promise<number> => {
    log.running++;
    try {
      await sleep(reactor, workMs, { signal });
      if (fails) throw new Error(String(i));
      return i;
    } catch (error) {
      if (signal.aborted && !(error instanceof Error && error.message === String(i))) {
        log.cancelled.push(i);
        await sleep(reactor, cleanMs);
      }
      throw error;
    } finally {
      log.running--;
    }
  });
}

/** The first task that fails, by time and then by order; undefined if none does. */
function firstFailure(all: readonly Plan[]): number | undefined {
  const failing = all.map((plan, i) => ({ ...plan, i })).filter(({ fails }) => fails);
  return failing.sort((a, b) => a.workMs - b.workMs)[0]?.i;
}

describe('gather', () => {
  test('gives all results in order, or the first failure when all others were cancelled and have ended', async () => {
    await fc.assert(
      fc.asyncProperty(plans, async (all) => {
        const { reactor } = world('scripted');
        const log = { running: 0, cancelled: [] as number[] };
        await runClean(reactor, async () => {
          const gathered = gather(tasksOf(reactor, all, log));
          const failing = firstFailure(all);
          if (failing === undefined) {
            expect(await gathered).toEqual(all.map((_, i) => i));
            expect(log).toEqual({ running: 0, cancelled: [] });
            expect(reactor.now()).toBe(Math.max(0, ...all.map(({ workMs }) => workMs)));
            return;
          }
          const atMs = all[failing]!.workMs;
          expect((await errorOf(gathered)).message).toBe(String(failing));
          // Due later than the failure: cancelled. Due at the same time: they had their own turn.
          const late = all.flatMap(({ workMs }, i) => (workMs > atMs ? [i] : []));
          expect(log.running).toBe(0);
          expect(log.cancelled).toEqual(late);
          expect(reactor.now()).toBe(atMs + Math.max(0, ...late.map((i) => all[i]!.cleanMs)));
        });
      }),
      { numRuns: 100 },
    );
  });

  test('two sleeps take the time of the longer one', async () => {
    const { reactor } = world('scripted');
    await runClean(reactor, () => gather([() => sleep(reactor, 3000), () => sleep(reactor, 2000)]));
    expect(reactor.now()).toBe(3000);
  });

  test('an outer abort cancels all, waits for their end, and rejects with ERR_ABORTED', async () => {
    const { reactor } = world('scripted');
    const abort = new AbortController();
    await runClean(reactor, async () => {
      const log = { running: 0, cancelled: [] as number[] };
      const plan = { workMs: 50, fails: false, cleanMs: 3 };
      const gathered = gather(tasksOf(reactor, [plan, plan], log), abort);
      void sleep(reactor, 1).then(() => abort.abort());
      expect(await codeOf(gathered)).toBe('ERR_ABORTED');
      expect([log, reactor.now()]).toEqual([{ running: 0, cancelled: [0, 1] }, 4]);
    });
  });

  test('a promise instead of a function is refused, for it cannot be cancelled', async () => {
    const error = await errorOf(gather([Promise.resolve(1) as never]));
    expect(error).toMatchObject({ code: 'ERR_ARGUMENT' });
    expect(error.message).toMatch(/tasks\[0\].*cannot be cancelled/);
  });
});

describe('race', () => {
  test('the first that settles decides, either way; the others are cancelled and have ended', async () => {
    await fc.assert(
      fc.asyncProperty(plans, async (all) => {
        fc.pre(all.length > 0);
        const { reactor } = world('scripted');
        const log = { running: 0, cancelled: [] as number[] };
        await runClean(reactor, async () => {
          const leastMs = Math.min(...all.map(({ workMs }) => workMs));
          const first = all.findIndex(({ workMs }) => workMs === leastMs);
          const raced = race(tasksOf(reactor, all, log));
          if (all[first]!.fails) expect((await errorOf(raced)).message).toBe(String(first));
          else expect(await raced).toBe(first);
          const late = all.flatMap(({ workMs }, i) => (workMs > leastMs ? [i] : []));
          expect(log).toEqual({ running: 0, cancelled: late });
        });
      }),
      { numRuns: 100 },
    );
  });

  test('of nothing is refused', async () => {
    expect(await codeOf(race([]))).toBe('ERR_ARGUMENT');
  });
});

describe('TaskGroup', () => {
  test('join() waits for all, also for those that tasks start, and closes the group', async () => {
    const { reactor } = world('scripted');
    await runClean(reactor, async () => {
      const group = new TaskGroup();
      const log: string[] = [];
      void group.start(async () => {
        await sleep(reactor, 1);
        void group.start(async () => {
          await sleep(reactor, 5);
          log.push('grandchild');
        });
      });
      await group.join();
      expect([log, group.running, reactor.now()]).toEqual([['grandchild'], 0, 6]);
      expect(() => group.start(() => 1)).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
    });
  });

  test('a failure cancels the others; all failures are told, cancellations are none', async () => {
    const { reactor } = world('scripted');
    await runClean(reactor, async () => {
      const group = new TaskGroup();
      void group.start(() => sleep(reactor, 1).then(() => Promise.reject(new Error('first'))));
      void group.start((signal) => sleep(reactor, 50, { signal }));
      void group.start((signal) =>
        sleep(reactor, 50, { signal }).catch(() => Promise.reject(new Error('while cleaning up'))),
      );
      const error = (await errorOf(group.join())) as TaskGroupError;
      expect(error).toBeInstanceOf(TaskGroupError);
      expect(error.code).toBe('ERR_TASKS_FAILED');
      expect(error.errors.map((one: Error) => one.message)).toEqual(['first', 'while cleaning up']);
      expect(reactor.now()).toBe(1);
    });
  });

  test('leaving the scope of await using cancels what runs and waits for its end', async () => {
    const { reactor } = world('scripted');
    await runClean(reactor, async () => {
      const log: string[] = [];
      {
        await using group = new TaskGroup();
        void group.start(async (signal) => {
          await sleep(reactor, 50, { signal }).catch(() => sleep(reactor, 2));
          log.push('ended');
        });
        log.push('left');
      }
      log.push('after');
      expect([log, reactor.now()]).toEqual([['left', 'ended', 'after'], 2]);
    });
  });

  test('run(): a body that throws cancels the tasks first, and its error is the outcome', async () => {
    const { reactor } = world('scripted');
    await runClean(reactor, async () => {
      let ended = false;
      const running = TaskGroup.run(async (group) => {
        void group.start((signal) => sleep(reactor, 50, { signal }).finally(() => (ended = true)));
        await sleep(reactor, 1);
        throw new Error('body');
      });
      expect(await codeOf(running)).toBe('body');
      expect([ended, reactor.now()]).toEqual([true, 1]);
      expect(await TaskGroup.run((group) => group.start(() => 5))).toBe(5);
    });
  });

  test('a cancelled group starts nothing', async () => {
    const group = new TaskGroup({ signal: AbortSignal.abort() });
    let started = false;
    expect(await codeOf(group.start(() => (started = true)))).toBe('ERR_ABORTED');
    expect(started).toBe(false);
    expect(await codeOf(group.join())).toBe('ERR_ABORTED');
  });
});
