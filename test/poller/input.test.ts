// Wrong input to the public Poller: an error with a code, and a message that names the argument and what it was.

import { readdirSync } from 'node:fs';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  ERROR,
  HANGUP,
  INVALID,
  NONE,
  Poller,
  READABLE,
  READ_CLOSED,
  SystemError,
  UnderloopError,
  WRITABLE,
  descriptors,
  nativeKernel,
} from '../../src/index.js';
import type { Registration } from '../../src/index.js';
import { ScriptedKernel } from '../../src/testing.js';
import { closes, kinds, newPoller, opens, ready, text } from './tools.js';

const levelOnly = kinds.filter((kind) => kind === 'poll' || kind === 'select');

let poller: Poller;
let near: number;
let far: number;
beforeEach(() => {
  poller = newPoller();
  [near, far] = opens(descriptors.socketPair()) as [number, number];
});

/** What an action of the wrong type does; the arguments are meant to be wrong. */
function refusal(action: () => unknown): { code: string; message: string } {
  try {
    action();
  } catch (error) {
    expect(error instanceof UnderloopError || error instanceof SystemError).toBe(true);
    return error as UnderloopError;
  }
  throw new Error('accepted');
}

const any = <T>(value: unknown): T => value as T;

describe('argument mistakes are ERR_ARGUMENT and name what they were', () => {
  const wrongFds: [unknown, string][] = [
    [-1, 'got -1'],
    [1.5, 'got 1.5'],
    [NaN, 'got NaN'],
    [Infinity, 'got Infinity'],
    [2 ** 31, 'got 2147483648'],
    ['3', "got '3'"],
    [3n, 'got 3n'],
    [null, 'got null'],
    [undefined, 'got undefined'],
    [{ fd: 3 }, 'got { fd: 3 }'],
    [[3], 'got [ 3 ]'],
  ];
  test.each(wrongFds)('fd %s', (fd, shown) => {
    const { code, message } = refusal(() => poller.add(any(fd), READABLE));
    expect(code).toBe('ERR_ARGUMENT');
    expect(message).toMatch(/^fd must be a file descriptor, an integer of at least 0; got /);
    expect(message).toContain(shown);
    expect(poller.size).toBe(0);
  });

  const wrongInterests: [unknown, string][] = [
    [-1, 'got -1'],
    [READ_CLOSED, 'got 8'],
    [READABLE | HANGUP, 'got 17'],
    [ERROR, 'got 32'],
    [INVALID, 'got 64'],
    [READABLE | 256, 'got 257'],
    [1.5, 'got 1.5'],
    [NaN, 'got NaN'],
    ['readable', "got 'readable'"],
    [undefined, 'got undefined'],
    [null, 'got null'],
  ];
  test.each(wrongInterests)('interest %s, in add and in modify', (interest, shown) => {
    const registration = poller.add(near, READABLE);
    for (const action of [
      () => poller.add(far, any(interest)),
      () => poller.modify(registration, any(interest)),
    ]) {
      const { code, message } = refusal(action);
      expect(code).toBe('ERR_ARGUMENT');
      expect(message).toContain('interest (READABLE | WRITABLE | PRIORITY) must be an integer from 0 to 7');
      expect(message).toContain(shown);
    }
    expect(poller.size).toBe(1);
  });

  test.each([
    ['sideways', "got 'sideways'"],
    ['toString', "got 'toString'"],
    ['', "got ''"],
    [1, 'got 1'],
    [null, 'got null'],
    [['edge'], "got [ 'edge' ]"],
  ])('trigger %s', (trigger, shown) => {
    const { code, message } = refusal(() => poller.add(near, READABLE, any(trigger)));
    expect(code).toBe('ERR_ARGUMENT');
    expect(message).toBe(`trigger must be one of level, edge, oneshot, edge-oneshot; ${shown}`);
  });

  test.each([
    [-1, 'got -1'],
    [-0.5, 'got -0.5'],
    [NaN, 'got NaN'],
    [-Infinity, 'got -Infinity'],
    ['5', "got '5'"],
    [5n, 'got 5n'],
    [undefined, 'got undefined'],
    [null, 'got null'],
  ])('timeoutMs %s', (timeoutMs, shown) => {
    const { code, message } = refusal(() => poller.wait(new Int32Array(3), any(timeoutMs)));
    expect(code).toBe('ERR_ARGUMENT');
    expect(message).toBe(`timeoutMs must be a number of milliseconds, at least 0, or Infinity; ${shown}`);
  });

  test.each([
    [new Int32Array(2), 'got Int32Array(2)'],
    [new Int32Array(0), 'got Int32Array(0)'],
    [new Uint32Array(9), 'got Uint32Array(9)'],
    [[0, 0, 0], 'got [ 0, 0, 0 ]'],
    [new ArrayBuffer(12), 'got ArrayBuffer'],
    [null, 'got null'],
    [undefined, 'got undefined'],
    [Object.create(Int32Array.prototype), 'got '],
  ])('events %#', (events, shown) => {
    const { code, message } = refusal(() => poller.wait(any(events), 0));
    expect(code).toBe('ERR_ARGUMENT');
    expect(message).toMatch(/^events must be an Int32Array of at least 3 elements; got /);
    expect(message).toContain(shown);
  });

  test.each([[undefined], [null], [7], ['registration']])('registration %s', (registration) => {
    const wrong = any<Registration>(registration);
    for (const action of [
      () => poller.modify(wrong, READABLE),
      () => poller.remove(wrong),
      () => poller.isCurrent(wrong),
    ]) {
      const { code, message } = refusal(action);
      expect(code).toBe('ERR_ARGUMENT');
      expect(message).toMatch(/^registration must be what add\(\) gave; got /);
    }
  });

  test.each([['nothing'], [''], [5], [null], ['scripted']])('options.kind %s', (kind) => {
    const { code, message } = refusal(() => new Poller({ kind: any(kind) }));
    expect(code).toBe('ERR_ARGUMENT');
    expect(message).toContain(
      `one of the pollers of this system: ${nativeKernel.pollerKinds.join(', ')}; got `,
    );
  });
  test.each([[null], [5], ['epoll']])('options %s', (options) => {
    const { code, message } = refusal(() => new Poller(any(options)));
    expect(code).toBe('ERR_ARGUMENT');
    expect(message).toMatch(/^options must be an object; got /);
  });
  test('UNDERLOOP_POLLER is named when it is at fault', () => {
    process.env['UNDERLOOP_POLLER'] = 'pigeon';
    try {
      const { code, message } = refusal(() => new Poller());
      expect(code).toBe('ERR_ARGUMENT');
      expect(message).toMatch(/^the environment variable UNDERLOOP_POLLER must be .*; got 'pigeon'$/);
      // It chooses for the native kernel only, and an option overrules it.
      expect(new Poller({ kernel: new ScriptedKernel() }).kind).toBe('scripted');
      expect(newPoller('poll').kind).toBe('poll');
      process.env['UNDERLOOP_POLLER'] = 'select';
      expect(newPoller().kind).toBe('select');
    } finally {
      delete process.env['UNDERLOOP_POLLER'];
    }
  });
});

