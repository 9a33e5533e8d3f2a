// What a stepper may do while it holds the reactor, on scripted and on real sockets; and that nothing else changes meanwhile.

import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import {
  READABLE,
  Reactor,
  SilentObserver,
  connect,
  listen,
  nativeKernel as native,
} from '../../src/index.js';
import type { Held, Observer, ReactorOptions, Step, Trigger } from '../../src/index.js';
import { ScriptedKernel } from '../../src/testing.js';
import { runProgram } from '../lifecycle/child.js';
import { thrown } from '../reactor/fixture.js';

const { EAGAIN, EINTR, ECONNRESET } = constants.errno;
const opened: Reactor[] = [];
afterEach(() => {
  for (const reactor of opened.splice(0)) reactor.close();
});

/** A reactor whose stepper is asked through `hold`; on the scripted kernel unless told otherwise. */
function held(hold: (held: Held) => void | Promise<void>, options: ReactorOptions = {}): Reactor {
  const reactor = new Reactor({ kernel: new ScriptedKernel(), stepper: { hold }, ...options });
  opened.push(reactor);
  return reactor;
}

/** `count` scripted sockets that are readable, each watched; `log` gets their names as they run. */
function readable(reactor: Reactor, count: number, log: string[], trigger: Trigger = 'level'): number[] {
  const kernel = reactor.kernel;
  return Array.from({ length: count }, (_, i) => {
    const ends = new Int32Array(2);
    kernel.socketPair(ends);
    const near = ends[0]!;
    kernel.sendBytes(ends[1]!, Buffer.from('x'), 0, 1);
    const watch = reactor.watch(
      near,
      READABLE,
      () => {
        log.push(String.fromCharCode(97 + i));
        kernel.recv(near, 0, 16);
      },
      { trigger },
    );
    watch.unref();
    return near;
  });
}

const named = (steps: Step[]): string[] => steps.map(({ kind, name }) => `${kind} ${name}`.trim());

describe('a hold', () => {
  test('is asked before each item, with what is left of the batch, and runs nothing by looking', async () => {
    const seen: string[][] = [];
    const reactor = held((held) => void seen.push(named(held.peek())));
    reactor.post(function first() {});
    reactor.defer(function second() {});
    reactor.setTimer(0, function due() {});
    await reactor.run();
    expect(seen).toEqual([
      ['timer due', 'posted first', 'deferred second'],
      ['posted first', 'deferred second'],
      ['deferred second'],
    ]);
  });
  test('lasts as long as its promise; the runtime goes on, and nothing of the reactor runs', async () => {
    let release = (): void => undefined;
    const reactor = held(() => new Promise<void>((resolve) => (release = resolve)), { kernel: native });
    const log: string[] = [];
    reactor.post(() => log.push('item'));
    const running = reactor.run();
    const ticks: number[] = [];
    for (let i = 0; i < 3; i++) await sleep(5).then(() => ticks.push(i));
    expect(ticks).toHaveLength(3);
    expect(log).toEqual([]);
    release();
    await running;
    expect(log).toEqual(['item']);
  });
  test('of one reactor leaves another of the same thread running', async () => {
    let release = (): void => undefined;
    const first = held(() => new Promise<void>((resolve) => (release = resolve)), { kernel: native });
    const second = new Reactor();
    opened.push(second);
    const log: string[] = [];
    first.post(() => log.push('first'));
    second.setTimer(5, () => {
      log.push('second');
      release();
    });
    await Promise.all([first.run(), second.run()]);
    expect(log).toEqual(['second', 'first']);
  });
  test('with a promise in a turn() of the caller’s own is refused, for nobody could wait for it', () => {
    const reactor = held(() => Promise.resolve());
    reactor.post(() => undefined);
    expect(thrown(() => reactor.turn(0))).toMatchObject({ code: 'ERR_BUSY' });
  });
  test('that returns nothing holds nothing: turn() goes on', () => {
    const log: string[] = [];
    const reactor = held(() => void log.push('asked'));
    reactor.post(() => log.push('item'));
    expect(reactor.turn(0)).toBe(1);
    expect(log).toEqual(['asked', 'item']);
  });
  test('that fails ends run() with its error; run again, the reactor goes on with the rest of the batch', async () => {
    for (const fail of [
      () => Promise.reject(new Error('enough')),
      () => {
        throw new Error('enough');
      },
    ]) {
      const log: string[] = [];
      let fails = true;
      const reactor = held(() => (fails ? fail() : undefined));
      reactor.post(() => log.push('a'));
      reactor.post(() => log.push('b'));
      await expect(reactor.run()).rejects.toThrow('enough');
      expect(log).toEqual([]);
      fails = false;
      await reactor.run();
      expect(log).toEqual(['a', 'b']);
    }
  });
  test('is no way around the turn: stop() while held ends run() when the turn is over', async () => {
    const log: string[] = [];
    const reactor = held(async () => {
      await sleep(1);
      reactor.stop();
    });
    reactor.post(() => {
      log.push('a');
      reactor.post(() => log.push('next turn'));
    });
    reactor.post(() => log.push('b'));
    await reactor.run();
    expect(log).toEqual(['a', 'b']);
  });
  test('may close the reactor: nothing of the batch runs, and run() ends', async () => {
    const log: string[] = [];
    const reactor = held(async () => {
      await sleep(1);
      reactor.close();
    });
    reactor.post(() => log.push('a'));
    await reactor.run();
    expect(log).toEqual([]);
  });
});

