// What goes wrong with readiness on real descriptors, by its usual names: each test shows what the public Poller says then.

import { openSync } from 'node:fs';
import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import {
  NONE,
  Poller,
  READABLE,
  SystemError,
  UnderloopError,
  WRITABLE,
  descriptors,
  nativeKernel,
} from '../../src/index.js';
import type { PollerKind } from '../../src/index.js';
import { ScriptedKernel } from '../../src/testing.js';
import { closes, kinds, newPoller, opens, readText, ready, text } from './tools.js';

/** Forgets a descriptor's number when it is closed: epoll and kqueue. The others hold the number itself. */
const forgets = (kind: PollerKind): boolean => kind === 'epoll' || kind === 'kqueue';

function thrown(action: () => unknown): Error & { code?: string } {
  try {
    action();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

describe.each(kinds)('%s', (kind) => {
  const isSelect = kind === 'select';

  test('closed fd still in the set through a dup: its events name a registration that has gone', () => {
    const poller = newPoller(kind);
    const [near, far] = opens(descriptors.socketPair());
    const duplicate = opens(descriptors.duplicate(near));
    const registration = poller.add(near, READABLE);
    closes(near);
    descriptors.write(far, text('x'));
    const seen = ready(poller, registration);
    if (kind === 'epoll') expect(seen).toBe('readable');
    else expect(seen).toBe(kind === 'kqueue' ? 'none' : 'invalid');
    // Nobody can take it out any more, but its events are known for what they are.
    poller.remove(registration);
    expect(poller.size).toBe(0);
    expect(poller.isCurrent(registration)).toBe(false);
    expect(ready(poller, [])).toBe(kind === 'epoll' ? '1 of others' : '');
    closes(duplicate);
    expect(ready(poller, [])).toBe('');
  });

  test('removed before it is closed, as it must be: a dup keeps nothing in the set', () => {
    const poller = newPoller(kind);
    const [near, far] = opens(descriptors.socketPair());
    opens(descriptors.duplicate(near));
    poller.remove(poller.add(near, READABLE));
    closes(near);
    descriptors.write(far, text('x'));
    expect(ready(poller, [])).toBe('');
  });

  test('fd number reused at once: the new registration hears only of its own file', () => {
    const poller = newPoller(kind);
    const [near, far] = opens(descriptors.socketPair());
    const old = poller.add(near, READABLE);
    descriptors.write(far, text('for the old one'));
    if (!forgets(kind)) poller.remove(old);
    closes(near);
    const [reused, other] = opens(descriptors.socketPair());
    expect(reused).toBe(near);
    const registration = poller.add(reused, READABLE);
    expect(poller.isCurrent(old)).toBe(false);
    expect(poller.size).toBe(1);
    expect(ready(poller, registration)).toBe('none');
    descriptors.write(other, text('x'));
    expect(ready(poller, registration)).toBe('readable');
    // The old one is spent: removing or changing it does nothing to its successor.
    poller.remove(old);
    expect(thrown(() => poller.modify(old, WRITABLE)).code).toBe('ERR_NOT_REGISTERED');
    expect(ready(poller, registration)).toBe('readable');
  });

  test.runIf(!forgets(kind))('fd number reused at once, without removal: refused until it is removed', () => {
    const poller = newPoller(kind);
    const [near] = opens(descriptors.socketPair());
    const old = poller.add(near, READABLE);
    closes(near);
    const [reused, other] = opens(descriptors.socketPair());
    expect(reused).toBe(near);
    expect(thrown(() => poller.add(reused, READABLE)).code).toBe('ERR_FD_REGISTERED');
    poller.remove(old);
    const registration = poller.add(reused, READABLE);
    descriptors.write(other, text('x'));
    expect(ready(poller, registration)).toBe('readable');
  });

  test('slot reused at once: an event kept from before names nobody', () => {
    const poller = newPoller(kind);
    const [near, far] = opens(descriptors.socketPair());
    const first = poller.add(near, READABLE);
    descriptors.write(far, text('x'));
    const events = new Int32Array(3);
    expect(poller.wait(events, 0)).toBe(1);
    poller.remove(first);
    const second = poller.add(near, READABLE);
    expect(second.slot).toBe(first.slot);
    expect(poller.lookup(events[0]!, events[1]!)).toBe(null);
    expect(ready(poller, second)).toBe('readable');
  });

  test('HUP together with unread data: the data is read first, then the end', () => {
    const poller = newPoller(kind);
    const [readEnd, writeEnd] = opens(descriptors.pipe());
    const registration = poller.add(readEnd, READABLE);
    descriptors.write(writeEnd, text('the last'));
    closes(writeEnd);
    expect(ready(poller, registration)).toBe(
      {
        epoll: 'readable+hangup',
        kqueue: 'readable+read-closed',
        poll: 'readable+hangup',
        select: 'readable',
      }[kind as string],
    );
    expect(readText(readEnd)).toBe('the last');
    expect(descriptors.read(readEnd, new Uint8Array(1))).toBe(0);
  });

  test('HUP or ERR reported alone: a pipe whose other end is closed', () => {
    const poller = newPoller(kind);
    const [readEnd, writeEnd] = opens(descriptors.pipe());
    const reading = poller.add(readEnd, READABLE);
    closes(writeEnd);
    expect(ready(poller, reading)).toBe(
      { epoll: 'hangup', kqueue: 'readable+read-closed', poll: 'hangup', select: 'readable' }[kind as string],
    );
    poller.remove(reading);
    const [otherReadEnd, otherWriteEnd] = opens(descriptors.pipe());
    const writing = poller.add(otherWriteEnd, WRITABLE);
    const block = new Uint8Array(65_536);
    while (descriptors.write(otherWriteEnd, block) !== null);
    expect(ready(poller, writing)).toBe('none');
    closes(otherReadEnd);
    expect(ready(poller, writing)).toBe(
      { epoll: 'error', kqueue: 'writable+hangup', poll: 'error', select: 'writable' }[kind as string],
    );
  });

  test('unconnected socket reporting HUP: it is there before anything was done', () => {
    const poller = newPoller(kind);
    const fd = opens(nativeKernel.socket(4));
    const registration = poller.add(fd, WRITABLE);
    // Linux says so (tcp_poll of a closed socket); a system that says nothing says it of a socket that is of no use yet.
    const said = ready(poller, registration);
    if (process.platform === 'linux') expect(said).toBe(isSelect ? 'writable' : 'writable+hangup');
    else expect(said).not.toContain('readable');
    expect(nativeKernel.getOption(fd, 'error')).toBe(0);
  });

  test.runIf(forgets(kind))(
    'edge trigger not drained: silent about what is left, until new bytes come',
    () => {
      const poller = newPoller(kind);
      const [near, far] = opens(descriptors.socketPair());
      const registration = poller.add(near, READABLE, 'edge');
      descriptors.write(far, text('ab'));
      expect(ready(poller, registration)).toBe('readable');
      descriptors.read(near, new Uint8Array(1));
      expect(ready(poller, registration)).toBe('none');
      descriptors.write(far, text('c'));
      expect(ready(poller, registration)).toBe('readable');
      expect(readText(near)).toBe('bc');
      // Changing the interest, to the same, looks anew.
      descriptors.write(far, text('d'));
      expect(ready(poller, registration)).toBe('readable');
      poller.modify(registration, READABLE);
      expect(ready(poller, registration)).toBe('readable');
      expect(ready(poller, registration)).toBe('none');
    },
  );

  test('a parked registration is out of the set: even a hang-up is silent until it is wanted again', () => {
    const poller = newPoller(kind);
    const [near, far] = opens(descriptors.socketPair());
    const registration = poller.add(near, READABLE);
    poller.modify(registration, NONE);
    closes(far);
    expect(ready(poller, registration)).toBe('none');
    expect(poller.size).toBe(1);
    poller.modify(registration, READABLE);
    expect(ready(poller, registration)).toMatch(/^readable/);
  });

  test.each([
    ['a regular file', (): number => openSync(import.meta.filename, 'r')],
    ['/dev/null', (): number => openSync('/dev/null', 'r+')],
    ['a directory', (): number => openSync(import.meta.dirname, 'r')],
  ])('regular file and /dev/null refused (EPERM, explained, executor suggested): %s', (_, open) => {
    const poller = newPoller(kind);
    const fd = opens(open());
    for (const interest of [READABLE, WRITABLE, NONE]) {
      const error = thrown(() => poller.add(fd, interest));
      expect(error).toBeInstanceOf(UnderloopError);
      expect(error.code).toBe('ERR_FD_REFUSED');
      expect(error.message).toContain(`fd ${String(fd)} cannot be waited on`);
      expect(error.message).toContain(kind);
      expect(error.message).toMatch(/regular file.*\/dev\/null.*executor/);
    }
    expect(poller.size).toBe(0);
    expect(ready(poller, [])).toBe('');
  });
});

describe('select past FD_SETSIZE', () => {
  /** A descriptor with a number of at least 1024, where the process may have one. */
  function largeFd(): number | null {
    const fd = opens(descriptors.eventFd());
    for (let last = fd; last < 1024;) {
      try {
        last = opens(descriptors.duplicate(fd));
      } catch (error) {
        if (error instanceof SystemError && error.code === 'EMFILE') return null;
        throw error;
      }
      if (last >= 1024) return last;
    }
    return fd;
  }

  test('refused with ERR_FD_TOO_LARGE, where the others take it', ({ skip }) => {
    const pollers = kinds.map((kind) => newPoller(kind));
    const fd = largeFd();
    if (fd === null) return skip('this process may not open 1024 descriptors');
    for (const poller of pollers) {
      if (poller.capabilities.fdMax === Infinity) {
        expect(ready(poller, poller.add(fd, WRITABLE))).toBe('writable');
        continue;
      }
      expect(poller.kind).toBe('select');
      const error = thrown(() => poller.add(fd, READABLE));
      expect(error.code).toBe('ERR_FD_TOO_LARGE');
      expect(error.message).toMatch(new RegExp(`fd ${String(fd)} .*1024.*'epoll', 'kqueue' or 'poll'`));
      expect(poller.size).toBe(0);
      // The largest that fits is served.
      const fits = fd - 1;
      if (fits === 1023) expect(ready(poller, poller.add(fits, WRITABLE))).toBe('writable');
    }
  });

  test('a select poller that finds no number for its own waker says so', ({ skip }) => {
    if (largeFd() === null) return skip('this process may not open 1024 descriptors');
    const error = thrown(() => new Poller({ kind: 'select' }));
    expect(error.code).toBe('ERR_FD_TOO_LARGE');
    expect(error.message).toMatch(/FD_SETSIZE.*waker/);
  });
});

test('ENOSPC from the epoll watch limit: a system error that names the limit to raise', () => {
  const kernel = new ScriptedKernel();
  const poller = new Poller({ kernel });
  const ends = new Int32Array(2);
  kernel.socketPair(ends);
  kernel.script('add', null, -constants.errno.ENOSPC);
  const error = thrown(() => poller.add(ends[0]!, READABLE)) as SystemError;
  expect(error).toBeInstanceOf(SystemError);
  expect(error).toMatchObject({ code: 'ENOSPC', syscall: 'epoll_ctl', fd: ends[0] });
  expect(error.message).toContain('/proc/sys/fs/epoll/max_user_watches');
  // Nothing of it stays behind: the next attempt succeeds.
  expect(poller.size).toBe(0);
  const registration = poller.add(ends[0]!, WRITABLE);
  expect(ready(poller, registration)).toBe('writable');
});