describe.each(levelOnly)('%s, which is level-triggered only', (kind) => {
  test.each(['edge', 'oneshot', 'edge-oneshot'] as const)("refuses the trigger '%s'", (trigger) => {
    const { code, message } = refusal(() => newPoller(kind).add(near, READABLE, trigger));
    expect(code).toBe('ERR_UNSUPPORTED');
    expect(message).toBe(
      `trigger '${trigger}' is not possible with ${kind}, which is level-triggered only; use epoll or kqueue`,
    );
  });
});

describe.each(kinds)('%s', (kind) => {
  beforeEach(() => {
    poller = newPoller(kind);
  });

  test('an fd twice, whatever the interests: ERR_FD_REGISTERED, and the first one stays', () => {
    const registration = poller.add(near, READABLE);
    for (const interest of [READABLE, WRITABLE, NONE]) {
      const { code, message } = refusal(() => poller.add(near, interest));
      expect(code).toBe('ERR_FD_REGISTERED');
      expect(message).toContain(`fd ${String(near)} is registered with this poller already`);
    }
    poller.modify(registration, NONE);
    for (const interest of [READABLE, NONE]) {
      expect(refusal(() => poller.add(near, interest)).code).toBe('ERR_FD_REGISTERED');
    }
    expect(poller.size).toBe(1);
    poller.modify(registration, READABLE);
    descriptors.write(far, text('x'));
    expect(ready(poller, registration)).toBe('readable');
  });

  test.each([READABLE, WRITABLE, NONE])(
    'an fd that is not open, for interest %i: EBADF, in words',
    (interest) => {
      closes(near);
      // The highest number there can be must not make tables grow to it.
      for (const fd of kind === 'select' ? [near] : [near, 0x7fffffff]) {
        const error = refusal(() => poller.add(fd, interest));
        expect(error).toBeInstanceOf(SystemError);
        expect(error).toMatchObject({ code: 'EBADF', syscall: `${kind}_add`, fd });
        expect(error.message).toMatch(new RegExp(`EBADF fd ${String(fd)}: .*not open`));
      }
      expect(poller.size).toBe(0);
      // A refusal uses up no slot.
      expect(poller.add(far, READABLE).slot).toBe(0);
    },
  );

  test('a registration that was removed: ERR_NOT_REGISTERED to change it, nothing to remove it again', () => {
    const registration = poller.add(near, READABLE);
    poller.remove(registration);
    poller.remove(registration);
    const { code, message } = refusal(() => poller.modify(registration, WRITABLE));
    expect(code).toBe('ERR_NOT_REGISTERED');
    expect(message).toContain(`fd ${String(near)} is not registered`);
    expect(poller.size).toBe(0);
  });

  test("another poller's registration: refused, though this one has the same slot and generation", () => {
    const theirs = newPoller(kind).add(far, READABLE);
    const ours = poller.add(near, READABLE);
    expect([theirs.slot, theirs.generation]).toEqual([ours.slot, ours.generation]);
    expect(refusal(() => poller.modify(theirs, WRITABLE)).code).toBe('ERR_NOT_REGISTERED');
    poller.remove(theirs);
    expect(poller.isCurrent(ours)).toBe(true);
    descriptors.write(far, text('x'));
    expect(ready(poller, ours)).toBe('readable');
  });

  test('a closed poller: ERR_CLOSED from every call, and closing again is nothing', () => {
    const registration = poller.add(near, READABLE);
    poller.close();
    poller.close();
    for (const action of [
      () => poller.add(far, READABLE),
      () => poller.modify(registration, WRITABLE),
      () => poller.remove(registration),
      () => poller.wait(new Int32Array(3), 0),
      () => poller.wake(),
    ]) {
      const { code, message } = refusal(action);
      expect(code).toBe('ERR_CLOSED');
      expect(message).toBe('the poller is closed; make a new one');
    }
    expect(poller.fd).toBe(-1);
    descriptors.write(far, text('still open'));
  });

  test.runIf(process.platform === 'linux')(
    'a refused add and a closed poller leave no descriptor behind',
    () => {
      const before = readdirSync('/proc/self/fd').length;
      for (let i = 0; i < 20; i++) {
        using short = new Poller({ kind });
        refusal(() => short.add(0x7ffffffe, READABLE));
      }
      expect(readdirSync('/proc/self/fd')).toHaveLength(before);
    },
  );
});

