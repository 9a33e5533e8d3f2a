// The law: its bounds are those of queues, its calibration finds what was put in, and cells held out stay unseen.

import { expect, describe, test } from 'vitest';
import fc from 'fast-check';
import { fitClient, fitModel, type Observation } from '../../src/compare/crossover/fit.js';
import { chooseHeldOut, gridOf, keyOf, PROBES } from '../../src/compare/crossover/grid.js';
import {
  capacityPerSecond,
  clientUs,
  predict,
  type ClientLaw,
  type Conditions,
} from '../../src/compare/crossover/law.js';
import { minimise } from '../../src/compare/crossover/minimise.js';
import { readCrossover } from '../../src/compare/crossover/settings.js';
import { client, epoll, lawOf, loadCosts, madeUp, pool, threads } from './made-up.js';
import { recorded } from './recorded.js';

const load = (connections: number, cpuUs: number, waitMs: number): Conditions => ({
  connections,
  cpuUs,
  waitMs,
});
const plain = lawOf('plain', {
  requestUs: 1e-9,
  accountUs: 1e-9,
  workUs: 1e-9,
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
      { requestUs: 100, waitUs: 0, wakeUpUs: 0, sharedCores: null },
      load(500, 10, 0),
    );
    expect(requestsPerSecond).toBeCloseTo(10_000, -3);
    expect(limit).toBe('client CPU');
    const both: ClientLaw = { requestUs: 100, waitUs: 0, wakeUpUs: 0, sharedCores: 2 };
    const shared = predict(plain, both, load(500, 300, 0));
    expect(shared.requestsPerSecond).toBeCloseTo(1e6 / 300, -2);
  });

  test("the load's core, too, serves many in one go: a request that is alone costs it more than it bounds", () => {
    const batching: ClientLaw = { requestUs: 10, waitUs: 10, wakeUpUs: 30, sharedCores: null };
    expect(clientUs(batching, load(1, 0, 2), 1)).toBe(110);
    // Five thousand at once with a wait of 2 ms: 1 / 20 us, and not 1 / 110 us.
    const most = predict(plain, batching, load(5000, 0, 2));
    expect(most.limit).toBe('client CPU');
    expect(most.requestsPerSecond / 50_000).toBeCloseTo(1, 1);
    const alone: ClientLaw = { ...batching, requestUs: 100, wakeUpUs: 0 };
    expect(predict(plain, alone, load(5000, 0, 2)).requestsPerSecond / (1e6 / 110)).toBeCloseTo(1, 1);
  });

  test('a request that works, waits, or does both is accounted once, and costs beyond that what each does', () => {
    const law = lawOf('any', { accountUs: 40, workUs: 5, waitUs: 60, wakeUpUs: 1e-9 });
    const cpuOf = (cpuUs: number, waitMs: number): number =>
      predict(law, null, load(64, cpuUs, waitMs)).serverCpuUs;
    expect(cpuOf(100, 0) - cpuOf(0, 0)).toBeCloseTo(145, 6);
    expect(cpuOf(0, 5) - cpuOf(0, 0)).toBeCloseTo(100, 6);
    expect(cpuOf(100, 5) - cpuOf(0, 0)).toBeCloseTo(205, 6);
  });

  test('with any costs: more connections never make fewer requests, nor faster ones; Little holds', () => {
    const us = fc.double({ min: 0.01, max: 500, noNaN: true });
    fc.assert(
      fc.property(
        fc.record({
          requestUs: us,
          accountUs: us,
          workUs: us,
          // A request that is alone takes the client's time as well.
          latencyUs: fc.double({ min: clientUs(client, load(1, 0, 1), 1), max: 500, noNaN: true }),
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
      const { requestsPerSecond, served, serverCpuUs, latencyUs } = predict(law, client, one);
      const measured = { requestsPerSecond, served, serverCpuUs, p50Us: latencyUs, p99Us: 1.5 * latencyUs };
      return { ...one, ...measured, ...loadCosts(law, one) };
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

  test("the load's own costs are found again, whatever slow servers and cold cores cost it beyond them", () => {
    const dear = (one: Observation): Observation => ({ ...one, generatorCpuUs: 4 * one.generatorCpuUs });
    const honest = observed(epoll, PROBES);
    const slow = [
      load(1, 0, 2),
      load(1, 0, 10),
      load(1, 0, 50),
      load(2, 0, 50),
      load(4, 0, 20),
      load(8, 0, 50),
    ];
    const cold = [...honest, ...observed(epoll, slow).map(dear)];
    for (const observations of [honest, cold, [...honest, ...observed(threads, PROBES).map(dear)]]) {
      const found = fitClient(observations, null);
      for (const conditions of [load(32, 0, 0), load(512, 0, 0), load(64, 0, 2), load(512, 0, 2)]) {
        for (const batch of [2, 20]) {
          const ratio = clientUs(found, conditions, batch) / clientUs(client, conditions, batch);
          expect(Math.abs(ratio - 1), `${keyOf(conditions)} ${batch}`).toBeLessThan(0.15);
        }
      }
    }
    expect(fitClient([], 2)).toMatchObject({ sharedCores: 2 });
  });

  test.each([1, 2, 3])('of a run that was recorded, the cells held out by seed %i are foretold', (seed) => {
    const { check, cells } = recorded(seed);
    expect(check!.throughput.median).toBeLessThan(0.05);
    expect(check!.p50.median).toBeLessThan(0.06);
    // With one cost per request of the load's core, however many come in one go, these were 70%, 59% and 36% off.
    for (const key of ['512/0/2', '512/0/10', '64/0/2']) {
      const loop = cells.find((cell) => keyOf(cell) === key)!.errors['epoll']!;
      expect(Math.abs(loop.requestsPerSecond), key).toBeLessThan(0.4);
    }
    // And 68% and 243%. What is worst with the other seeds is a cell whose two rounds were twice apart.
    if (seed === 1) {
      expect(check!.throughput.worst).toBeLessThan(0.5);
      expect(check!.p50.worst).toBeLessThan(1);
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
