// Verdicts: chance alone gives no winner, a true difference does, and nothing is said that no figure supports.

import { describe, expect, test } from 'vitest';
import { seededRandom, summarise } from '../../src/compare/statistics.js';
import { DIFFERENCE_MIN, compareWithBest, differs, ratioOf } from '../../src/compare/verdict.js';
import { readSettings } from '../../src/compare/settings.js';
import { figuresOf } from '../../src/compare/workload.js';
import { workloads } from '../../src/compare/workloads.js';
import { findKnee, lawPerSecond } from '../../src/compare/workloads/saturate.js';
import { cellOf, normal, reportOf } from './report.js';

/** Two contestants whose rounds share what the machine does, each with a spread of its own. */
function twoOf(random: () => number, rounds: number, factor: number) {
  const cells = [];
  for (let round = 1; round <= rounds; round++) {
    const machine = Math.exp(0.1 * normal(random));
    cells.push(cellOf(round, 'epoll', { cpu: 10 * machine * Math.exp(0.02 * normal(random)) }));
    cells.push(cellOf(round, 'epoll#2', { cpu: 10 * factor * machine * Math.exp(0.02 * normal(random)) }));
  }
  return reportOf(cells);
}

describe('A/A and A/B', () => {
  const TRIALS = 1000;
  /** Ratios of two cells of one round, as `twoOf` has them. */
  const ratioWith = (random: () => number, rounds: number, factor: number, spread: number) =>
    summarise(
      Array.from(
        { length: rounds },
        () => factor * Math.exp(spread * normal(random)) * Math.exp(spread * normal(random)),
      ),
    );
  const share = (rounds: number, factor: number, spread: number): number => {
    const random = seededRandom(rounds);
    let winners = 0;
    for (let trial = 0; trial < 4 * TRIALS; trial++)
      if (differs(ratioWith(random, rounds, factor, spread))) winners++;
    return winners / (4 * TRIALS);
  };

  // The spread is that of one cell. The old rule (the interval leaves out 1) gave 0.03 in all of these.
  test.each([
    [6, 0.01, 0.001],
    [6, 0.02, 0.005],
    [6, 0.05, 0.02],
    [6, 0.1, 0.03],
    [9, 0.02, 0.005],
    [12, 0.02, 0.005],
    [20, 0.02, 0.005],
  ])(
    'the same twice, %i rounds, a spread of %f: a winner in a share of at most %f',
    (rounds, spread, most) => {
      expect(share(rounds, 1, spread)).toBeLessThanOrEqual(most);
    },
  );

  test('the same twice, two figures, 40 runs: winners in more than two runs are rare', () => {
    const random = seededRandom(40);
    const SERIES = 1000;
    let tooMany = 0;
    for (let series = 0; series < SERIES; series++) {
      let named = 0;
      for (let run = 0; run < 40; run++) {
        const figures = [ratioWith(random, 6, 1, 0.03), ratioWith(random, 6, 1, 0.03)];
        if (figures.some(differs)) named++;
      }
      if (named > 2) tooMany++;
    }
    expect(tooMany / SERIES).toBeLessThanOrEqual(0.02);
  });

  test.each([
    [6, 1.05, 0.01, 0.85],
    [6, 1.05, 0.02, 0.3],
    [12, 1.05, 0.02, 0.6],
    [20, 1.05, 0.02, 0.8],
    [6, 1.1, 0.02, 0.95],
  ])(
    '%i rounds: a true factor of %f at a spread of %f is found in a share of %f',
    (rounds, factor, spread, least) => {
      expect(share(rounds, factor, spread)).toBeGreaterThanOrEqual(least);
    },
  );

  test('a winner needs the whole interval beyond the least difference, on either side', () => {
    const of = (low: number, high: number) => ({
      ...{ n: 6, median: (low + high) / 2, min: low, max: high },
      interval: { low, high, coverage: 0.97 },
    });
    const far = 1 + DIFFERENCE_MIN;
    expect(differs(of(far + 0.001, 1.3))).toBe(true);
    expect(differs(of(far - 0.001, 1.3))).toBe(false);
    expect(differs(of(0.8, 1 / far - 0.001))).toBe(true);
    expect(differs(of(0.8, 1 / far + 0.001))).toBe(false);
  });

  test('the same twice: the sentence says so', () => {
    const lines = compareWithBest(twoOf(seededRandom(6), 6, 1), 'cpu', 'cpu');
    expect(lines).toEqual([expect.stringMatching(/^Cpu: no winner between epoll.* within 2% of 1\)\.$/)]);
  });

  test('a true difference of 10% is found, and by its size', () => {
    const random = seededRandom(2);
    let found = 0;
    const ratios: number[] = [];
    for (let trial = 0; trial < TRIALS; trial++) {
      const report = twoOf(random, 6, 1.1);
      if (/^Cpu: epoll is lowest; beside it epoll#2 x 1\./.test(compareWithBest(report, 'cpu', 'cpu')[0]!))
        found++;
      ratios.push(ratioOf(report, 'cpu', 'epoll#2', 'epoll')!.median);
    }
    expect(found / TRIALS).toBeGreaterThan(0.95);
    expect(ratios.reduce((a, b) => a + b) / TRIALS).toBeCloseTo(1.1, 1);
  });

  test.each([1, 2, 5])('%i rounds: no winner, however large the difference', (rounds) => {
    const report = twoOf(seededRandom(1), rounds, 3);
    expect(differs(ratioOf(report, 'cpu', 'epoll#2', 'epoll')!)).toBe(false);
    const lines = compareWithBest(report, 'cpu', 'cpu');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^Cpu: too few rounds for a winner .*range .*, n = \d\)\.$/);
  });

  test('where more is better, the highest is the best', () => {
    const report = twoOf(seededRandom(1), 6, 2);
    expect(compareWithBest(report, 'cpu', 'cpu', 'more')[0]).toMatch(
      /^Cpu: epoll#2 is highest; beside it epoll x 0\.5/,
    );
  });
});