describe('descriptors', () => {
  test.each<[string, () => unknown, RegExp]>([
    ['eventFd(-1)', () => descriptors.eventFd(-1), /^initial must be an integer from 0 .*; got -1$/],
    ['eventFd(0.5)', () => descriptors.eventFd(0.5), /^initial .*; got 0.5$/],
    ['timerFd(-1)', () => descriptors.timerFd(-1), /^firstMs .*; got -1$/],
    ['timerFd(NaN)', () => descriptors.timerFd(NaN), /^firstMs .*; got NaN$/],
    ['timerFd(1, Infinity)', () => descriptors.timerFd(1, Infinity), /^intervalMs .*finite.*; got Infinity$/],
    ['signalFd(0)', () => descriptors.signalFd(0), /^signal must be an integer from 1 to 64; got 0$/],
    ['signalFd(65)', () => descriptors.signalFd(65), /^signal .*; got 65$/],
    ["inotify('')", () => descriptors.inotify(''), /^path must be a path; got ''$/],
    ['inotify with a zero', () => descriptors.inotify('a\0b'), /^path .*; got 'a\\x00b'$/],
    ['inotify(5)', () => descriptors.inotify(any(5)), /^path .*; got 5$/],
    ["inotify('.', 0)", () => descriptors.inotify('.', 0), /^mask .*; got 0$/],
    ['pidFd(0)', () => descriptors.pidFd(0), /^pid .*; got 0$/],
    ['pidFd(-5)', () => descriptors.pidFd(-5), /^pid .*; got -5$/],
    ['duplicate(-1)', () => descriptors.duplicate(-1), /^fd .*; got -1$/],
    ['setNonBlocking(NaN)', () => descriptors.setNonBlocking(NaN), /^fd .*; got NaN$/],
    ['close("3")', () => descriptors.close(any('3')), /^fd .*; got '3'$/],
    ['read of an fd', () => descriptors.read(any({}), new Uint8Array(1)), /^fd .*; got {}$/],
    ['read into text', () => descriptors.read(0, any('x')), /^bytes must be a Uint8Array; got 'x'$/],
    ['read into nothing', () => descriptors.read(0, any(undefined)), /^bytes must be .*; got undefined$/],
    ['write of nothing', () => descriptors.write(0, any(null)), /^bytes must be .*; got null$/],
    ['read beyond', () => descriptors.read(0, new Uint8Array(4), 2, 3), /^length must be .* to 2; got 3$/],
    ['write before', () => descriptors.write(0, new Uint8Array(4), -1), /^start must be .* to 4; got -1$/],
  ])('%s is ERR_ARGUMENT', (_, action, message) => {
    expect(refusal(action)).toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(message) as string,
    });
  });

  test('no bytes are none read and none written, wherever they are', () => {
    const empty = new Uint8Array(0);
    expect([descriptors.write(near, empty), descriptors.write(near, text('x'), 1)]).toEqual([0, 0]);
    expect([descriptors.read(far, empty), descriptors.read(far, text('x'), 1)]).toEqual([0, 0]);
  });

  test.each<[string, () => unknown, string, string]>([
    ['close of a closed fd', () => descriptors.close(0x7ffffffe), 'EBADF', 'close'],
    ['read of a closed fd', () => descriptors.read(0x7ffffffe, new Uint8Array(1)), 'EBADF', 'read'],
    ['duplicate of a closed fd', () => descriptors.duplicate(0x7ffffffe), 'EBADF', 'dup'],
    ['inotify of no file', () => descriptors.inotify('/no/such/file'), 'ENOENT', 'inotify_add_watch'],
    ['pidfd of no process', () => descriptors.pidFd(0x7ffffffe), 'ESRCH', 'pidfd_open'],
  ])('%s is a SystemError', (_, action, code, syscall) => {
    if (process.platform !== 'linux' && !['EBADF'].includes(code)) code = 'ENOSYS';
    expect(refusal(action)).toMatchObject({ name: 'SystemError', code, syscall });
  });
});
