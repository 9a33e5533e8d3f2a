// Every call of the kernel seam fails in every way that its man page lists, at the first, the nth and every call.

import { afterAll, describe, expect, test } from 'vitest';
import { Random } from '../../src/load/random.js';
import { faultsOf } from './fault.js';
import { broken, play } from './run.js';
import { workloads } from './workloads.js';

/** Of the whole product the regular run takes one in so many, others with another FAULTS_SEED; FAULTS=all takes all. */
const SAMPLED_ONE_IN = 4;

const all = process.env['FAULTS'] === 'all';
const seed = Number(process.env['FAULTS_SEED'] ?? 1);
let possible = 0;
let ran = 0;

afterAll(() => {
  console.log(`faults: ${String(ran)} of ${String(possible)} combinations ran (seed ${String(seed)})`);
});

describe.each(workloads)('$name', (workload) => {
  test.each(['level', 'edge'] as const)(
    '%s: without a fault it runs to its end, and loses nothing',
    (trigger) => {
      const stage = play(workload, trigger, null);
      expect(stage.violations).toEqual([]);
      expect([stage.gaveUp, stage.ended]).toEqual([false, false]);
    },
  );

  test.each(['level', 'edge'] as const)(
    '%s: under every fault no byte is lost untold, nothing leaks, nothing is called late, nothing spins',
    (trigger) => {
      const random = new Random(seed);
      const below = (bound: number): number => Math.floor(random.next() * bound);
      const faults = faultsOf(play(workload, trigger, null).counts, below);
      const chosen = all ? faults : faults.filter(() => below(SAMPLED_ONE_IN) === 0);
      possible += faults.length;
      ran += chosen.length;
      expect(chosen.map((fault) => broken(workload, trigger, fault)).filter((text) => text !== null)).toEqual(
        [],
      );
    },
    300_000,
  );
});
