// What a comparison may be told: each mistake is refused by name and value, and limits of the machine are kept and said.

import { describe, expect, test } from 'vitest';
import { contestantNames, makeContestants, serverArguments } from '../../src/compare/contestants.js';
import type { WorkloadName } from '../../src/compare/report.js';
import { readSettings, runnable, withinLimits, type CompareOptions } from '../../src/compare/settings.js';
import { known, unavailable } from '../../src/probe/index.js';

describe('readSettings', () => {
  test.each<[WorkloadName, CompareOptions, string, string]>([
    ['echo', { connections: 0 }, '--connections', '0'],
    ['echo', { connections: 1_000_001 }, '--connections', '1000001'],
    ['echo', { connections: 2.5 }, '--connections', '2.5'],
    ['wait', { connections: 100_001 }, '--connections', '100001'],
    ['echo', { rounds: 0 }, '--rounds', '0'],
    ['echo', { rounds: 1001 }, '--rounds', '1001'],
    ['echo', { seed: -1 }, '--seed', '-1'],
    ['echo', { seed: 2 ** 32 }, '--seed', '4294967296'],
    ['echo', { cpuUs: 60_000_001 }, '--cpu', '60000001'],
    ['echo', { payloadBytes: 2 ** 20 + 1 }, '--payload', '1048577'],
    ['echo', { depth: 0 }, '--depth', '0'],
    ['echo', { depth: 65_536, connections: 65 }, '--depth', '65536'],
    ['idle', { actives: -1 }, '--actives', '-1'],
    ['idle', { actives: 100_001 }, '--actives', '100001'],
    ['active', { actives: 0 }, '--actives', '0'],
    ['slow', { actives: 0 }, '--actives', '0'],
    ['active', { points: [10, 5, 10] }, '--points', '[ 10, 5, 10 ]'],
    ['echo', { poolThreads: 0 }, '--pool-threads', '0'],
    ['echo', { stackKib: 63 }, '--stack-kib', '63'],
    ['echo', { durationMs: 99 }, '--duration', '99'],
    ['echo', { durationMs: 600_001 }, '--duration', '600001'],
    ['echo', { durationMs: NaN }, '--duration', 'NaN'],
    ['echo', { warmUpMs: -1 }, '--warm-up', '-1'],
    ['wait', { waitMs: 0 }, '--wait', '0'],
    ['wait', { waitMs: 600_001 }, '--wait', '600001'],
    ['echo', { models: [] }, '--models', '[]'],
    ['echo', { models: ['epoll', 'treads'] }, '--models', "'treads'"],
    ['sleep' as WorkloadName, {}, 'WORKLOAD', "'sleep'"],
  ])('%s with %j is refused: names %s and %s', (workload, options, name, value) => {
    let error: unknown;
    try {
      readSettings(workload, options);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: 'ERR_ARGUMENT' });
    const { message } = error as Error;
    expect(message.startsWith(name), message).toBe(true);
    expect(message.endsWith(`got ${value}`), message).toBe(true);
  });

  test("what is left out has the workload's default, and undefined is left out", () => {
    const settings = readSettings('wait', { rounds: undefined, connections: 7 });
    expect(settings).toMatchObject({
      workload: 'wait',
      connections: 7,
      rounds: 1,
      waitMs: 2000,
      cpuUs: 4000,
    });
    expect(settings.models).toEqual(['sequential', 'threads', 'epoll']);
    expect(readSettings('idle', {}).connections).toBe(10_000);
  });

  test('the seed is another each time unless it is given', () => {
    const seeds = new Set(Array.from({ length: 5 }, () => readSettings('echo', {}).seed));
    expect(seeds.size).toBeGreaterThan(1);
    expect(readSettings('echo', { seed: 9 }).seed).toBe(9);
  });
});

describe('withinLimits', () => {
  const capacity = known({ count: 236, boundBy: 'Max open files' }, 'a test');

  test('holds what the descriptors allow, and says so with the remedy', () => {
    const notices: string[] = [];
    const settings = withinLimits(readSettings('idle', { connections: 1000 }), notices, capacity);
    expect(settings.connections).toBe(236);
    expect(notices).toHaveLength(1);
    expect(notices[0]).toMatch(/236 connections \(Max open files\).*instead of 1000.*ulimit -n 1100/);
  });

  test('a server that waits on its upstream needs two descriptors per connection', () => {
    const notices: string[] = [];
    const settings = withinLimits(readSettings('wait', { connections: 200 }), notices, capacity);
    expect(settings.connections).toBe(118);
    expect(notices[0]).toContain('ulimit -n 500');
  });

  test.each([
    ['what fits', 236, capacity],
    ['a limit that is not known', 1000, unavailable('no /proc')],
  ])('%s is left as it is', (_, connections, of) => {
    const notices: string[] = [];
    const settings = readSettings('idle', { connections });
    expect(withinLimits(settings, notices, of)).toEqual(settings);
    expect(notices).toEqual([]);
  });

  test('one connection is always tried', () => {
    const none = known({ count: 0, boundBy: 'a test' }, 'a test');
    expect(withinLimits(readSettings('idle', { connections: 5 }), [], none).connections).toBe(1);
  });
});

describe('contestants', () => {
  test('a model named twice takes part twice, under a label of its own', () => {
    const labels = makeContestants(['epoll', 'threads', 'epoll', 'epoll']).map(({ label }) => label);
    expect(labels).toEqual(['epoll', 'threads', 'epoll#2', 'epoll#3']);
  });

  test('thread-per-request is threads with one request per connection', () => {
    const [perRequest, threads] = makeContestants(['thread-per-request', 'threads']);
    expect(perRequest).toMatchObject({
      label: 'thread-per-request',
      model: 'threads',
      requestsPerConnection: 1,
    });
    expect(threads).toMatchObject({ model: 'threads', requestsPerConnection: 0 });
    const settings = readSettings('echo', { stackKib: 128 });
    expect(serverArguments(perRequest!, settings, 99).join(' ')).toBe(
      '--model threads --port 0 --upstream 99 --requests-per-connection 1 --stack-kib 128',
    );
    expect(serverArguments(threads!, settings, 99)).not.toContain('--requests-per-connection');
  });

  test('the number of threads is for pool alone', () => {
    const settings = readSettings('echo', { poolThreads: 7 });
    const [pool, node] = makeContestants(['pool', 'node']);
    expect(serverArguments(pool!, settings, 1).join(' ')).toContain('--threads 7');
    expect(serverArguments(node!, settings, 1)).not.toContain('--threads');
  });

  test('what cannot run here is left out with the reason', () => {
    const notices: string[] = [];
    const all = makeContestants(contestantNames);
    const contestants = runnable(readSettings('echo', { models: contestantNames }), notices);
    expect(contestants.length).toBeGreaterThan(0);
    const missing = all.filter(({ label }) => !contestants.some((one) => one.label === label));
    for (const { label } of missing) {
      expect(notices.some((text) => text.startsWith(`${label} is left out: `) && text.length > 30)).toBe(
        true,
      );
    }
  });
});
