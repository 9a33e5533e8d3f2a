// Faults: a throwing handler harms nobody else, and what may not be called when is refused with a code.

import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import { READABLE, Reactor } from '../../src/index.js';
import type { ItemKind } from '../../src/index.js';
import { ScriptedKernel } from '../../src/testing.js';
import { runProgram } from '../lifecycle/child.js';
import { bench, thrown } from './fixture.js';

describe('a throwing handler', () => {
  const kinds: ItemKind[] = ['timer', 'readiness', 'posted', 'deferred', 'closed'];

  /** A reactor with one throwing item of each kind, each with a sound neighbour of its kind behind it. */
  function throwers(onError: (error: unknown, kind: ItemKind) => void): ReturnType<typeof bench> {
    const made = bench({ onError });
    const { reactor, note, pair, feed } = made;
    const fail = (kind: string) => (): never => {
      throw new Error(`${kind} failed`);
    };
    const [a] = pair();
    const [b] = pair();
    for (const item of [fail, note]) {
      reactor.setTimer(0, item('timer'));
      reactor.watch(item === fail ? a : b, READABLE, item('readiness'));
      reactor.post(item('posted'));
      reactor.defer(item('deferred'));
      reactor.closing(item('closed'));
    }
    feed(a);
    feed(b);
    return made;
  }

  test('reaches onError with its kind, whatever kind of item it was', () => {
    const seen: string[] = [];
    const { reactor, observer } = throwers((error, kind) =>
      seen.push(`${kind}: ${(error as Error).message}`),
    );
    reactor.turn();
    expect(seen).toEqual(kinds.map((kind) => `${kind}: ${kind} failed`));
    expect(observer.errors.map(({ kind }) => kind)).toEqual(kinds);
  });
  test('closes nothing else: its neighbours run, and the watch that threw is called again', () => {
    let errors = 0;
    const { reactor, log } = throwers(() => errors++);
    reactor.turn();
    expect(log).toEqual(kinds);
    expect(reactor.alive).toBe(true);
    reactor.turn();
    expect([errors, log.at(-1)]).toEqual([6, 'readiness']);
  });
  test('does not end run()', async () => {
    const errors: unknown[] = [];
    const { reactor, log, note } = bench({ onError: (error) => errors.push(error) });
    reactor.post(() => {
      throw new Error('once');
    });
    reactor.setTimer(5, note('later'));
    await reactor.run();
    expect([errors.length, log]).toEqual([1, ['later']]);
  });
  test.each([undefined, null, 0, 'text', Symbol('odd')])('may throw %s, which arrives as it is', (thing) => {
    const seen: unknown[][] = [];
    const { reactor } = bench({ onError: (...all) => seen.push(all) });
    reactor.post(() => {
      throw thing;
    });
    reactor.turn();
    expect(seen).toEqual([[thing, 'posted']]);
  });
  test('onError can be replaced at any time', () => {
    const { reactor, log } = bench({ onError: () => log.push('first') });
    reactor.post(() => {
      reactor.onError = () => log.push('second');
      throw new Error('thrown after the change');
    });
    reactor.turn();
    expect(log).toEqual(['second']);
  });
  test('onError is a handler like others: it may use the reactor, but not turn it', () => {
    const codes: unknown[] = [];
    const { reactor, log, note } = bench({
      onError: () => {
        reactor.post(note('posted by onError'));
        codes.push(thrown(() => reactor.turn(0)).code);
      },
    });
    reactor.post(() => {
      throw new Error('first');
    });
    reactor.turn();
    reactor.turn();
    expect([codes, log]).toEqual([['ERR_BUSY'], ['posted by onError']]);
  });
});

