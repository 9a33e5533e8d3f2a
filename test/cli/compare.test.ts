// `underloop compare` on small numbers, live: the counts are exact, the reports complete, the ratios what the models are.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import type { Cell, Report } from '../../src/compare/report.js';
import type { Step } from '../../src/compare/workloads/ladder.js';
import type { ServerThreads, TimelineRow } from '../../src/compare/workloads/wait.js';
import { TEST_TIMEOUT_MS, MAIN, compareJson, runCommand } from './command.js';

vi.setConfig({ testTimeout: TEST_TIMEOUT_MS });

const folder = mkdtempSync(join(tmpdir(), 'underloop-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const cellOf = (report: Report, label: string): Cell =>
  report.cells.find(({ contestant, round }) => contestant === label && round > 0)!;

describe.runIf(process.platform === 'linux')('underloop compare', () => {
  test('wait: one blocking thread waits in a row, threads and a loop wait together', async () => {
    const file = join(folder, 'wait.json');
    const outcome = await runCommand([
      ...'compare wait --connections 3 --wait 150ms --models sequential,threads,epoll --seed 3 --json'.split(
        ' ',
      ),
      file,
    ]);
    expect(outcome).toMatchObject({ code: 0, signal: null });
    // Text to stdout, progress to stderr, one line per cell.
    expect(outcome.stdout).toMatch(/^wait: 3 requests, each waits 150\.0 ms/);
    expect(outcome.stdout).toContain('seed 3');
    expect(outcome.stderr.trim().split('\n')).toHaveLength(3);

    const report = JSON.parse(readFileSync(file, 'utf8')) as Report;
    const rows = (label: string): TimelineRow[] => cellOf(report, label).raw['timeline'] as TimelineRow[];
    for (const label of ['sequential', 'threads', 'epoll']) {
      expect(cellOf(report, label).failure).toBeNull();
      expect(rows(label)).toHaveLength(3);
      for (const row of rows(label)) {
        const stamps = [
          row.sentMs,
          row.receivedMs,
          row.waitStartedMs,
          row.waitEndedMs,
          row.answeredMs,
          row.repliedMs,
        ];
        expect(stamps, label).toEqual(stamps.toSorted((a, b) => a - b));
        expect(row.waitingMs).toBeGreaterThanOrEqual(149);
      }
    }
    // By the server's own stamps: in a row they never overlap; together, each starts before the first one ends.
    const inRow = rows('sequential');
    for (const [index, row] of inRow.entries()) {
      if (index > 0) expect(row.waitStartedMs).toBeGreaterThanOrEqual(inRow[index - 1]!.waitEndedMs);
    }
    expect(cellOf(report, 'sequential').figures['totalMs']).toBeGreaterThan(2.5 * 150);
    expect(new Set(inRow.map(({ thread }) => thread)).size).toBe(1);
    for (const label of ['threads', 'epoll']) {
      const starts = rows(label).map(({ waitStartedMs }) => waitStartedMs);
      const ends = rows(label).map(({ waitEndedMs }) => waitEndedMs);
      expect(Math.max(...starts), label).toBeLessThan(Math.min(...ends));
    }
    expect(new Set(rows('threads').map(({ thread }) => thread)).size).toBe(3);
    expect(new Set(rows('epoll').map(({ thread }) => thread)).size).toBe(1);
    const groups = cellOf(report, 'threads').raw['threads'] as ServerThreads[];
    expect(groups.filter(({ serves }) => serves).reduce((sum, { count }) => sum + count, 0)).toBe(
      cellOf(report, 'threads').figures['serviceThreads'],
    );
  });

  // Side by side: what these hold is true however busy the machine is, and most of their time is windows and waits.
  test.concurrent(
    'idle: every connection is counted where it is; what is not served is a finding, not a failure',
    async () => {
      const { code, stderr, report } = await compareJson(
        `idle --connections 150 --actives 10 --duration 200ms --rounds 1 --pool-threads 40 --models threads,pool,epoll`.split(
          ' ',
        ),
      );
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const figures = (label: string) => cellOf(report, label).figures;
      for (const label of ['threads', 'pool', 'epoll']) {
        expect(figures(label), label).toMatchObject({ connected: 150, accepted: 150, refused: 0 });
        expect(cellOf(report, label).failure).toBeNull();
      }
      expect(figures('threads')).toMatchObject({ serving: 150, threads: 150, activeTimedOut: 0 });
      expect(figures('epoll')).toMatchObject({ serving: 150, threads: 1, activeTimedOut: 0 });
      expect(figures('pool')).toMatchObject({ serving: 40, threads: 40 });
      expect(figures('pool')['activeTimedOut']).toBeGreaterThan(0);
      for (const label of ['threads', 'epoll']) expect(figures(label)['activeAnswered']).toBeGreaterThan(0);
      expect(report.verdict.join('\n')).toMatch(/pool serves 40 of 150 connections.*timed out/);
      // A price list is of what is there: the sum of its rows, or the reason why one is missing.
      for (const label of ['threads', 'pool', 'epoll']) {
        const cell = cellOf(report, label);
        for (const name of ['user', 'kernelStacks', 'pageTables', 'socketSlabs', 'total']) {
          expect(name in cell.figures || name in cell.unavailable, `${label} ${name}`).toBe(true);
        }
      }
    },
  );

  test.concurrent(
    'echo: the JSON has all of the schema; the same model twice is an A/A comparison',
    async () => {
      const csv = join(folder, 'echo.csv');
      const line =
        'echo --connections 8 --duration 300ms --warm-up 100ms --rounds 2 --models epoll,epoll --no-system-calls --seed 4';
      const { code, report } = await compareJson([...line.split(' '), '--csv', csv]);
      expect(code).toBe(0);
      expect(Object.keys(report)).toEqual([
        'schema',
        'version',
        'startedAt',
        'elapsedMs',
        'interrupted',
        'settings',
        'machine',
        'pinning',
        'notices',
        'contestants',
        'figures',
        'cells',
        'summaries',
        'verdict',
      ]);
      expect(report).toMatchObject({
        schema: 'underloop.compare',
        version: 1,
        interrupted: false,
        notices: [],
      });
      expect(report.settings).toMatchObject({ workload: 'echo', connections: 8, durationMs: 300, seed: 4 });
      expect(report.contestants.map(({ label, model }) => [label, model])).toEqual([
        ['epoll', 'epoll'],
        ['epoll#2', 'epoll'],
      ]);
      // Two rounds of both, and the pass for system calls, which was not wanted.
      expect(report.cells.map(({ round }) => round)).toEqual([1, 1, 2, 2, 0, 0]);
      expect(
        report.cells
          .slice(0, 2)
          .map(({ contestant }) => contestant)
          .toSorted(),
      ).toEqual(['epoll', 'epoll#2']);
      for (const cell of report.cells.slice(0, 4)) {
        expect(cell.failure).toBeNull();
        expect(Object.keys(cell.raw)).toEqual(['before', 'after', 'result']);
        for (const name of ['requestsPerSecond', 'p50Us', 'p99Us', 'serverCpuUs', 'threads']) {
          expect(cell.figures[name], name).toBeGreaterThan(0);
        }
        for (const name of Object.keys(cell.figures)) expect(report.figures, name).toHaveProperty(name);
      }
      expect(cellOf(report, 'epoll').unavailable).toEqual(
        report.pinning.reason === null ? {} : expect.anything(),
      );
      expect(report.cells[4]!.unavailable).toEqual({ systemCalls: 'not asked for' });
      // Two rounds: a range and no interval, and so no winner.
      expect(report.summaries['epoll#2']!['p50Us']).toMatchObject({ n: 2, interval: null });
      expect(report.verdict[0]).toMatch(/^Server CPU per request: too few rounds for a winner/);
      // The CSV has the same figures.
      const lines = readFileSync(csv, 'utf8').trim().split('\n');
      expect(lines[0]).toBe('workload,round,model,figure,unit,value,failure');
      expect(lines).toHaveLength(
        1 + report.cells.reduce((sum, { figures }) => sum + Object.keys(figures).length, 0),
      );
      const [first] = report.cells;
      expect(lines).toContain(`echo,1,${first!.contestant},p50Us,us,${first!.figures['p50Us']},`);
    },
  );

  test.concurrent(
    'active: those who ask are answered at every point, among as many idle ones as it says',
    async () => {
      const { code, report } = await compareJson(
        'active --connections 60 --points 10 --actives 4 --duration 200ms --warm-up 50ms --rounds 1 --models epoll'.split(
          ' ',
        ),
      );
      const cell = cellOf(report, 'epoll');
      expect({ code, failure: cell.failure }).toEqual({ code: 0, failure: null });
      for (const point of [10, 60]) {
        for (const name of ['p50Us', 'p99Us', 'serverCpuUs'])
          expect(cell.figures[`${name}@${point}`], `${name}@${point}`).toBeGreaterThan(0);
        const { result } = cell.raw[point] as Step;
        expect(result.connections.openAtEnd).toBe(point + 4);
        expect(result.actives!.connections).toBe(4);
      }
    },
  );

  test.concurrent('churn: a connection for each request, all of them accepted', async () => {
    const { code, report } = await compareJson(
      'churn --connections 4 --duration 300ms --warm-up 100ms --rounds 1 --models epoll'.split(' '),
    );
    const cell = cellOf(report, 'epoll');
    expect({ code, failure: cell.failure }).toEqual({ code: 0, failure: null });
    const { before, after, result } = cell.raw as unknown as Step;
    expect(cell.figures['connectionsPerSecond']).toBeGreaterThan(0);
    // Those under way at either look may be accepted, and not yet served.
    expect(after.accepted - before.accepted).toBeGreaterThanOrEqual(after.served - before.served - 4);
    expect(result.connections.openedTotal).toBeGreaterThanOrEqual(result.replies);
  });

  test.concurrent(
    'cpu: a request takes as long as it works, and the price beside the work is told',
    async () => {
      const { code, report } = await compareJson(
        'cpu --connections 1 --points 0,3000 --duration 200ms --warm-up 50ms --rounds 1 --models epoll'.split(
          ' ',
        ),
      );
      const { figures, failure } = cellOf(report, 'epoll');
      expect({ code, failure }).toEqual({ code: 0, failure: null });
      // A histogram's quantile is 0.4% off at most.
      expect(figures['p50Us@3000']).toBeGreaterThanOrEqual(3000 * 0.99);
      expect(figures['requestsPerSecond@3000']).toBeLessThanOrEqual(1e6 / 3000);
      expect(figures['overheadUs@0']).toBeGreaterThan(0);
    },
  );

  test.concurrent('mixed: on a loop the short requests wait for the bursts', async () => {
    const { code, report } = await compareJson(
      'mixed --connections 4 --cpu 30ms --duration 500ms --warm-up 100ms --rounds 1 --models epoll'.split(
        ' ',
      ),
    );
    const { figures, failure } = cellOf(report, 'epoll');
    expect({ code, failure }).toEqual({ code: 0, failure: null });
    expect(figures['burstsPerSecond']).toBeGreaterThan(0);
    expect(figures['burstsPerSecond']).toBeLessThanOrEqual(1000 / 30);
    expect(figures['answered@alone']).toBeGreaterThan(0);
    expect(figures['maxMs@bursts']).toBeGreaterThan(15);
  });

  test.concurrent(
    'saturate: a pool answers no more than its threads can wait for, and its queue grows',
    async () => {
      const { code, report } = await compareJson(
        'saturate --pool-threads 2 --wait 50ms --points 200 --duration 600ms --warm-up 200ms --rounds 1 --models pool'.split(
          ' ',
        ),
      );
      expect(code).toBe(0);
      const pool = cellOf(report, 'pool').figures;
      const { times } = (cellOf(report, 'pool').raw['200'] as Step).result;
      // N / wait per second, and at the window's beginning each thread may be about to answer.
      expect(pool['answersPerSecond@200']).toBeLessThanOrEqual(40 + 2000 / times.windowMs);
      expect(pool['queued@200']).toBeGreaterThan(0);
      expect(pool['p50Ms@200']).toBeGreaterThanOrEqual(49);
    },
  );

  test.concurrent('slow: slow clients hold the threads of a pool', async () => {
    const { code, report } = await compareJson(
      'slow --connections 2 --actives 6 --pool-threads 3 --duration 200ms --warm-up 50ms --rounds 1 --models pool'.split(
        ' ',
      ),
    );
    expect(code).toBe(0);
    const pool = cellOf(report, 'pool').figures;
    expect(pool['serving']).toBe(3);
    expect(pool['connections']).toBeGreaterThanOrEqual(6);
  });

  test.concurrent('with few descriptors it holds what it can, and says so', async () => {
    const args = 'compare idle --connections 1000 --duration 100ms --rounds 1 --models epoll --json --quiet';
    const { code, stdout } = await runCommand(args.split(' '), [
      'sh',
      '-c',
      'ulimit -n 300; exec "$@"',
      'sh',
      process.execPath,
      MAIN,
    ]);
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as Report;
    expect(report.notices[0]).toMatch(
      /lets a process hold 236 connections .*236 are compared instead of 1000/,
    );
    expect(report.settings.connections).toBe(236);
    expect(cellOf(report, 'epoll').figures).toMatchObject({ connected: 236, serving: 236, refused: 0 });
  });

  test('a model that cannot run here is left out with the reason; if none can, it is a failure', async () => {
    const missing = process.platform === 'linux' ? 'kqueue' : 'epoll';
    const { code, stdout, stderr } = await runCommand(['compare', 'wait', '--models', missing]);
    expect(code).toBe(1);
    expect(stderr).toContain(`${missing} is left out: `);
    expect(stdout).toContain(`${missing} is left out: `);
  });
});