describe('ratios', () => {
  test('are of the same round, failed cells left out', () => {
    const cells = [
      cellOf(1, 'a', { x: 2 }),
      cellOf(1, 'b', { x: 6 }),
      cellOf(2, 'a', { x: 100 }),
      cellOf(2, 'b', { x: 100 }),
      { ...cellOf(3, 'a', { x: 1 }), failure: 'it failed' },
      cellOf(3, 'b', { x: 50 }),
      cellOf(4, 'b', { x: 60 }),
    ];
    expect(ratioOf(reportOf(cells), 'x', 'b', 'a')).toEqual({
      n: 2,
      median: 2,
      min: 1,
      max: 3,
      interval: null,
    });
  });

  test('there is none without a common round, and none to nothing', () => {
    const report = reportOf([cellOf(1, 'a', { x: 0 }), cellOf(1, 'b', { x: 1 }), cellOf(2, 'c', { x: 1 })]);
    expect(ratioOf(report, 'x', 'b', 'a')).toBeNull();
    expect(ratioOf(report, 'x', 'c', 'b')).toBeNull();
    expect(ratioOf(report, 'y', 'b', 'a')).toBeNull();
  });

  test('one contestant alone is not compared', () => {
    expect(compareWithBest(reportOf([cellOf(1, 'a', { x: 1 })]), 'x', 'x')).toEqual([]);
  });
});