describe('the batch', () => {
  test('readinesses can be put into another order', async () => {
    const log: string[] = [];
    let done = false;
    const reactor = held((held) => {
      if (!done) held.move(3, 0);
      if (!done) held.move(1, 2);
      done = true;
    });
    readable(reactor, 4, log);
    reactor.turn(0);
    expect(log).toEqual(['d', 'b', 'a', 'c']);
  });
  test('a readiness that is dropped comes again in level mode', () => {
    const log: string[] = [];
    let drops = 1;
    const reactor = held((held) => {
      if (drops-- > 0) held.drop(1);
    });
    readable(reactor, 3, log);
    reactor.turn(0);
    expect(log).toEqual(['a', 'c']);
    reactor.turn(0);
    expect(log).toEqual(['a', 'c', 'b']);
  });
  test('and is lost in edge mode', () => {
    const log: string[] = [];
    let drops = 1;
    const reactor = held((held) => {
      if (drops-- > 0) held.drop(0);
    });
    readable(reactor, 2, log, 'edge');
    reactor.turn(0);
    reactor.turn(0);
    expect(log).toEqual(['b']);
  });
  test('dropping the last item ends the turn', () => {
    const reactor = held((held) => held.drop(0));
    readable(reactor, 1, []);
    expect(reactor.turn(0)).toBe(0);
    expect(reactor.batchLeft).toBe(0);
  });
  test('dropping all that is left, while a promise holds, agrees to nothing of the next turn', async () => {
    const log: string[] = [];
    const holds: [turn: number, ran: number][] = [];
    const reactor = held(async (held) => {
      holds.push([held.turnNumber, log.length]);
      if (holds.length === 1) held.drop(0);
      else reactor.stop();
    });
    readable(reactor, 1, log);
    reactor.setTimer(5, () => undefined); // keeps run() going
    await reactor.run();
    expect([holds.map(([, ran]) => ran), holds[1]![0] - holds[0]![0], log]).toEqual([[0, 0], 1, ['a']]);
  });
  test('timers and tasks keep their places: only readinesses can be moved or dropped', () => {
    const codes: unknown[] = [];
    const reactor = held((held) => {
      if (codes.length > 0) return;
      for (const act of [
        () => held.drop(0),
        () => held.move(1, 2),
        () => held.move(0, 1),
        () => held.drop(-1),
      ]) {
        codes.push((thrown(act) as { code?: string }).code);
      }
    });
    readable(reactor, 1, []);
    reactor.setTimer(0, () => undefined);
    reactor.post(() => undefined);
    reactor.turn(0);
    expect(codes).toEqual(Array(4).fill('ERR_ARGUMENT'));
  });
});

