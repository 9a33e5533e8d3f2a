// blocked-handler: which of the long calls that were measured are told. How they are measured: blocked/.

import { expect, test } from 'vitest';
import type { BlockedSpan } from '../../src/doctor/blocked/index.js';
import { examined, type Bed } from './fixture.js';

const PASSED_MS = 2000;

function blocked(bed: Bed, ms: number, call = 'futex', given: Partial<BlockedSpan> = {}): void {
  const span: BlockedSpan = {
    item: 1,
    kind: 'readiness',
    name: 'onData',
    fd: 9,
    turn: 1,
    beganMs: 0,
    durationMs: ms,
    cause: 'syscall',
    shares: { cpuMs: 1, gcMs: 0, syscallMs: ms - 1, runqueueMs: 0 },
    call,
    stack: [{ function: 'onData', file: '/app/server.js', line: 7 }],
    ...given,
  };
  bed.diagnosis.blockedSpan(span, { name: 'onData', subject: null }, 0);
}

/** `delayMs`: what the thread has waited for a core. */
function bedOf(delayMs: number): Bed {
  const bed = examined();
  bed.pass(PASSED_MS);
  bed.eyes.delayMs = delayMs;
  return bed;
}

test('a short wait on a futex is told where nobody else wants the cores', () => {
  const bed = bedOf(20);
  blocked(bed, 60);
  expect(bed.findings).toMatchObject([{ class: 'blocked-handler', cause: 'syscall' }]);
});

test('on a busy machine it may be one for the runtime’s own threads: only a long one is told, or a second', () => {
  const busy = bedOf(700);
  blocked(busy, 60);
  expect(busy.findings).toEqual([]);
  blocked(busy, 60);
  expect(busy.findings).toMatchObject([{ class: 'blocked-handler', evidence: { times: 2 } }]);
  const long = bedOf(700);
  blocked(long, 400);
  expect(long.findings).toHaveLength(1);
});

test('any other call is told on a busy machine too', () => {
  const bed = bedOf(700);
  blocked(bed, 60, 'read');
  expect(bed.findings).toHaveLength(1);
});

test.each([
  [
    'it collected garbage, and waited long for a core',
    { cpuMs: 0, gcMs: 35, syscallMs: 0, runqueueMs: 250 },
    1,
  ],
  [
    'it did next to nothing, and waited long for a core',
    { cpuMs: 2, gcMs: 1, syscallMs: 0, runqueueMs: 280 },
    0,
  ],
])('%s', (_what, shares, count) => {
  const bed = bedOf(700);
  blocked(bed, 290, '', { cause: 'runqueue', call: null, shares });
  expect(bed.findings).toHaveLength(count);
});
