// The map: who wins and why, noise, what is drawn, and what is said of it.

import { describe, expect, test } from 'vitest';
import { cycleMs, serverCpuUs, throughput, windowOf } from '../../src/compare/crossover/bench.js';
import { crossoverCsv } from '../../src/compare/crossover/csv.js';
import { drawCell, lettersOf, renderCrossover } from '../../src/compare/crossover/render.js';
import { plan } from '../../src/compare/crossover/run.js';
import {
  crossoverWithinLimits,
  readCrossover,
  type CrossoverOptions,
} from '../../src/compare/crossover/settings.js';
import { sideOf } from '../../src/compare/crossover/verdict.js';
import { judgeCell, noiseOf, threshold } from '../../src/compare/crossover/winner.js';
import { makeContestants } from '../../src/compare/contestants.js';
import type { ServerCounters } from '../../src/compare/stage.js';
import { known } from '../../src/probe/index.js';
import { epoll, madeUp, pool, resultOf, threads } from './made-up.js';

const quiet = { requestsPerSecond: 0.01, serverCpuUs: 0.01, p99Us: 0.05 };

describe('a winner', () => {
  test('is who makes more requests, and says by how much', () => {
    const measured = {
      threads: resultOf({ requestsPerSecond: 1000 }),
      epoll: resultOf({ requestsPerSecond: 1300 }),
    };
    expect(judgeCell(measured, 10, quiet)).toEqual({
      winners: ['epoll'],
      by: 'throughput',
      margin: expect.closeTo(0.3, 9),
      notServing: [],
    });
  });

  test('with equal throughput is who needs less CPU; then who has the shorter p99; then nobody', () => {
    const of = (cpu: number, p99Us: number) =>
      judgeCell(
        { threads: resultOf({ serverCpuUs: cpu, p99Us }), epoll: resultOf({ requestsPerSecond: 1020 }) },
        10,
        quiet,
      );
    expect(of(10, 200)).toMatchObject({ winners: ['threads'], by: 'server CPU per request', margin: 1 });
    expect(of(20.5, 100)).toMatchObject({ winners: ['threads'], by: 'p99 latency', margin: 1 });
    expect(of(20.5, 210)).toEqual({ winners: ['threads', 'epoll'], by: null, margin: 0, notServing: [] });
  });

  test('needs more than the noise: the same difference decides nothing on a restless machine', () => {
    const measured = { threads: resultOf({ requestsPerSecond: 1200 }), epoll: resultOf() };
    expect(judgeCell(measured, 10, quiet)).toMatchObject({ winners: ['threads'], by: 'throughput' });
    const restless = { requestsPerSecond: 0.1, serverCpuUs: 0.1, p99Us: 0.5 };
    expect(judgeCell(measured, 10, restless).by).toBeNull();
    // More rounds tell smaller differences apart; nothing tells those below the least.
    expect(threshold('throughput', restless, 2)).toBeCloseTo(0.3, 9);
    expect(threshold('throughput', restless, 18)).toBeCloseTo(0.1, 9);
    expect(threshold('throughput', quiet, 1000)).toBe(0.05);
  });

  test('serves everybody: who leaves connections without an answer is out, however fast', () => {
    const measured = { pool: resultOf({ served: 4, requestsPerSecond: 9000 }), epoll: resultOf() };
    expect(judgeCell(measured, 10, quiet)).toEqual({
      winners: ['epoll'],
      by: null,
      margin: 0,
      notServing: ['pool'],
    });
    expect(judgeCell({ pool: measured.pool }, 10, quiet)).toMatchObject({
      winners: [],
      notServing: ['pool'],
    });
  });

  test('may be two models that are level: the margin is to the best of the others', () => {
    const measured = {
      threads: resultOf({ requestsPerSecond: 2000 }),
      pool: resultOf({ requestsPerSecond: 1960 }),
      epoll: resultOf({ requestsPerSecond: 1400 }),
    };
    expect(judgeCell(measured, 10, quiet)).toMatchObject({
      winners: ['threads', 'pool'],
      margin: expect.closeTo(0.4, 9),
    });
  });

  test('is not found by a throughput that the load has bounded', () => {
    const measured = {
      threads: resultOf({ requestsPerSecond: 2000, serverCpuUs: 30, clientBound: true }),
      epoll: resultOf({ requestsPerSecond: 1500, serverCpuUs: 15 }),
    };
    expect(judgeCell(measured, 10, quiet)).toMatchObject({
      winners: ['epoll'],
      by: 'server CPU per request',
    });
  });
});