/** Notes the calls that can be injected, as strace shows them. */
class Calls extends SilentObserver {
  readonly made: string[] = [];
  override call(...[name, args, result]: Parameters<Observer['call']>): void {
    if (name === 'recv' || name.startsWith('send'))
      this.made.push(`${name} ${String(args.at(-1))} = ${String(result)}`);
  }
}

describe('injected results, on real sockets', () => {
  /** A client sends 'hello' and waits for it to come back; what was injected happens to the server's calls. */
  async function echo(
    inject: (held: Held, serverFd: number) => void,
  ): Promise<{ calls: string[]; closed: string[]; got: string }> {
    const observer = new Calls();
    let server = -1;
    let injected = false;
    const reactor = held(
      (held) => {
        if (server < 0 || injected) return;
        injected = true;
        inject(held, server);
      },
      { kernel: native, observer },
    );
    const closed: string[] = [];
    let got = '';
    const listener = listen(
      reactor,
      {},
      {
        open: (connection) => void (server = connection.fd),
        data: (connection, buffer, start, end) =>
          void connection.write(Buffer.from(buffer.subarray(start, end))),
        error: (_connection, error) => void closed.push(`server ${(error as { code?: string }).code ?? ''}`),
      },
    );
    connect(
      reactor,
      { port: listener.address.port },
      {
        open: (connection) => void connection.write('hello'),
        data(connection, buffer, start, end) {
          got += Buffer.from(buffer.subarray(start, end)).toString();
          if (got.length >= 5) connection.end();
        },
        close: () => listener.close(),
      },
    );
    await reactor.run();
    return { calls: observer.made, closed, got };
  }

  test('nothing injected: the echo as it is', async () => {
    const { got, closed } = await echo(() => undefined);
    expect([got, closed]).toEqual(['hello', []]);
  });
  test('EAGAIN of recv: the readiness comes again', async () => {
    const { calls, got } = await echo((held, fd) => held.inject('recv', -EAGAIN, fd));
    expect(got).toBe('hello');
    expect(calls).toContain(`recv 65536 = ${String(-EAGAIN)}`);
  });
  test('EINTR of recv: the call is made again at once', async () => {
    const { calls, got } = await echo((held, fd) => held.inject('recv', -EINTR, fd));
    expect(got).toBe('hello');
    const at = calls.indexOf(`recv 65536 = ${String(-EINTR)}`);
    expect(calls[at + 1]).toBe('recv 65536 = 5');
  });
  test('a partial write: the rest is queued and sent', async () => {
    const { calls, got } = await echo((held, fd) => held.inject('send', { bytesMax: 2 }, fd));
    expect(got).toBe('hello');
    expect(calls).toContain('sendBytes 5 = 2');
    expect(calls).toContain('sendBytes 3 = 3');
  });
  test('a short read: the rest is read in a later turn', async () => {
    const { calls, got } = await echo((held, fd) => held.inject('recv', { bytesMax: 1 }, fd));
    expect(got).toBe('hello');
    expect(calls).toContain('recv 65536 = 1');
  });
  test('a reset: the connection fails with it', async () => {
    const { closed, got } = await echo((held, fd) => held.inject('recv', -ECONNRESET, fd));
    expect(closed).toEqual(['server ECONNRESET']);
    expect(got).toBe('');
  });
  test('wrong ones are refused', () => {
    const codes: unknown[] = [];
    const reactor = held((held) => {
      const wrong = [
        ['nothing', -1],
        ['recv', 5],
        ['accept', { bytesMax: 1 }],
        ['recv', { bytesMax: 0 }],
        ['recv', -1, -1],
      ];
      for (const args of wrong) {
        codes.push(
          (thrown(() => held.inject(...(args as Parameters<Held['inject']>))) as { code?: string }).code,
        );
      }
    });
    reactor.post(() => undefined);
    reactor.turn(0);
    expect(codes).toEqual(Array(5).fill('ERR_ARGUMENT'));
  });
});