describe('without onError', () => {
  test.each(['scripted', 'native'])(
    'the runtime’s uncaughtException has it, and the rest goes on (%s)',
    async (kernel) => {
      const { stdout, code } = await runProgram('reactor/programs/uncaught.mjs', ['handled', kernel]);
      expect(stdout.trim().split('\n')).toEqual([
        'neighbour runs',
        'uncaughtException: from a task',
        'a later turn runs',
        'run() has ended',
      ]);
      expect(code).toBe(0);
    },
  );
  test.each(['scripted', 'native'])(
    'unhandled, it ends the process with 1 and its own stack (%s)',
    async (kernel) => {
      const { stdout, stderr, code } = await runProgram('reactor/programs/uncaught.mjs', [
        'unhandled',
        kernel,
      ]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/Error: from a task\n\s+at failingTask \(.*uncaught\.mjs/);
      expect(stdout.trim().split('\n')).toEqual(['neighbour runs']);
    },
  );
  test.each(['scripted', 'native'])('nor does a throwing onError vanish (%s)', async (kernel) => {
    const { stdout, code } = await runProgram('reactor/programs/uncaught.mjs', ['throwing-onError', kernel]);
    expect(stdout.trim().split('\n')).toEqual([
      'neighbour runs',
      'uncaughtException: from onError, because of from a task',
      'a later turn runs',
      'run() has ended',
    ]);
    expect(code).toBe(0);
  });
});

describe('ERR_BUSY', () => {
  test('collect(), turn() and dispatchNext() in a handler, of every kind', () => {
    const { reactor, pair, feed, drain } = bench();
    const seen: unknown[] = [];
    const attempt = (): void => {
      for (const call of ['collect', 'turn', 'dispatchNext'] as const) {
        const error = thrown(() => reactor[call]());
        seen.push(error.code, error.message.includes(`${call}()`));
      }
    };
    const [a] = pair();
    reactor.watch(a, READABLE, () => {
      drain(a);
      attempt();
    });
    feed(a);
    reactor.setTimer(0, attempt);
    for (const queue of ['post', 'defer', 'closing'] as const) reactor[queue](attempt);
    expect(reactor.turn()).toBe(5);
    expect(seen).toEqual(Array(15).fill(['ERR_BUSY', true]).flat());
  });
  test('after a handler was refused one, the turn goes on as if nothing had been', () => {
    const { reactor, log, note } = bench();
    reactor.post(() => void thrown(() => reactor.dispatchNext()));
    reactor.post(note('behind'));
    expect([reactor.turn(), log]).toEqual([2, ['behind']]);
    expect(reactor.turn(0)).toBe(0);
  });
  test('collect() and turn() while a batch is not dispatched to its end', () => {
    const { reactor, log, note } = bench();
    reactor.post(note('first'));
    reactor.post(note('second'));
    reactor.collect();
    reactor.dispatchNext();
    for (const call of [() => reactor.collect(), () => reactor.turn()]) {
      expect(thrown(call)).toMatchObject({ code: 'ERR_BUSY', message: /last batch/ });
    }
    reactor.dispatchNext();
    reactor.collect(0);
    expect(log).toEqual(['first', 'second']);
  });
  test('run() twice', async () => {
    const { reactor } = bench();
    const ended = reactor.run();
    expect(thrown(() => reactor.run())).toMatchObject({ code: 'ERR_BUSY', message: /run\(\)/ });
    await ended;
  });
});

describe('ERR_CLOSED', () => {
  test('everything that asks something of a closed reactor', () => {
    const { reactor, pair } = bench();
    const [a] = pair();
    reactor.close();
    const nothing = (): void => {};
    const calls = {
      turn: () => reactor.turn(),
      collect: () => reactor.collect(),
      run: () => reactor.run(),
      setTimer: () => reactor.setTimer(1, nothing),
      post: () => reactor.post(nothing),
      defer: () => reactor.defer(nothing),
      closing: () => reactor.closing(nothing),
      watch: () => reactor.watch(a, READABLE, nothing),
      'parked watch': () => reactor.watch(a, 0, nothing),
    };
    const codes = Object.entries(calls).map(([name, call]) => [name, thrown(call).code]);
    expect(codes).toEqual(Object.keys(calls).map((name) => [name, 'ERR_CLOSED']));
  });
  test('but closing twice, stopping, asking and letting go do no harm', () => {
    const { reactor, pair } = bench();
    const timer = reactor.setTimer(5, () => {});
    const watch = reactor.watch(pair()[0], READABLE, () => {});
    reactor.close();
    reactor.close();
    reactor.stop();
    reactor.ref().unref();
    timer.unref().ref().cancel();
    watch.unref().ref().close();
    expect([reactor.alive, reactor.dispatchNext(), watch.closed, reactor.now()]).toEqual([
      false,
      false,
      true,
      0,
    ]);
  });
  test('closing gives every descriptor of the reactor’s own back, and none of the program’s', () => {
    const kernel = new ScriptedKernel();
    const before = kernel.openFds();
    {
      using reactor = new Reactor({ kernel });
      expect(kernel.openFds()).toEqual([reactor.poller.fd]);
    }
    expect(kernel.openFds()).toEqual(before);
  });
});

describe('a system that refuses', () => {
  test('no descriptor left for a poller: a SystemError from the constructor', () => {
    const kernel = new ScriptedKernel({ fdLimit: 3 });
    const error = thrown(() => new Reactor({ kernel }));
    expect(error).toMatchObject({ name: 'SystemError', code: 'EMFILE', syscall: 'open scripted poller' });
  });
  test('a wait that fails ends run(), which rejects with it, instead of failing for ever', async () => {
    const { kernel, reactor, observer, note } = bench();
    reactor.setTimer(1, note('timer'));
    kernel.script('wait', reactor.poller.fd, -constants.errno.EBADF, -constants.errno.EBADF);
    await expect(reactor.run()).rejects.toMatchObject({ code: 'EBADF', syscall: 'scripted_wait' });
    expect([observer.turns, kernel.scriptsLeft]).toEqual([1, 1]);
  });
  test('a script that can never go on rejects run() with what it waits for', async () => {
    const { reactor, pair } = bench();
    reactor.watch(pair()[0], READABLE, () => {});
    await expect(reactor.run()).rejects.toMatchObject({ code: 'ERR_SCRIPT_DEADLOCK' });
  });
  test('a wait that fails is thrown by turn(), and loses neither a due timer nor a task', () => {
    const { kernel, reactor, log, note } = bench();
    reactor.setTimer(0, note('timer'));
    reactor.post(note('posted'));
    kernel.script('wait', reactor.poller.fd, -constants.errno.ENOMEM);
    expect(thrown(() => reactor.turn())).toMatchObject({
      code: 'ENOMEM',
      syscall: 'scripted_wait',
      fd: reactor.poller.fd,
    });
    while (reactor.dispatchNext());
    reactor.turn(0);
    expect(log).toEqual(['timer', 'posted']);
  });
});