describe('what workloads say', () => {
  const rounds = [1, 2, 3, 4, 5, 6];
  const echoOf = (serverCoreBusy: number) =>
    reportOf(
      rounds.flatMap((round) => [
        cellOf(round, 'epoll', { serverCpuUs: 10, requestsPerSecond: 100, serverCoreBusy }),
        cellOf(round, 'threads', { serverCpuUs: 20, requestsPerSecond: 50, serverCoreBusy: 1 }),
      ]),
      figuresOf(workloads.echo, readSettings('echo', {})),
    );

  test("echo: where a server's core was not busy, CPU is the verdict and throughput is marked", () => {
    const report = echoOf(0.8);
    const text = workloads.echo.verdict(report).join('\n');
    expect(text).toContain('Server CPU per request: epoll is lowest; beside it threads x 2.00 [2.00, 2.00].');
    expect(text).toContain('the client set the throughput');
    expect(text).not.toContain('is highest');
    expect(workloads.echo.render(report)).toContain('requests per second *');
  });

  test("echo: where all servers' cores were busy, throughput counts too", () => {
    const report = echoOf(0.99);
    const text = workloads.echo.verdict(report).join('\n');
    expect(text).toContain('Requests per second: epoll is highest; beside it threads x 0.50');
    expect(text).not.toContain('the client set');
    expect(workloads.echo.render(report)).not.toContain('requests per second *');
  });

  test('idle: whoever leaves connections unserved wins nothing, and it is said of them', () => {
    const figures = (serving: number, total: number) => ({
      connected: 100,
      serving,
      total,
      threads: 1,
      activeTimedOut: 3,
    });
    const report = reportOf(
      rounds.flatMap((round) => [
        cellOf(round, 'pool', figures(40, 1)),
        cellOf(round, 'epoll', figures(100, 5)),
        cellOf(round, 'node', figures(100, 9)),
      ]),
      figuresOf(workloads.idle, readSettings('idle', {})),
    );
    const lines = workloads.idle.verdict(report);
    expect(lines[0]).toMatch(
      /^Memory per idle connection, of those that serve all: epoll is lowest; beside it node x 1\.80/,
    );
    expect(lines[0]).not.toContain('pool');
    expect(lines[1]).toMatch(/^pool serves 40 of 100 connections: .*0 answered, 3 timed out/);
  });

  test('idle: bills that do not add up are counted, with and without what other processes took', () => {
    const bill = (unexplainedBytes: number, elsewhereBytes: number) => ({
      unexplainedBytes,
      elsewhereBytes,
      toleranceBytes: 8,
    });
    const report = reportOf([
      cellOf(1, 'epoll', bill(3, 0)),
      cellOf(2, 'epoll', bill(50, 48)),
      cellOf(3, 'epoll', bill(-50, 0)),
    ]);
    expect(workloads.idle.verdict(report).at(-1)).toMatch(
      /^In 1 of 3 cells .*; in 1 more with what other .*; in 1 they do not\.$/,
    );
  });

  test.each(['idle', 'wait', 'echo'] as const)('%s: nothing is said of nothing', (name) => {
    const report = reportOf(
      [{ ...cellOf(1, 'epoll', {}), failure: 'the server died' }],
      figuresOf(workloads[name], readSettings(name, {})),
    );
    expect(workloads[name].verdict(report)).toEqual([]);
    expect(workloads[name].render(report)).toContain('! epoll, round 1, FAILED: the server died');
  });
});

describe('saturate finds the knee', () => {
  const loads = [0.5, 0.8, 0.9, 1, 1.1, 1.25, 1.5];
  const arrivals = loads.map((load) => load * 160);

  test('where the answers stay behind the arrivals, from what is answered then', () => {
    const answers = arrivals.map((rate) => Math.min(rate, 157));
    expect(findKnee(loads, arrivals, answers)).toBe(157);
  });

  test('and none where they keep up, or where only some of the overloads stay behind', () => {
    expect(findKnee(loads, arrivals, arrivals)).toBeNull();
    const hiccup = arrivals.map((rate, i) => (i === 5 ? rate / 2 : rate));
    expect(findKnee(loads, arrivals, hiccup)).toBeNull();
    expect(findKnee([0.5, 0.9], [80, 144], [40, 70])).toBeNull();
  });

  test("Little's law: 8 threads that wait 50 ms each answer 160 per second", () => {
    expect(lawPerSecond(8, 50)).toBe(160);
  });
});