describe('steps()', () => {
  test('describes each item of real sockets before it runs, and leaves nothing out', async () => {
    const began: unknown[][] = [];
    const observer = new SilentObserver();
    // The host's own registrations are no part of the program, and not stepped through.
    observer.itemBegin = (kind, item, fd, readiness) => {
      if (item.constructor.name !== 'HostSource') began.push([kind, item, fd, readiness]);
    };
    const reactor = new Reactor({ observer });
    opened.push(reactor);
    let got = '';
    const listener = listen(
      reactor,
      {},
      { data: (c, buffer, start, end) => void c.write(buffer, start, end) },
    );
    for (let i = 0; i < 4; i++) {
      connect(
        reactor,
        { port: listener.address.port },
        {
          open: (connection) => void connection.write('hello'),
          data(connection, buffer, start, end) {
            got += Buffer.from(buffer.subarray(start, end)).toString();
            connection.end();
            if (got.length === 20) listener.close();
          },
        },
      );
    }
    const steps: unknown[][] = [];
    for await (const step of reactor.steps()) {
      expect(began.length).toBe(steps.length);
      if (!step.stale) steps.push([step.kind, step.task, step.fd, step.readiness]);
    }
    expect(got).toBe('hello'.repeat(4));
    const differing = steps.findIndex((step, i) => step.some((value, j) => value !== began[i]?.[j]));
    expect([steps.length, differing]).toEqual([began.length, -1]);
  });
  test('lives beside the runtime: its timers go on while the reactor waits and while it is held', async () => {
    const reactor = new Reactor();
    opened.push(reactor);
    const log: string[] = [];
    let ticks = 0;
    // The reactor waits for as long as it takes the runtime to end that wait.
    const keeper = reactor.setTimer(60_000, () => undefined);
    const timer = setInterval(() => {
      if (++ticks !== 3) return;
      keeper.cancel();
      reactor.setTimer(0, () => log.push('reactor'));
    }, 2);
    for await (const _step of reactor.steps()) {
      const before = ticks;
      expect(before).toBeGreaterThanOrEqual(3);
      while (ticks < before + 3) await sleep(1);
      expect(log).toEqual([]);
    }
    clearInterval(timer);
    expect(log).toEqual(['reactor']);
  });
  test('does not wait for Node to wake up', async () => {
    const { stdout, stderr, code } = await runProgram('step/programs/asleep.mjs', []);
    expect([code, stderr, stdout]).toEqual([0, '', 'closed Connection\n']);
  });
  test('a consumer that leaves its loop stops the reactor when the turn is over, and it may be run again', async () => {
    const reactor = new Reactor();
    opened.push(reactor);
    const log: string[] = [];
    for (const name of ['a', 'b']) reactor.post(() => log.push(name));
    reactor.setTimer(5, () => log.push('later'));
    for await (const step of reactor.steps()) {
      expect(step).toMatchObject({ kind: 'posted', stale: false });
      break;
    }
    expect(log).toEqual(['a', 'b']);
    await reactor.run();
    expect(log).toEqual(['a', 'b', 'later']);
  });
  test('begins when the first step is asked for, and not beside run() or a stepper', async () => {
    const reactor = new Reactor();
    opened.push(reactor);
    const unused = reactor.steps();
    reactor.setTimer(5, () => undefined);
    const running = reactor.run();
    await expect(unused.next()).rejects.toMatchObject({ code: 'ERR_BUSY' });
    await running;
    await expect(
      held(() => undefined)
        .steps()
        .next(),
    ).rejects.toMatchObject({ code: 'ERR_BUSY' });
  });
});
