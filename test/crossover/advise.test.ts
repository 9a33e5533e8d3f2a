// Advice: what each model is said to do follows from the law, who can't do it is told why, and calibrations are kept.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  advise,
  calibrationFile,
  checkQuestion,
  readCalibration,
  readCrossoverFile,
  renderAdvice,
  writeCalibration,
  type Question,
} from '../../src/compare/advise/index.js';
import { forecast, queueing } from '../../src/compare/advise/forecast.js';
import { sayAdvice } from '../../src/compare/advise/say.js';
import { epoll, madeUp, threads } from './made-up.js';

const report = madeUp([threads, epoll], { seed: 1 });
const ask = (question: Partial<Question>): Question => ({
  connections: 500,
  waitMs: 20,
  cpuUs: 2000,
  memoryBytes: null,
  ratePerSecond: null,
  p99Us: null,
  cores: 1,
  ...question,
});
const answer = (question: Partial<Question>, threadsMax: number | null = null) =>
  advise(ask(question), report, 'a test', { threadsMax });
const of = (model: string, advice: ReturnType<typeof answer>) =>
  advice.candidates.find((one) => one.model === model);

describe('advice', () => {
  test('where CPU is the limit on one core, any model will do, and it is said why', () => {
    const advice = answer({});
    expect(advice.take).toEqual(['threads', 'epoll', 'pool']);
    expect(advice.sentences[0]).toMatch(/^Take any: /);
    expect(advice.sentences.join(' ')).toMatch(/CPU limits first: .*about 4\d\d per second/);
    for (const { forecast: does } of advice.candidates)
      expect(does.capacityPerSecond / 490).toBeCloseTo(1, 1);
  });

  test('a pool has the threads that Little asks for: 22 ms of which 2 are CPU keep one core busy with 11', () => {
    const advice = answer({});
    expect(of('pool', advice)!.count).toBeGreaterThanOrEqual(11);
    expect(of('pool', advice)!.count).toBeLessThan(24);
    expect(advice.sentences.join(' ')).toMatch(
      /A blocking pool of \d\d threads is good enough .*leaves 4\d\d of 500/,
    );
    // With a rate: rate x latency, and some more.
    const rated = of('pool', answer({ ratePerSecond: 200, cpuUs: 100 }))!;
    expect(rated.count).toBeGreaterThan(200 * 0.0205);
    expect(rated.count).toBeLessThan(12);
  });

  test('with more cores threads use them and one loop does not: reactors do', () => {
    const advice = answer({ cores: 4 });
    expect(of('threads', advice)!.forecast.capacityPerSecond).toBeGreaterThan(1800);
    expect(of('epoll', advice)!.forecast.capacityPerSecond).toBeLessThan(500);
    expect(of('reactors', advice)!.forecast.capacityPerSecond).toBeGreaterThan(1800);
    expect(advice.take).not.toContain('epoll');
    expect(advice.sentences.join(' ')).toMatch(/One loop uses one of the 4 cores/);
    expect(answer({ cores: 4, ratePerSecond: 1200 }).sentences.join(' ')).toMatch(
      /needs 2\.4 cores.*Take 4 reactors/,
    );
  });

  test('where waiting is the limit, it says so: N / (wait + cpu)', () => {
    const advice = answer({ connections: 100, waitMs: 100, cpuUs: 0 });
    expect(advice.candidates.map(({ forecast: does }) => Math.round(does.capacityPerSecond / 50))).toEqual([
      20, 20,
    ]);
    expect(advice.sentences.join(' ')).toMatch(/The connections limit first/);
    expect(advice.underWay).toBeCloseTo(100, 0);
  });

  test('memory, rate, p99 and the number of threads stand against a model, each with its numbers', () => {
    const advice = answer(
      { connections: 20_000, waitMs: 100, cpuUs: 50, memoryBytes: 512 * 2 ** 20, ratePerSecond: 3000 },
      9000,
    );
    expect(of('threads', advice)!.reasons).toEqual([
      expect.stringMatching(/^needs 1\.6 GiB of memory, and has 512\.0 MiB$/),
      expect.stringMatching(/^needs 20,000 threads, and this machine gives a process 9,000$/),
    ]);
    expect(of('epoll', advice)!.reasons).toEqual([]);
    expect(advice.take).toEqual(['epoll', 'pool']);
    const late = answer({ ratePerSecond: 450, p99Us: 30_000 });
    expect(of('epoll', late)!.reasons[0]).toMatch(/^has a p99 of about \d+ ms, beyond 30 ms$/);
    const much = answer({ ratePerSecond: 600 });
    expect(much.take).toEqual([]);
    expect(much.sentences[0]).toMatch(/^None of the models/);
    expect(much.sentences[1]).toMatch(
      /does 4\d\d requests per second at most \(limit: server CPU\), and 600 come/,
    );
  });

  test('a queue at half load waits a little, near its capacity long, beyond it without end', () => {
    expect(queueing(0.5, 1, 1000).meanUs).toBeCloseTo(500, 6); // M/D/1: rho S / 2 (1 - rho)
    expect(queueing(0.5, 16, 1000).meanUs).toBeLessThan(10);
    expect(queueing(1, 4, 1000)).toEqual({ meanUs: Infinity, probability: 1 });
    const law = { ...epoll, cores: 1 };
    const p99 = [50, 300, 450].map((ratePerSecond) => forecast(law, ask({ ratePerSecond })).p99Us);
    expect(p99).toEqual(p99.toSorted((a, b) => a - b));
    expect(p99[0]).toBeGreaterThan(22_000);
  });

  test('a request that waits for a thread of a pool waits as long as the others do: Little over all connections', () => {
    const advice = answer({ p99Us: 100_000 });
    const { latencyUs, requestsPerSecond } = of('pool', advice)!.forecast;
    expect((requestsPerSecond * latencyUs) / 1e6).toBeCloseTo(500, 6);
    expect(of('pool', advice)!.reasons).toEqual([
      expect.stringMatching(/^has a p99 of about 1\.\d+ s, beyond/),
    ]);
    expect(advice.take).toEqual([]);
  });

  test('what is left out is behind what is taken, by a number that shows it', () => {
    for (const cores of [1, 2, 4, 16]) {
      for (const [cpuUs, waitMs, connections] of [
        [100, 0, 8],
        [0, 0, 100],
        [0, 20, 5000],
        [300, 5, 64],
      ] as const) {
        const [take] = answer({ cores, cpuUs, waitMs, connections }).sentences;
        expect(take).not.toMatch(/(9\d|1\d\d)% of it| (1\.0|0\.\d) times/);
      }
    }
    // Level with the best by CPU, and not with the cheapest: it is the cheapest that it is held against.
    const advice = answer({ cores: 2, cpuUs: 100, waitMs: 0, connections: 8 });
    const cpuOf: Record<string, number> = { threads: 155, epoll: 200, pool: 160, reactors: 136 };
    const candidates = advice.candidates.map((one) => ({
      ...one,
      forecast: { ...one.forecast, requestsPerSecond: 12_000, serverCpuUs: cpuOf[one.model]! },
    }));
    const [take] = sayAdvice({ ...advice, candidates, take: ['threads', 'reactors'] });
    expect(take).toMatch(/up to 12,000 requests per second; .*epoll\) takes 1\.5 times.*takes 1\.2 times/);
  });

  test('one of something is one, few per second are not none, and a model is called what it is', () => {
    const rare = renderAdvice(answer({ connections: 1, ratePerSecond: 0.001 }));
    expect(rare).toContain('1 connection, each');
    expect(rare).toContain('0.001 requests per second');
    expect(of('pool', answer({ connections: 100, ratePerSecond: 0.001 }))!.count).toBe(1);
    expect(renderAdvice(answer({ connections: 100, ratePerSecond: 0.001 }))).toContain('a pool of 1 thread ');
    const strange = { ...report, law: { ...report.law!, models: [{ ...threads, contestant: 'worker' }] } };
    expect(renderAdvice(advise(ask({}), strange, 'x'))).toContain('the model worker');
  });

  test('is text with a row for each model, and a report without a law is refused', () => {
    const text = renderAdvice(answer({ memoryBytes: 512 * 2 ** 20, cores: 2 }));
    for (const word of [
      'a thread per connection',
      'one loop (epoll)',
      '2 reactors',
      'a pool of',
      'a test',
      '512.0',
    ])
      expect(text).toContain(word);
    expect(text).not.toMatch(/NaN|undefined|Infinity/);
    expect(() => advise(ask({}), { ...report, law: null }, 'x.json')).toThrow(
      /--from must be a crossover with a law/,
    );
  });
});

