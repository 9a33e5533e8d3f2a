// Time to await: sleeps are exact and ordered, limits of time end what they limit, and reactions run before the next turn.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { run, sleep, timeout } from '../../src/async/index.js';
import { codeOf, errorOf, kernels, runClean, world } from './tools.js';

describe('sleep', () => {
  test('resolves at its time on the virtual clock, equal times in the order of the calls', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 40 }), async (delays) => {
        const { reactor } = world('scripted');
        const woken: { i: number; atMs: number }[] = [];
        await runClean(reactor, () =>
          Promise.all(
            delays.map(async (ms, i) => {
              await sleep(reactor, ms / 4);
              woken.push({ i, atMs: reactor.now() });
            }),
          ),
        );
        const expected = delays.map((ms, i) => ({ i, atMs: ms / 4 })).sort((a, b) => a.atMs - b.atMs);
        expect(woken).toEqual(expected);
      }),
      { numRuns: 50 },
    );
  });

  test('an aborted one rejects at once with ERR_ABORTED and the reason, and leaves no timer', async () => {
    const { reactor } = world('scripted');
    const abort = new AbortController();
    const reason = new Error('enough');
    const sleeping = sleep(reactor, 1000, { signal: abort.signal });
    abort.abort(reason);
    const error = await errorOf(sleeping);
    expect(error).toMatchObject({ code: 'ERR_ABORTED', name: 'AbortError', cause: reason });
    expect(reactor.alive).toBe(false);
    expect(await codeOf(sleep(reactor, 1, { signal: abort.signal }))).toBe('ERR_ABORTED');
    expect([reactor.alive, reactor.now()]).toEqual([false, 0]);
  });

  test('one signal ends all sleeps that share it, once those that are over have forgotten it', async () => {
    const { reactor } = world('scripted');
    const abort = new AbortController();
    const outcomes = await runClean(reactor, async () => {
      const sleeps = Array.from({ length: 50 }, (_, i) => sleep(reactor, i, { signal: abort.signal }));
      void sleep(reactor, 24.5).then(() => abort.abort());
      return Promise.allSettled(sleeps);
    });
    expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual(outcomes.map((_, i) => i < 25));
    expect(reactor.now()).toBe(24.5);
  });

  test('mistakes reject with codes', async () => {
    const { reactor } = world('scripted');
    for (const ms of [-1, NaN, Infinity, '1'])
      expect(await codeOf(sleep(reactor, ms as number))).toBe('ERR_ARGUMENT');
    expect(await codeOf(sleep({} as never, 1))).toBe('ERR_ARGUMENT');
    expect(await codeOf(sleep(reactor, 1, { signal: {} as never }))).toBe('ERR_ARGUMENT');
    reactor.close();
    expect(await codeOf(sleep(reactor, 1))).toBe('ERR_CLOSED');
  });
});

describe.each(kernels)('promises settled by items (%s)', (kernel) => {
  test('have their reactions run before an item of a later turn, and not between two of one turn', async () => {
    const { reactor } = world(kernel);
    const log: string[] = [];
    await run(reactor, async () => {
      const both = [1, 2].map(async (i) => {
        await new Promise<void>((resolve) => {
          reactor.post(() => {
            log.push(`item ${String(i)}`);
            reactor.post(() => log.push(`later item ${String(i)}`));
            resolve();
          });
        });
        log.push(`reaction ${String(i)}`);
        await null;
        log.push(`second reaction ${String(i)}`);
      });
      await Promise.all(both);
      await sleep(reactor, 1);
    });
    expect(log).toEqual([
      'item 1',
      'item 2',
      'reaction 1',
      'reaction 2',
      'second reaction 1',
      'second reaction 2',
      'later item 1',
      'later item 2',
    ]);
  });

  test('of sleeps: whoever awaited one goes on before a timer that is due a turn later', async () => {
    const { reactor } = world(kernel);
    const log: string[] = [];
    await run(reactor, async () => {
      const slept = sleep(reactor, 1).then(() => log.push('reaction to the sleep'));
      reactor.setTimer(1, () => {
        log.push('timer of the same time');
        reactor.setTimer(0, () => log.push('timer of the next turn'));
      });
      await slept;
      await sleep(reactor, 1);
    });
    expect(log).toEqual(['timer of the same time', 'reaction to the sleep', 'timer of the next turn']);
  });
});

