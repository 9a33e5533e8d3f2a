// Loop inside a worker, worker terminated while waiting: terminate() returns soon, the exit event comes, nothing leaks.

import { describe, expect, test } from 'vitest';
import { nativeKernel } from '../../src/index.js';
import { HANG_MS, runProgram } from './child.js';

interface Figures {
  tookMs: number[];
  codes: number[];
  before: string[];
  after: string[];
}

async function terminated(how: string, kind: string, rounds: number): Promise<Figures> {
  const { stdout, stderr, code } = await runProgram(
    'lifecycle/programs/terminate.mjs',
    [how, kind, String(rounds)],
    { hangMs: HANG_MS + 500 * rounds }, // twenty workers take long on a loaded machine; what never ends is ended
  );
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as Figures;
}

const median = (values: number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** What terminate() may take on a quiet machine, hence the median of the rounds. Sanitizers want more. */
const TERMINATE_MS_MAX = process.env['TSAN_OPTIONS'] === undefined ? 100 : 1000;

const kinds = nativeKernel.pollerKinds;
const [best] = kinds;
const nestable = kinds.filter((kind) => kind === 'epoll' || kind === 'kqueue');

describe('worker terminated while waiting', () => {
  // Twenty rounds of the two main ways; the others differ in little.
  const ways: [how: string, kind: string, rounds: number][] = [
    ['run', best!, 20],
    ['wait', best!, 20],
    ...kinds.slice(1).map((kind): [string, string, number] => ['run', kind, 5]),
    ...kinds.slice(1).map((kind): [string, string, number] => ['wait', kind, 5]),
    ...nestable.map((kind): [string, string, number] => ['run two', kind, 5]),
    ['spin', best!, 5],
    ['turn', best!, 5],
    ['turn with a far timer', best!, 5],
    ['wait with a timeout', best!, 5],
  ];
  test.each(ways)(
    'in %s on %s: terminate() returns within 100 ms, the exit event comes, no descriptor leaks (%i rounds)',
    async (how, kind, rounds) => {
      const { tookMs, codes, before, after } = await terminated(how, kind, rounds);
      expect(tookMs).toHaveLength(rounds);
      expect(median(tookMs)).toBeLessThan(TERMINATE_MS_MAX);
      expect(codes).toEqual([1]); // what Node gives a terminated worker
      expect(after).toEqual(before);
    },
  );
});

describe('a worker’s waits are whole although it looks for its termination meanwhile', () => {
  test.each(kinds)('%s: timeouts, events, wakes and timers', async (kind) => {
    const { stdout, stderr } = await runProgram('lifecycle/programs/worker-waits.mjs', [kind]);
    expect(stderr).toBe('');
    const figures = JSON.parse(stdout) as Record<string, { result: number; tookMs: number }>;
    expect(figures).toMatchObject({
      timeout: { result: 0 },
      event: { result: 1 },
      wake: { result: 0 },
      turn: { result: 1 },
    });
    expect(figures['timeout']!.tookMs).toBeGreaterThanOrEqual(120.25);
    expect(figures['event']!.tookMs).toBeGreaterThan(125); // its timer is one of the runtime's, in whole milliseconds
    expect(figures['turn']!.tookMs).toBeGreaterThanOrEqual(110);
    // A wake is not mistaken for the end of a slice: that would go on for ever.
    expect(figures['wake']!.tookMs).toBeLessThan(1000);
  });
});
