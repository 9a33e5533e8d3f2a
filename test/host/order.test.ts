// Where promises and ticks have their turn beside the reactor, on the real kernel: after the turn's last item, before the next turn.

import { performance } from 'node:perf_hooks';
import { afterEach, expect, test } from 'vitest';
import { READABLE, Reactor, descriptors } from '../../src/index.js';
import { runProgram } from '../lifecycle/child.js';

const reactors: Reactor[] = [];
const fds: number[] = [];
afterEach(() => {
  for (const reactor of reactors.splice(0)) reactor.close();
  for (const fd of fds.splice(0)) descriptors.close(fd);
});
function open(): Reactor {
  const reactor = new Reactor();
  reactors.push(reactor);
  return reactor;
}
function pipe(): [number, number] {
  const ends = descriptors.pipe();
  fds.push(...ends);
  return ends;
}

test('a promise settled by one dispatched item has its reactions run before a later turn’s items', async () => {
  const reactor = open();
  const log: string[] = [];
  reactor.post(() => {
    log.push('item');
    void Promise.resolve()
      .then(() => log.push('reaction'))
      .then(() => log.push('reaction of the reaction'));
    reactor.post(() => log.push('item of the next turn'));
  });
  await reactor.run();
  expect(log).toEqual(['item', 'reaction', 'reaction of the reaction', 'item of the next turn']);
});

test('so has process.nextTick, which comes before promises as everywhere', async () => {
  const reactor = open();
  const log: string[] = [];
  reactor.post(() => {
    void Promise.resolve().then(() => log.push('promise'));
    process.nextTick(() => {
      log.push('tick');
      process.nextTick(() => log.push('tick of the tick'));
    });
    reactor.post(() => log.push('next turn'));
  });
  await reactor.run();
  expect(log).toEqual(['tick', 'tick of the tick', 'promise', 'next turn']);
});

test('raw callbacks of one turn run without draining in between: ticks and promises come after its last item', async () => {
  const reactor = open();
  const [readEnd, writeEnd] = pipe();
  const log: string[] = [];
  const item = (name: string) => (): void => {
    log.push(name);
    process.nextTick(() => log.push(`${name}: tick`));
    void Promise.resolve().then(() => log.push(`${name}: promise`));
  };
  reactor.watch(readEnd, READABLE, (_, watch) => {
    watch.close();
    item('readable')();
  });
  descriptors.write(writeEnd, Buffer.of(1));
  reactor.setTimer(0, item('timer'));
  reactor.post(item('posted'));
  reactor.defer(item('deferred'));
  reactor.closing(item('closed'));
  await reactor.run();
  const items = ['timer', 'readable', 'posted', 'deferred', 'closed'];
  expect(log).toEqual([
    ...items,
    ...items.map((name) => `${name}: tick`),
    ...items.map((name) => `${name}: promise`),
  ]);
});

test('what a reaction asks of the reactor belongs to a later turn', async () => {
  const reactor = open();
  const log: string[] = [];
  reactor.post(() => {
    void Promise.resolve().then(() => {
      log.push('reaction');
      reactor.setTimer(0, () => log.push('timer'));
      reactor.post(() => log.push('posted'));
    });
  });
  reactor.post(() => log.push('second item'));
  await reactor.run();
  expect(log).toEqual(['second item', 'reaction', 'timer', 'posted']);
});

/** How often the runtime's loop has come round; absent before Node 20.18. */
const passes = (): number | undefined =>
  (performance.nodeTiming as { uvMetricsInfo?: { loopCount: number } }).uvMetricsInfo?.loopCount;

test.runIf(passes() !== undefined)('raw callbacks and awaits cost no pass of the runtime each', async () => {
  const reactor = open();
  const step = async (left: number): Promise<void> => {
    await null;
    if (left > 0) reactor.post(() => void step(left - 1));
  };
  reactor.post(() => void step(1000));
  const before = passes()!;
  await reactor.run();
  // A thousand turns and awaits later: some for the slices that went by, more of them on a loaded machine; not one each.
  expect(passes()! - before).toBeLessThan(500);
});

test('a reactor that is always busy lets every immediate of the runtime run after one turn', async () => {
  const reactor = open();
  let turns = 0;
  const spin = (): void => {
    turns++;
    reactor.post(spin);
  };
  spin();
  const ended = reactor.run();
  // Each queues the next: it is there again whenever the reactor asks whether the runtime has work.
  const between: number[] = [];
  await new Promise<void>((resolve) => {
    const immediate = (before: number): void => {
      between.push(turns - before);
      if (between.length < 50) setImmediate(immediate, turns);
      else resolve();
    };
    setImmediate(immediate, turns);
  });
  reactor.stop();
  await ended;
  expect(Math.max(...between)).toBeLessThanOrEqual(2);
});

test('run() that ends lets its caller go on at once, also when nothing was dispatched', async () => {
  // In a process of its own, whose loop would not come round by itself for long.
  const { stdout, code } = await runProgram('host/programs/run-ends.mjs');
  expect(code).toBe(0);
  for (const lateMs of JSON.parse(stdout) as number[]) expect(lateMs).toBeLessThan(1000);
});

test('a rejection that nobody handles is told to the runtime, and the reactor goes on', async () => {
  const reactor = open();
  const seen: unknown[] = [];
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', (reason) => seen.push(reason));
  try {
    reactor.post(() => void Promise.reject(new Error('nobody handles this')));
    reactor.setTimer(20, () => seen.push('later turn'));
    await reactor.run();
  } finally {
    process.removeAllListeners('unhandledRejection');
    for (const listener of others) process.on('unhandledRejection', listener);
  }
  expect(seen).toEqual([expect.objectContaining({ message: 'nobody handles this' }), 'later turn']);
});