describe('timeout', () => {
  test('ends what takes too long with ERR_TIMEOUT, after that has ended', async () => {
    const { reactor } = world('scripted');
    let cleanedMs = 0;
    const code = await runClean(reactor, () =>
      codeOf(
        timeout(reactor, 10, async (signal) => {
          try {
            await sleep(reactor, 1000, { signal });
          } finally {
            await sleep(reactor, 5);
            cleanedMs = reactor.now();
          }
        }),
      ),
    );
    expect([code, cleanedMs, reactor.now()]).toEqual(['ERR_TIMEOUT', 15, 15]);
  });

  test('gives the result, or the error of its own, that came all the same; leaves no timer', async () => {
    const { reactor } = world('scripted');
    await runClean(reactor, async () => {
      expect(await timeout(reactor, 10, () => 'at once')).toBe('at once');
      expect(await timeout(reactor, 10, () => sleep(reactor, 20).then(() => 'late'))).toBe('late');
      const failing = timeout(reactor, 10, () =>
        sleep(reactor, 1).then(() => Promise.reject(new Error('own'))),
      );
      expect(await codeOf(failing)).toBe('own');
    });
    expect(reactor.now()).toBe(21);
  });

  test('an outer abort is no timeout, and the inner of two is told from the outer', async () => {
    const { reactor } = world('scripted');
    await runClean(reactor, async () => {
      const abort = new AbortController();
      const aborted = timeout(reactor, 10, (signal) => sleep(reactor, 50, { signal }), abort);
      abort.abort();
      expect(await codeOf(aborted)).toBe('ERR_ABORTED');
      const inner: unknown[] = [];
      const outer = timeout(reactor, 5, async (signal) => {
        inner.push(
          await codeOf(timeout(reactor, 10, (both) => sleep(reactor, 50, { signal: both }), { signal })),
        );
        signal.throwIfAborted();
      });
      expect([await codeOf(outer), inner]).toEqual(['ERR_TIMEOUT', ['ERR_ABORTED']]);
    });
    expect(reactor.now()).toBe(5);
  });
});

describe.each(kernels)('run (%s)', (kernel) => {
  test('gives the result of main, and its error', async () => {
    const { reactor } = world(kernel);
    expect(await run(reactor, async () => (await sleep(reactor, 1), 7))).toBe(7);
    expect(await codeOf(run(reactor, () => Promise.reject(new Error('main failed'))))).toBe('main failed');
    expect(reactor.alive).toBe(false);
  });

  test('a reactor that runs already is left alone', async () => {
    const { reactor } = world(kernel);
    let slept = false;
    await run(reactor, async () => {
      expect(await codeOf(run(reactor, () => 1))).toBe('ERR_BUSY');
      await sleep(reactor, 1);
      slept = true;
    });
    expect([slept, reactor.alive]).toEqual([true, false]);
  });

  test('stop() ends it with ERR_ABORTED and aborts the signal of main', async () => {
    const { reactor } = world(kernel);
    const main: unknown[] = [];
    const running = run(reactor, async (signal) => {
      reactor.post(() => reactor.stop());
      main.push(await codeOf(sleep(reactor, 60_000, { signal })));
    });
    expect(await codeOf(running)).toBe('ERR_ABORTED');
    await null;
    expect([main, reactor.alive]).toEqual([['ERR_ABORTED'], false]);
  });
});

test('run waits for what the reactor knows nothing of', async () => {
  const { reactor } = world('native');
  const waited = await run(reactor, () => new Promise((resolve) => setTimeout(resolve, 5, 'from Node')));
  expect(waited).toBe('from Node');
});
