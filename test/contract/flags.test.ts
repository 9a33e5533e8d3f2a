// The numbers of interest, readiness and trigger stand twice, in C++ and in TypeScript: they must be the same.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as poller from '../../src/poller/poller.js';

const header = readFileSync(join(import.meta.dirname, '..', '..', 'native', 'poller.h'), 'utf8');

test('the flags of native/poller.h are those of src/poller/poller.ts', () => {
  const body = /enum Flags : int32_t \{([^}]*)\}/.exec(header)?.[1] ?? '';
  const native = Object.fromEntries(
    [...body.matchAll(/k(\w+) = (\d+),/g)].map(([, name, value]) => [
      name!.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase(),
      Number(value),
    ]),
  );
  const { READABLE, WRITABLE, PRIORITY, READ_CLOSED, HANGUP, ERROR, INVALID, EDGE, ONESHOT, EXCLUSIVE } =
    poller;
  expect(native).toEqual({
    READABLE,
    WRITABLE,
    PRIORITY,
    READ_CLOSED,
    HANGUP,
    ERROR,
    INVALID,
    EDGE,
    ONESHOT,
    EXCLUSIVE,
  });
});

test('each flag is a bit of its own', () => {
  const { NONE, INTEREST_MASK, TRIGGER_MASK, ALWAYS_REPORTED, READ_CLOSED, EVENT_STRIDE } = poller;
  expect(NONE).toBe(0);
  const masks = [INTEREST_MASK, TRIGGER_MASK, ALWAYS_REPORTED, READ_CLOSED];
  expect(masks.reduce((sum, mask) => sum + mask)).toBe(masks.reduce((all, mask) => all | mask));
  // The layout that native/poller.h asserts of its struct Event.
  expect(EVENT_STRIDE).toBe(3);
  expect(header).toContain('sizeof(Event) == 3 * sizeof(int32_t)');
});
