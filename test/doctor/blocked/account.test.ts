// What is said of the cause: from looks at the kernel's accounts, those before the item, rare ones and none among them.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  addLook,
  causeOf,
  longestCall,
  openAccount,
  sharesOf,
  type Account,
} from '../../../src/doctor/blocked/account.js';

const idle = { cpuMs: 0, gcMs: 0, syscallMs: 0, runqueueMs: 0 };

function accountOf(
  looks: readonly (readonly [atMs: number, cpuMs: number, runqueueMs: number, call: string | null])[],
): Account {
  const account = openAccount(100, { atMs: 100, cpuMs: 7, runqueueMs: 3 });
  for (const [atMs, cpuMs, runqueueMs, call] of looks) addLook(account, { atMs, cpuMs, runqueueMs, call });
  return account;
}

test('time on a core, without one and asleep are told apart, each by its own source', () => {
  const account = accountOf([
    [120, 27, 3, null], // 20 on a core
    [150, 29, 31, null], // 2 on a core, 28 without one
    [180, 29, 31, 'read'], // asleep
    [200, 30, 31, null], // and awake again at its end
  ]);
  expect(account.calls).toEqual({ read: 49 });
  expect(sharesOf(account, 100, 0, 0)).toEqual({ cpuMs: 23, gcMs: 0, syscallMs: 49, runqueueMs: 28 });
});

test('what was used between the look before and the begin counts by its share of the time', () => {
  const account = openAccount(100, { atMs: 90, cpuMs: 0, runqueueMs: 0 });
  addLook(account, { atMs: 110, cpuMs: 20, runqueueMs: 0, call: null });
  expect(account.cpuMs).toBe(10);
});

test('time that nobody has seen asleep is not called sleep', () => {
  const shares = sharesOf(accountOf([[200, 8, 3, null]]), 100, 0, 0);
  expect(shares).toEqual({ ...idle, cpuMs: 1 });
  expect(causeOf(shares, 100, 50)).toBe('unknown');
});

test('it sleeps on between two looks that met it awake, but not where the account only lags', () => {
  const account = accountOf([
    [110, 7, 3, 'futex'],
    [120, 8, 3, null], // 9 asleep
    [125, 8, 3, null], // 5 that the account does not have yet
    [165, 8, 3, null], // 40 asleep
  ]);
  expect(account.calls).toEqual({ futex: 59 });
});

test('the call in which it slept the longest is named; a sleep outside of calls has no name', () => {
  const account = accountOf([
    [110, 7, 3, 'futex'],
    [160, 7, 3, 'recvfrom'],
    [300, 7, 3, ''],
  ]);
  expect(longestCall(account)).toBe('recvfrom');
  expect(longestCall(accountOf([[300, 7, 3, '']]))).toBeNull();
});

test('collections take the time on a core and the waits for the helpers, and no other sleep', () => {
  const account = accountOf([
    [140, 47, 3, null],
    [150, 47, 3, 'futex'],
    [200, 47, 3, 'read'],
  ]);
  // Half of the samples: 50 ms of collections, of which 40 on a core and 10 for the helpers.
  expect(sharesOf(account, 100, 0.5, 0)).toEqual({ cpuMs: 0, gcMs: 50, syscallMs: 50, runqueueMs: 0 });
});

test('time for which the process was stopped is nobody’s, also when it was stopped in a call', () => {
  expect(sharesOf(accountOf([[1100, 7, 3, 'read']]), 1000, 0, 900).syscallMs).toBe(100);
  const burning = sharesOf(accountOf([[1100, 107, 3, null]]), 1000, 0, 900);
  expect(burning).toEqual({ ...idle, cpuMs: 100 });
  expect(causeOf(burning, 100, 50)).toBe('cpu');
});

test('a handler that would be too long on an idle machine too is at fault, whatever the load', () => {
  expect(causeOf({ ...idle, cpuMs: 60, runqueueMs: 1800 }, 1860, 50)).toBe('cpu');
  expect(causeOf({ ...idle, gcMs: 60, cpuMs: 20, runqueueMs: 400 }, 480, 50)).toBe('gc');
  expect(causeOf({ ...idle, syscallMs: 60, cpuMs: 50, runqueueMs: 200 }, 310, 50)).toBe('syscall');
});

test('one that would not waits for a core; so does one that had hardly any', () => {
  expect(causeOf({ ...idle, cpuMs: 20, runqueueMs: 40 }, 60, 50)).toBe('runqueue');
  expect(causeOf({ ...idle, cpuMs: 60, runqueueMs: 2940 }, 3000, 50)).toBe('runqueue');
  expect(causeOf({ ...idle, cpuMs: 45, runqueueMs: 10 }, 55, 50)).toBe('cpu');
  expect(causeOf({ ...idle, cpuMs: 30, runqueueMs: 24 }, 55, 50)).toBe('runqueue');
  expect(causeOf({ ...idle, cpuMs: 30, runqueueMs: 5 }, 55, 50)).toBe('cpu');
});

test('shares are never negative, and together no longer than the item', () => {
  const look = fc.record({
    ms: fc.double({ min: 0.1, max: 500, noNaN: true }),
    cpuMs: fc.double({ min: 0, max: 600, noNaN: true }),
    runqueueMs: fc.double({ min: 0, max: 600, noNaN: true }),
    call: fc.constantFrom(null, '', 'futex', 'read'),
  });
  fc.assert(
    fc.property(
      fc.array(look, { maxLength: 20 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 5000, noNaN: true }),
      fc.double({ min: 0, max: 50, noNaN: true }),
      (looks, gc, suspendedMs, beforeMs) => {
        const account = openAccount(1000, { atMs: 1000 - beforeMs, cpuMs: 0, runqueueMs: 0 });
        let last = account.last;
        for (const { ms, cpuMs, runqueueMs, call } of looks) {
          last = {
            atMs: Math.max(last.atMs, 1000) + ms,
            cpuMs: last.cpuMs + cpuMs,
            runqueueMs: last.runqueueMs + runqueueMs,
            call,
          };
          addLook(account, last);
        }
        const durationMs = Math.max(1, last.atMs - 1000);
        const shares = sharesOf(account, durationMs, gc, suspendedMs);
        const all = Object.values(shares);
        for (const ms of all) expect(ms).toBeGreaterThanOrEqual(-1e-6);
        expect(all.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(durationMs + 1e-6);
      },
    ),
    { numRuns: 300 },
  );
});
