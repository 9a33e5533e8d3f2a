// `underloop crossover` and `advise`, live and small: every cell is measured, an interrupt leaves nothing, mistakes are told.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { bytes, durations, microsecondsList, positive } from '../../src/cli/parse.js';
import type { Advice } from '../../src/compare/advise/index.js';
import type { CrossoverReport } from '../../src/compare/crossover/index.js';
import { CommandRun, TEST_TIMEOUT_MS, leftAfter, runCommand } from './command.js';

vi.setConfig({ testTimeout: TEST_TIMEOUT_MS });

const folder = mkdtempSync(join(tmpdir(), 'underloop-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let run: CommandRun | undefined;
afterEach(async () => {
  await run?.end();
  run = undefined;
});

describe.runIf(process.platform === 'linux')('underloop crossover', () => {
  test('measures, draws, predicts; and its file is what advise goes by', async () => {
    const file = join(folder, 'crossover.json');
    const csv = join(folder, 'crossover.csv');
    const line = 'crossover --quick --connections 2 --cpu 0 --wait 0,1 --models threads,epoll --seed 2';
    const { code, stdout, stderr } = await runCommand([...line.split(' '), '--json', file, '--csv', csv]);
    const report = JSON.parse(readFileSync(file, 'utf8')) as CrossoverReport;
    expect(report.measurements.filter(({ failure }) => failure !== null)).toEqual([]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^crossover: 2 cells, 2 models, 1 round/);
    expect(stderr).toMatch(/\(about \d+ (s|min) left\) round 1\/1 is measured/);
    expect(report).toMatchObject({ schema: 'underloop.crossover', version: 2, interrupted: false });
    expect(report.cells.map(({ connections, cpuUs, waitMs }) => [connections, cpuUs, waitMs])).toEqual([
      [2, 0, 0],
      [2, 0, 1],
    ]);
    for (const { measured, predicted, heldOut } of report.cells) {
      expect(typeof heldOut).toBe('boolean');
      for (const label of ['threads', 'epoll']) {
        expect(measured[label], label).toMatchObject({ rounds: 1, served: 2 });
        expect(measured[label]!.requestsPerSecond).toBeGreaterThan(0);
        expect(measured[label]!.serverCpuUs).toBeGreaterThan(0);
        expect(measured[label]!.p99Us).toBeGreaterThanOrEqual(measured[label]!.p50Us);
        expect(predicted[label]!.requestsPerSecond).toBeGreaterThan(0);
      }
    }
    // A wait of 1 ms is in every latency, and Little's law holds in what is reported.
    const waits = report.cells[1]!.measured['epoll']!;
    expect(waits.meanUs).toBeGreaterThan(1000);
    expect((waits.requestsPerSecond * waits.meanUs) / 1e6).toBeCloseTo(2, 6);
    expect(report.law!.models.map(({ contestant }) => contestant)).toEqual(['threads', 'epoll']);
    const [ofThread, ofLoop] = report.law!.models.map(({ memory }) => memory!);
    for (const { baseBytes } of [ofThread!, ofLoop!]) expect(baseBytes).toBeGreaterThan(10 * 2 ** 20);
    // A thread's stacks stand out from what other programs do to the machine's slabs; a loop's 2 KiB need not.
    expect(ofThread!.perConnectionBytes).toBeGreaterThan(10_000);
    expect(ofLoop!.perConnectionBytes).toBeGreaterThanOrEqual(0);
    expect(ofLoop!.perConnectionBytes).toBeLessThan(ofThread!.perConnectionBytes);
    expect(readFileSync(csv, 'utf8').trim().split('\n')).toHaveLength(1 + report.measurements.length);

    const advised = await runCommand([
      ...'advise --connections 50 --wait 5ms --cpu 1ms --json --from'.split(' '),
      file,
    ]);
    expect(advised.code).toBe(0);
    const advice = JSON.parse(advised.stdout) as Advice;
    expect(advice).toMatchObject({ schema: 'underloop.advice', version: 1, calibration: file });
    expect(advice.candidates.map(({ model }) => model)).toEqual(expect.arrayContaining(['threads', 'epoll']));
  });

  test('the interrupt key ends it with the map of what was measured, and nothing is left', async () => {
    run = new CommandRun(
      'crossover --quick --models epoll --connections 2 --cpu 0 --wait 0 --rounds 50 --json'.split(' '),
    );
    const command = run;
    await command.until(() => command.stderr.includes('round 1/50 is measured'), 'a round');
    await command.find('server');
    command.interrupt();
    const { code, stdout } = await command.outcome;
    expect(code).toBe(130);
    const report = JSON.parse(stdout) as CrossoverReport;
    expect(report.interrupted).toBe(true);
    expect(report.cells).toHaveLength(1);
    expect(report.measurements.every(({ failure }) => failure === null)).toBe(true);
    expect(await leftAfter(command, 1000)).toEqual({ processes: [], sockets: [] });
  });
});

describe('mistakes', () => {
  test.each([
    ['crossover extra', 'too many arguments'],
    ['crossover --connections 8,4', '--connections must be numbers that rise'],
    ['crossover --cpu fast', "argument 'fast' is invalid. Write a duration"],
    ['crossover --models treads', '--models must be names out of'],
    ['crossover --cores two', 'Allowed choices are one, all'],
    ['crossover --json FOLDER', '--json must be a file that can be written (EISDIR'],
    ['advise', "required option '--connections <n>' not specified"],
    ['advise --connections 0', '--connections must be an integer from 1'],
    ['advise --connections 5 --memory 5X', "argument '5X' is invalid. Write a size"],
    ['advise --connections 5 --rate 0', "argument '0' is invalid. Write a number above 0"],
    [
      'advise --connections 5 --from package.json',
      '--from must be a file that `underloop crossover --json` has written',
    ],
  ])('%s: %s', async (line, expected) => {
    const args = line.split(' ').map((word) => (word === 'FOLDER' ? folder : word)); // whose path may have spaces
    const { code, stdout, stderr } = await runCommand(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(expected);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  test('sizes, positive numbers and lists of durations', () => {
    expect([bytes('512M'), bytes('1.5G'), bytes('64KiB'), bytes('100')]).toEqual([
      2 ** 29,
      1.5 * 2 ** 30,
      65_536,
      100,
    ]);
    for (const text of ['', 'M', '-1M', '5X', '1e3']) expect(() => bytes(text)).toThrow('Write a size');
    expect([positive('200'), positive('0.5')]).toEqual([200, 0.5]);
    for (const text of ['0', '-1', 'many']) expect(() => positive(text)).toThrow('above 0');
    expect(durations('0,2ms,1s')).toEqual([0, 2, 1000]);
    expect(microsecondsList('0,500us,2ms')).toEqual([0, 500, 2000]);
  });
});
