// Argument mistakes: each public method refuses them before anything happens, with a code and a message that names the
// argument, what it must be, and what it was.

import { describe, expect, test } from 'vitest';
import { READABLE, Reactor, UnderloopError } from '../../src/index.js';
import { ScriptedKernel, VirtualClock } from '../../src/testing.js';
import { bench, thrown } from './fixture.js';

const nothing = (): void => {};
/** What a caller without types may hand over. */
type Loose = Record<string, (...args: unknown[]) => unknown>;

// [what is wrong, the argument's name in the message, the value's form in the message]
type Case = [call: (reactor: Loose, fd: number) => unknown, name: string, shown: string];

const cases: Record<string, Case[]> = {
  'setTimer()': [
    [(r) => r['setTimer']!(-1, nothing), 'delayMs', '-1'],
    [(r) => r['setTimer']!(NaN, nothing), 'delayMs', 'NaN'],
    [(r) => r['setTimer']!(Infinity, nothing), 'delayMs', 'Infinity'],
    [(r) => r['setTimer']!('5', nothing), 'delayMs', "'5'"],
    [(r) => r['setTimer']!(undefined, nothing), 'delayMs', 'undefined'],
    [(r) => r['setTimer']!(5n, nothing), 'delayMs', '5n'],
    [(r) => r['setTimer']!(5), 'callback', 'undefined'],
    [(r) => r['setTimer']!(5, { run: nothing }), 'callback', '{ run: [Function: nothing] }'],
  ],
  'post()': [
    [(r) => r['post']!(), 'task', 'undefined'],
    [(r) => r['post']!(null), 'task', 'null'],
    [(r) => r['post']!({}), 'task', '{}'],
    [(r) => r['post']!({ run: 1 }), 'task', '{ run: 1 }'],
    [(r) => r['post']!('task'), 'task', "'task'"],
  ],
  'defer()': [[(r) => r['defer']!(7), 'task', '7']],
  'closing()': [[(r) => r['closing']!([]), 'task', '[]']],
  'watch()': [
    [(r) => r['watch']!(-1, READABLE, nothing), 'fd', '-1'],
    [(r) => r['watch']!(1.5, READABLE, nothing), 'fd', '1.5'],
    [(r) => r['watch']!(2 ** 31, READABLE, nothing), 'fd', '2147483648'],
    [(r) => r['watch']!('0', READABLE, nothing), 'fd', "'0'"],
    [(r, fd) => r['watch']!(fd, 8, nothing), 'interest', '8'],
    [(r, fd) => r['watch']!(fd, -1, nothing), 'interest', '-1'],
    [(r, fd) => r['watch']!(fd, undefined, nothing), 'interest', 'undefined'],
    [(r, fd) => r['watch']!(fd, READABLE), 'handler', 'undefined'],
    [(r, fd) => r['watch']!(fd, READABLE, {}), 'handler', '{}'],
    [(r, fd) => r['watch']!(fd, READABLE, nothing, null), 'options', 'null'],
    [(r, fd) => r['watch']!(fd, READABLE, nothing, 'edge'), 'options', "'edge'"],
    [(r, fd) => r['watch']!(fd, READABLE, nothing, { trigger: 'sharp' }), 'options.trigger', "'sharp'"],
    [(r, fd) => r['watch']!(fd, READABLE, nothing, { trigger: 256 }), 'options.trigger', '256'],
    [(r, fd) => r['watch']!(fd, READABLE, nothing, { trigger: 'toString' }), 'options.trigger', "'toString'"],
  ],
  'watch.interest': [
    [
      (r, fd) => Object.assign(r['watch']!(fd, READABLE, nothing) as object, { interest: 8 }),
      'interest',
      '8',
    ],
    [
      (r, fd) => Object.assign(r['watch']!(fd, READABLE, nothing) as object, { interest: '1' }),
      'interest',
      "'1'",
    ],
  ],
  'turn()': [
    [(r) => r['turn']!(-1), 'maxWaitMs', '-1'],
    [(r) => r['turn']!(NaN), 'maxWaitMs', 'NaN'],
    [(r) => r['turn']!(null), 'maxWaitMs', 'null'],
  ],
  'collect()': [[(r) => r['collect']!('1'), 'maxWaitMs', "'1'"]],
};
const list = Object.entries(cases).flatMap(([method, some]) =>
  some.map(([call, name, shown]) => [method, name, shown, call] as const),
);

test.each(list)('%s: %s as %s', (_method, name, shown, call) => {
  const { kernel, reactor, pair } = bench();
  const [fd] = pair();
  const error = thrown(() => call(reactor as unknown as Loose, fd));
  expect(error).toBeInstanceOf(UnderloopError);
  expect(error.code).toBe('ERR_ARGUMENT');
  expect(error.message.split(' ')[0]).toBe(name);
  expect(error.message).toMatch(/ must be .*; got /);
  expect(error.message.endsWith(`; got ${shown}`)).toBe(true);
  // Nothing has happened: nothing waits, and the reactor serves on.
  reactor.close();
  expect(kernel.openFds()).toEqual([fd, fd + 1]);
});

describe('new Reactor()', () => {
  const kernel = new ScriptedKernel();
  const wrong: [options: unknown, name: string, shown: string][] = [
    [null, 'options', 'null'],
    [5, 'options', '5'],
    [{ kernel: null }, 'options.kernel', 'null'],
    [{ kernel: 'native' }, 'options.kernel', "'native'"],
    [{ kernel, observer: 1 }, 'options.observer', '1'],
    [{ kernel, onError: 'log' }, 'options.onError', "'log'"],
    [{ kernel, eventsMax: 0 }, 'options.eventsMax', '0'],
    [{ kernel, eventsMax: 65_537 }, 'options.eventsMax', '65537'],
    [{ kernel, eventsMax: 1.5 }, 'options.eventsMax', '1.5'],
    [{ kernel, poller: 'epoll' }, 'options.poller', "'epoll'"],
    [{ kernel, poller: 5 }, 'options.poller', '5'],
  ];
  test.each(wrong)('%o: %s as %s', (options, name, shown) => {
    const error = thrown(() => new Reactor(options as never));
    expect(error.code).toBe('ERR_ARGUMENT');
    expect(error.message.split(' ')[0]).toBe(name);
    expect(error.message.endsWith(`; got ${shown}`)).toBe(true);
    expect(kernel.openFds()).toEqual([]);
  });
  test('a poller that is not of this system is answered with those that are', () => {
    expect(thrown(() => new Reactor({ kernel, poller: 'kqueue' })).message).toBe(
      "options.poller must be one of the pollers of this system: scripted; got 'kqueue'",
    );
  });
});

test('the virtual clock refuses what is no time', () => {
  const error = thrown(() => new VirtualClock().advance(-1));
  expect([error.code, error.message]).toEqual([
    'ERR_ARGUMENT',
    'ms must be a number of milliseconds, finite and at least 0; got -1',
  ]);
});
