// What is kept of a reactor between two holds: everything in order, bounded in number and in length.

import { describe, expect, test } from 'vitest';
import { READABLE, Reactor } from '../../src/index.js';
import { EventKeeper } from '../../src/step/events.js';
import { ScriptedKernel } from '../../src/testing.js';

function kept(act: (reactor: Reactor, kernel: ScriptedKernel) => void): EventKeeper {
  const keeper = new EventKeeper();
  const kernel = new ScriptedKernel();
  const reactor = new Reactor({ kernel, observer: keeper, onError: () => undefined });
  act(reactor, kernel);
  reactor.close();
  return keeper;
}

describe('events between two holds', () => {
  test('are those of the reactor, in order, on its own clock, and are told once', () => {
    const keeper = kept((reactor) => {
      reactor.setTimer(2, function due() {});
      reactor.post(function task() {});
      reactor.turn(0);
      reactor.turn();
      reactor.turn();
    });
    const { events, eventsLost } = keeper.take();
    const items = events.filter(({ type }) => type === 'itemBegin');
    expect(items).toMatchObject([
      { kind: 'posted', name: 'task', fd: -1 },
      { kind: 'timer', name: 'due' },
    ]);
    // The virtual clock stands still but for the wait of 2 ms.
    expect(items[1]!.timeNs - items[0]!.timeNs).toBe(2_000_000);
    expect([eventsLost, keeper.take()]).toEqual([0, { events: [], eventsLost: 0 }]);
    expect(keeper.items).toBe(2);
  });
  test('that are too many lose the oldest, and their number is exact', () => {
    const all = new EventKeeper();
    for (let turn = 1; turn <= 5000; turn++) all.turnBegin(turn);
    const { events, eventsLost } = all.take();
    expect(events.length).toBeLessThanOrEqual(800);
    expect(events.length + eventsLost).toBe(5000);
    expect([events[0], events.at(-1)]).toMatchObject([{ turn: eventsLost + 1 }, { turn: 5000 }]);
  });
  test('name whatever is thrown, also what cannot be shown, in a bounded length', () => {
    const keeper = kept((reactor) => {
      const unshown = new Proxy(
        {},
        {
          get() {
            throw new Error('no');
          },
        },
      );
      for (const value of [new RangeError('r'.repeat(10_000)), 'text', undefined, unshown]) {
        reactor.post(() => {
          throw value;
        });
      }
      Object.defineProperty(named, 'name', { value: 'n'.repeat(10_000) });
      function named(): void {}
      reactor.post(named);
      reactor.turn(0);
    });
    const { events } = keeper.take();
    const messages = events.flatMap((event) => (event.type === 'error' ? [event.message] : []));
    expect(messages).toHaveLength(4);
    expect(messages[0]).toMatch(/^RangeError: r{400,500}.*\.\.\.$/);
    expect(messages.slice(1, 3)).toEqual(["'text'", 'undefined']);
    expect(JSON.stringify(events).length).toBeLessThan(10_000);
    expect(keeper.threw).toBe(true);
  });
  test('show calls with what they were given and gave', () => {
    const keeper = kept((reactor, kernel) => {
      const ends = new Int32Array(2);
      kernel.socketPair(ends);
      kernel.sendBytes(ends[1]!, Buffer.from('four'), 0, 4);
      reactor.watch(ends[0]!, READABLE, function take() {
        reactor.kernel.recv(ends[0]!, 0, 16);
        const fd = reactor.kernel.socket(4);
        reactor.kernel.bind(fd, { family: 4, host: '127.0.0.1', port: 7 });
      });
      reactor.turn(0);
    });
    const calls = keeper.take().events.filter(({ type }) => type === 'call');
    expect(calls.slice(-3)).toMatchObject([
      { name: 'recv', result: 4, b: 16, text: '' },
      { name: 'socket', a: 0 },
      { name: 'bind', result: 0, text: '127.0.0.1:7' },
    ]);
  });
});