describe('noise', () => {
  test('is found again in made-up rounds, and one round has none', () => {
    const { measurements } = madeUp([threads, epoll], { seed: 3, rounds: 4 }, 0.08);
    expect(noiseOf(measurements)!.requestsPerSecond).toBeGreaterThan(0.065);
    expect(noiseOf(measurements)!.requestsPerSecond).toBeLessThan(0.095);
    expect(noiseOf(measurements.filter(({ round }) => round === 1))).toBeNull();
  });

  test('the same model twice: at most one cell in 30 has a winner', () => {
    let won = 0;
    let cells = 0;
    for (const seed of [1, 2, 3]) {
      const report = madeUp([epoll, { ...epoll, contestant: 'node' }], { seed }, 0.06);
      cells += report.cells.length;
      won += report.cells.filter(({ verdict }) => verdict.by !== null).length;
    }
    expect(cells).toBe(192);
    expect(won).toBeLessThanOrEqual(cells / 30);
  });
});

describe('the map', () => {
  const report = madeUp([threads, pool, epoll], { seed: 2 }, 0.01);

  test('of models with crossing costs has cells for both sides, and the sentences name both', () => {
    const sides = new Set(report.cells.map(sideOf));
    expect([...sides].toSorted()).toEqual(['level', 'loop', 'threads']);
    expect(report.verdict[0]).toMatch(/^Threads win \d+ of 64 cells/);
    expect(report.verdict[1]).toMatch(/^Loops win \d+ of 64 cells/);
    expect(report.verdict.join('\n')).toMatch(/cells held out: median error [\d.]+%, worst [\d.]+% \(/);
    expect(Object.values(report.wins).reduce((sum, count) => sum + count, 0)).toBe(64);
    const few = report.cells.find(
      ({ connections, cpuUs, waitMs }) => connections === 1 && cpuUs + waitMs === 0,
    );
    expect(sideOf(few!)).toBe('threads');
  });

  test('is drawn with letters, a block per number of connections, and every cell is there', () => {
    const text = renderCrossover(report);
    expect(text).toContain('T threads, P pool, E epoll');
    for (const title of ['1 connection ', '8 connections', '64 connections', '512 connections'])
      expect(text).toContain(title);
    const rows = text.split('\n').filter((line) => /^ {2}CPU \d/.test(line));
    expect(rows).toHaveLength(16);
    for (const row of rows)
      expect(
        row
          .replace(/^ {2}CPU \d+ [um]s/, '')
          .trim()
          .split(/ {2,}/),
      ).toHaveLength(4);
    expect(text).toContain('CPU of a wake-up, shared by a batch, us');
    // eslint-disable-next-line no-control-regex
    expect(text).not.toMatch(/\x1b/);
  });

  test('a cell is letters, a mark for what decided, and a percentage', () => {
    const letters = lettersOf(['threads', 'thread-per-request', 'pool', 'epoll', 'epoll-edge']);
    expect([...letters.values()]).toEqual(['T', 'H', 'P', 'E', 'O']);
    const cell = report.cells[0]!;
    const drawn = (
      winners: string[],
      by: null | 'throughput' | 'server CPU per request' | 'p99 latency',
      margin: number,
    ) => drawCell({ ...cell, verdict: { winners, by, margin, notServing: [] } }, letters);
    expect(drawn(['epoll'], 'throughput', 0.384)).toBe('E +38%');
    expect(drawn(['threads', 'pool'], 'server CPU per request', 0.2)).toBe('TP c+20%');
    expect(drawn(['threads'], 'p99 latency', 19)).toBe('T lx20');
    expect(drawn(['threads', 'epoll'], null, 0)).toBe('=');
    expect(drawn(['epoll'], null, 0)).toBe('E alone');
    expect(drawn([], null, 0)).toBe('-');
  });

  test('the CSV has a line for each measurement', () => {
    const lines = crossoverCsv(report).trim().split('\n');
    expect(lines).toHaveLength(1 + report.measurements.length);
    expect(lines[0]).toMatch(/^of,round,contestant,connections,cpuUs,waitMs,requestsPerSecond,/);
    expect(new Set(lines.map((line) => line.split(',').length))).toEqual(new Set([18]));
  });

  test('what was interrupted is drawn as far as it went', () => {
    const half = madeUp([threads, epoll], { seed: 2 }, 0, (one) =>
      one.connections > 8 && one.of === 'grid' ? null : one,
    );
    expect(half.cells).toHaveLength(32);
    expect(renderCrossover({ ...half, interrupted: true })).toContain('! Interrupted: ');
    const none = madeUp([threads], {}, 0, () => null);
    expect(none).toMatchObject({ cells: [], law: null, check: null, noise: null, verdict: [] });
    expect(() => renderCrossover(none)).not.toThrow();
  });
});

describe('how a cell is measured', () => {
  test('windows last for some cycles of all connections, and no shorter than asked for', () => {
    const settings = { windowMs: 300, requestsPerConnection: 3 };
    expect(windowOf({ connections: 1, cpuUs: 0, waitMs: 0 }, settings).durationMs).toBe(300);
    const long = { connections: 512, cpuUs: 2000, waitMs: 50 };
    expect(cycleMs(long)).toBeCloseTo(1049.6, 3);
    expect(windowOf(long, settings).durationMs).toBe(2099);
    const waits = windowOf({ connections: 8, cpuUs: 0, waitMs: 200 }, settings);
    expect(waits.durationMs).toBeGreaterThan(3 * 200);
    expect(waits.timeoutMs).toBeGreaterThan(waits.warmUpMs + waits.durationMs);
    expect(windowOf(long, settings, 4).durationMs).toBeCloseTo(4 * 2099.2, 0);
  });

  test("throughput is Little's law read backwards, and CPU is counted over what was served", () => {
    expect(throughput(64, 32)).toBe(2000);
    const at = (served: number, cpuUs: number) => ({ served, usage: { cpuUs } }) as unknown as ServerCounters;
    const looks = {
      started: at(0, 0),
      before: at(100, 1000),
      after: at(1100, 11_000),
      end: at(1200, 24_000),
    };
    expect(serverCpuUs(looks, 10)).toBe(10); // the window has 100 for each
    expect(serverCpuUs(looks, 500)).toBe(20); // it has 2 for each: the whole run
  });

  test('every cell has all models, one after another, in each round; the seed orders them', () => {
    const settings = readCrossover({ seed: 4, rounds: 2 });
    const contestants = makeContestants(settings.models);
    const tasks = plan(settings, contestants, false);
    expect(tasks).toHaveLength(2 * (12 + 64) * 3);
    for (let index = 0; index < tasks.length; index += 3) {
      const cell = tasks.slice(index, index + 3);
      expect(
        new Set(cell.map((one) => `${one.connections}/${one.cpuUs}/${one.waitMs}/${one.round}`)).size,
      ).toBe(1);
      expect(new Set(cell.map(({ contestant }) => contestant.label)).size).toBe(3);
    }
    expect(plan(settings, contestants, false)).toEqual(tasks);
    expect(plan({ ...settings, seed: 5 }, contestants, false)).not.toEqual(tasks);
    expect(plan(settings, contestants, true)).toHaveLength(2 * 12 * 3);
  });
});

describe('settings', () => {
  test.each<[CrossoverOptions, string]>([
    [{ connections: [] }, '--connections'],
    [{ connections: [8, 4] }, '--connections'],
    [{ connections: [0] }, '--connections'],
    [{ cpuUs: [-1] }, '--cpu'],
    [{ waitMs: [0.5] }, '--wait'],
    [{ rounds: 0 }, '--rounds'],
    [{ seed: -1 }, '--seed'],
    [{ models: [] }, '--models'],
    [{ models: ['treads'] }, '--models'],
    [{ models: ['thread-per-request'] }, '--models'],
    [{ poolThreads: 0 }, '--pool-threads'],
    [{ windowMs: 50 }, '--window'],
    [{ heldOutShare: 2 }, 'heldOutShare'],
    [{ cores: 'two' as 'one' }, '--cores'],
  ])('%j is refused: names %s', (options, name) => {
    expect(() => readCrossover(options)).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringMatching(`^${name}`) }),
    );
  });

  test('the quick one is small; what is given goes before both', () => {
    expect(readCrossover({ quick: true })).toMatchObject({ rounds: 1, connections: [1, 16, 128] });
    expect(readCrossover({ quick: true, rounds: 3 }).rounds).toBe(3);
  });

  test('connections that descriptors do not suffice for are left out, and it is said', () => {
    const notices: string[] = [];
    const settings = readCrossover({ seed: 1 });
    const fewer = crossoverWithinLimits(
      settings,
      notices,
      known({ count: 960, boundBy: 'Max open files' }, 'a test'),
    );
    expect(fewer.connections).toEqual([1, 8, 64]);
    expect(notices[0]).toMatch(/hold 480 connections that wait \(Max open files\): 512 are left out/);
  });
});
