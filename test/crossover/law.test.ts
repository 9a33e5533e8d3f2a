// The law: its bounds are those of queues, its calibration finds what was put in, and cells held out stay unseen.

import { expect, describe, test } from 'vitest';
import fc from 'fast-check';
import { fitModel, type Observation } from '../../src/compare/crossover/fit.js';
import { chooseHeldOut, gridOf, keyOf, PROBES } from '../../src/compare/crossover/grid.js';
import { capacityPerSecond, predict, type Conditions } from '../../src/compare/crossover/law.js';
import { minimise } from '../../src/compare/crossover/minimise.js';
import { readCrossover } from '../../src/compare/crossover/settings.js';
import { client, epoll, lawOf, madeUp, pool, threads } from './made-up.js';

const load = (connections: number, cpuUs: number, waitMs: number): Conditions => ({
  connections,
  cpuUs,
  waitMs,
});
const plain = lawOf('plain', {
  requestUs: 1e-9,
  accountUs: 1e-9,
  wakeUpUs: 1e-9,
  growthUs: 1e-9,
  waitUs: 1e-9,
  latencyUs: 1e-9,
  waitLatencyUs: 1e-9,
  sharpness: 50,
});

describe('the law', () => {
  test('without overheads it is the bounds of a closed queue: N / (Z + D), and then 1 / D', () => {
    // 2 ms of CPU and 18 ms of wait: the knee is at 10 connections.
    expect(predict(plain, null, load(1, 2000, 18)).requestsPerSecond).toBeCloseTo(50, 3);
    expect(predict(plain, null, load(5, 2000, 18)).requestsPerSecond).toBeCloseTo(250, 1);
    expect(predict(plain, null, load(100, 2000, 18)).requestsPerSecond).toBeCloseTo(500, 0);
    expect(predict(plain, null, load(5, 2000, 18)).limit).toBe('connections');
    expect(predict(plain, null, load(100, 2000, 18)).limit).toBe('server CPU');
    expect(predict(plain, null, load(64, 1000, 0)).latencyUs).toBeCloseTo(64_000, -1);
  });

  test('a pool of N threads makes N / wait, however many connect', () => {
    const of8 = { ...plain, servedMax: 8 };
    for (const connections of [8, 100, 5000]) {
      const { requestsPerSecond, served } = predict(of8, null, load(connections, 0, 50));
      expect({ served, rate: Math.round(requestsPerSecond) }).toEqual({ served: 8, rate: 160 });
    }
  });

  test('cores multiply the capacity, and do nothing for one connection', () => {
    const two = { ...plain, cores: 2 };
    expect(predict(two, null, load(100, 2000, 18)).requestsPerSecond).toBeCloseTo(1000, -1);
    expect(predict(two, null, load(1, 2000, 18)).requestsPerSecond).toBeCloseTo(50, 3);
    expect(capacityPerSecond(two, load(100, 2000, 18))).toBeCloseTo(1000, 3);
  });

  test('a load that has a core of its own bounds it by that core', () => {
    const { requestsPerSecond, limit } = predict(
      plain,
      { requestUs: 100, waitUs: 0, sharedCores: null },
      load(500, 10, 0),
    );
    expect(requestsPerSecond).toBeCloseTo(10_000, -3);
    expect(limit).toBe('client CPU');
    const shared = predict(plain, { requestUs: 100, waitUs: 0, sharedCores: 2 }, load(500, 300, 0));
    expect(shared.requestsPerSecond).toBeCloseTo(1e6 / 300, -2);
  });

  test('with any costs: more connections never make fewer requests, nor faster ones; Little holds', () => {
    const us = fc.double({ min: 0.01, max: 500, noNaN: true });
    fc.assert(
      fc.property(
        fc.record({
          requestUs: us,
          accountUs: us,
          // A request that is alone takes the client's time as well.
          latencyUs: fc.double({ min: client.requestUs + client.waitUs, max: 500, noNaN: true }),
          waitUs: us,
          waitLatencyUs: us,
          wakeUpUs: fc.constant(1e-9),
          growthUs: fc.constant(1e-9),
          sharpness: fc.double({ min: 1, max: 20, noNaN: true }),
        }),
        fc.integer({ min: 1, max: 5000 }),
        fc.integer({ min: 0, max: 5000 }),
        fc.integer({ min: 0, max: 100 }),
        (parameters, connections, cpuUs, waitMs) => {
          const law = lawOf('any', parameters);
          const few = predict(law, client, load(connections, cpuUs, waitMs));
          const more = predict(law, client, load(connections + 1, cpuUs, waitMs));
          expect(more.requestsPerSecond).toBeGreaterThanOrEqual(few.requestsPerSecond * (1 - 1e-3));
          expect(more.latencyUs).toBeGreaterThanOrEqual(few.latencyUs * (1 - 1e-3));
          expect((few.requestsPerSecond * few.latencyUs) / 1e6).toBeCloseTo(connections, 3);
          expect(few.requestsPerSecond).toBeLessThanOrEqual((1e6 / few.serverCpuUs) * (1 + 1e-9));
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('its calibration', () => {
  const observed = (law: typeof epoll, conditions: readonly Conditions[]): Observation[] =>
    conditions.map((one) => {
      const { requestsPerSecond, serverCpuUs, latencyUs } = predict(law, client, one);
      const costs = { generatorCpuUs: client.requestUs, upstreamCpuUs: one.waitMs > 0 ? client.waitUs : 0 };
      return { ...one, requestsPerSecond, serverCpuUs, p50Us: latencyUs, p99Us: 1.5 * latencyUs, ...costs };
    });

  test.each([threads, epoll])('the calibration set alone finds the costs of $contestant again', (law) => {
    const { parameters } = fitModel(law, client, observed(law, PROBES));
    const { requestUs, wakeUpUs, waitUs, accountUs, latencyUs, waitLatencyUs } = law.parameters;
    expect(parameters.requestUs).toBeCloseTo(requestUs, -0.5);
    expect(Math.abs(parameters.wakeUpUs - wakeUpUs)).toBeLessThan(4);
    // Together they are the cost of a request that waits; apart they are told by few cells.
    expect(Math.abs(parameters.waitUs + parameters.accountUs - waitUs - accountUs)).toBeLessThan(4);
    expect(parameters.latencyUs / latencyUs).toBeCloseTo(1, 0.5);
    expect(parameters.waitLatencyUs / waitLatencyUs).toBeCloseTo(1, 0.3);
    // What counts: cells that are far from it.
    for (const far of [load(4000, 50, 100), load(1, 5000, 0), load(512, 2000, 50), load(8, 100, 2)]) {
      const ratio =
        predict({ ...law, parameters }, client, far).requestsPerSecond /
        predict(law, client, far).requestsPerSecond;
      expect(Math.abs(ratio - 1), keyOf(far)).toBeLessThan(0.08);
    }
  });

  test('with noise of 5% in each measurement the median error in the cells held out stays below 10%', () => {
    const { check } = madeUp([threads, pool, epoll], { seed: 11 }, 0.05);
    expect(check?.throughput.values).toBe(38 * 3);
    expect(check?.throughput.median).toBeLessThan(0.1);
    expect(check?.throughput.worst).toBeLessThan(0.35);
    expect(check?.throughput.worstAt).toMatchObject({
      contestant: expect.stringMatching(/threads|pool|epoll/),
    });
  });

  test('what the cells held out say changes nothing of the law', () => {
    const settings = readCrossover({ seed: 21 });
    const heldOut = chooseHeldOut(gridOf(settings), settings.heldOutShare, settings.seed);
    const honest = madeUp([threads, epoll], { seed: 21 });
    const spoilt = madeUp([threads, epoll], { seed: 21 }, 0, (one) =>
      one.of === 'grid' && heldOut.has(keyOf(one)) ? { ...one, requestsPerSecond: 1, serverCpuUs: 1e6 } : one,
    );
    expect(spoilt.law).toEqual(honest.law);
    expect(spoilt.check!.throughput.median).toBeGreaterThan(10);
    // And those it learns from do.
    const learnt = madeUp([threads, epoll], { seed: 21 }, 0, (one) =>
      one.of === 'grid' && !heldOut.has(keyOf(one))
        ? { ...one, requestsPerSecond: 2 * one.requestsPerSecond }
        : one,
    );
    expect(learnt.law).not.toEqual(honest.law);
    expect(
      spoilt.cells
        .filter((cell) => cell.heldOut)
        .map(keyOf)
        .toSorted(),
    ).toEqual([...heldOut].toSorted());
  });

  test('cells are held out by the seed alone, as many as the share says', () => {
    const grid = gridOf(readCrossover({ seed: 1 }));
    expect(grid).toHaveLength(64);
    const first = chooseHeldOut(grid, 0.6, 5);
    expect(first.size).toBe(38);
    expect(chooseHeldOut(grid, 0.6, 5)).toEqual(first);
    expect(chooseHeldOut(grid, 0.6, 6)).not.toEqual(first);
  });

  test('no cell of the default grid is in the calibration set', () => {
    const grid = new Set(gridOf(readCrossover({ seed: 1 })).map(keyOf));
    expect(PROBES.filter((one) => grid.has(keyOf(one)))).toEqual([]);
  });
});

test('minimise finds the bottom of a bent valley', () => {
  const valley = ([x, y]: readonly number[]): number => (1 - x!) ** 2 + 100 * (y! - x! * x!) ** 2;
  const [x, y] = minimise(valley, [-1.2, 1]);
  expect(x).toBeCloseTo(1, 2);
  expect(y).toBeCloseTo(1, 2);
});