test.each<[Partial<Question>, string]>([
  [{ connections: 0 }, '--connections'],
  [{ waitMs: -1 }, '--wait'],
  [{ waitMs: 1e9 }, '--wait'],
  [{ cpuUs: 1.5 }, '--cpu'],
  [{ cores: 0 }, '--cores'],
  [{ memoryBytes: 0 }, '--memory'],
  [{ ratePerSecond: 0 }, '--rate'],
  [{ p99Us: Infinity }, '--p99'],
])('%j is refused: names %s', (question, name) => {
  expect(() => checkQuestion(ask(question))).toThrow(
    expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringMatching(`^${name}`) }),
  );
});

describe('a calibration', () => {
  const folder = mkdtempSync(join(tmpdir(), 'underloop-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('is kept in the cache folder, for this machine and version alone, and read back', () => {
    const path = calibrationFile('1.2.3', { XDG_CACHE_HOME: folder });
    expect(path).toMatch(new RegExp(`^${folder}/underloop/calibration-[0-9a-f]{16}\\.json$`));
    expect(calibrationFile('1.2.4', { XDG_CACHE_HOME: folder })).not.toBe(path);
    expect(calibrationFile('1.2.3', { XDG_CACHE_HOME: 'relative' })).not.toContain('relative');
    expect(readCalibration(path)).toBeNull();
    expect(writeCalibration(path, report)).toBeNull();
    expect(readCalibration(path)?.law).toEqual(JSON.parse(JSON.stringify(report.law)));
    writeFileSync(path, readFileSync(path, 'utf8').slice(0, 100));
    expect(readCalibration(path)).toBeNull();
    expect(writeCalibration('/dev/null/x/y', report)).toMatch(/ENOTDIR|EEXIST/);
  });

  test.each<[string, (law: NonNullable<typeof report.law>) => unknown]>([
    ['none', () => undefined],
    ['no models', () => ({})],
    ['a model that is none', () => ({ models: [null] })],
    ['no parameters', ({ models }) => ({ models: [{ ...models[0], parameters: undefined }] })],
    [
      'a parameter that is no number',
      ({ models }) => ({
        models: [{ ...models[0], parameters: { ...models[0]!.parameters, requestUs: 'few' } }],
      }),
    ],
    ['no memory', ({ models }) => ({ models: [{ ...models[0], memory: {} }] })],
  ])('whose law has %s is refused, and measured anew in the cache', (_, spoil) => {
    const path = join(folder, 'spoilt.json');
    writeFileSync(path, JSON.stringify({ ...report, law: spoil(report.law!) }));
    expect(() => readCrossoverFile(path)).toThrow(
      /^--from must be a crossover whose law has all its numbers/,
    );
    expect(readCalibration(path)).toBeNull();
  });

  test('of a pool alone tells of no model by itself', () => {
    const alone = { ...report, law: { ...report.law!, models: [{ ...threads, contestant: 'pool' }] } };
    expect(() => advise(ask({}), alone, 'x')).toThrow(/^--from must be a crossover with threads or a loop/);
  });

  test('from something else is refused by name', () => {
    const other = join(folder, 'other.json');
    writeFileSync(other, '{"schema":"underloop.compare"}');
    for (const path of [other, join(folder, 'missing.json')])
      expect(() => readCrossoverFile(path)).toThrow(
        /^--from must be a file that `underloop crossover --json` has written/,
      );
    writeFileSync(other, '{"schema":"underloop.crossover","version":99}');
    expect(() => readCrossoverFile(other)).toThrow(/^--from must be a crossover of version 2; got 99/);
  });
});
