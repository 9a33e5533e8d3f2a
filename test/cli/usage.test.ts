// The command line before anything is measured: help, version, and one clear line for each mistake.

import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { duration, list, microseconds, whole } from '../../src/cli/parse.js';
import { Progress } from '../../src/cli/progress.js';
import { WORKLOADS } from '../../src/compare/report.js';
import { CommandRun, MAIN, runCommand } from './command.js';

const folder = mkdtempSync(join(tmpdir(), 'underloop-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('help and version', () => {
  test('underloop --help names every command and the exit codes', async () => {
    const { code, stdout, stderr } = await runCommand(['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const word of ['compare', 'tour', 'Exit status', '130']) expect(stdout).toContain(word);
  });

  test('underloop compare --help names every workload and model', async () => {
    const { code, stdout } = await runCommand(['compare', '--help']);
    expect(code).toBe(0);
    for (const word of [...WORKLOADS, 'thread-per-request', 'sequential', '--rounds', '--json', 'A/A'])
      expect(stdout).toContain(word);
  });

  test('underloop can be run as a command of a work tree too, as npx does it', () => {
    expect(() => accessSync(MAIN, constants.X_OK)).not.toThrow();
    expect(readFileSync(MAIN, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
  });

  test('underloop --version is the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(await runCommand(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  test('without a command the help is the answer, and it is a mistake', async () => {
    const { code, stderr } = await runCommand([]);
    expect(code).toBe(2);
    expect(stderr).toContain('Usage: underloop');
  });
});

describe('mistakes', () => {
  const missing = join(folder, 'missing', 'report');
  test.each([
    ['compar', "unknown command 'compar'"],
    ['compare', "missing required argument 'workload'"],
    ['compare sleep', "'sleep' is invalid for argument 'workload'. Allowed choices are idle, wait, echo"],
    ['compare echo extra', 'too many arguments'],
    ['compare echo --conections 5', "unknown option '--conections'"],
    [
      'compare echo --connections five',
      "'--connections <n>' argument 'five' is invalid. Write a whole number.",
    ],
    ['compare echo --connections 0', '--connections must be an integer from 1'],
    ['compare echo --duration 2h', "'--duration <time>' argument '2h' is invalid. Write a duration"],
    ['compare echo --duration 1ms', '--duration must be from 100 ms to 600000 ms; got 1'],
    ['compare echo --models epoll,treads', '--models must be names out of'],
    ['compare echo --models ,', '--models must be at least one model'],
    ['compare echo --rounds -1', "argument '-1' is invalid"],
    ['compare echo --json MISSING', '--json must be a file that can be written (ENOENT'],
    ['compare echo --csv FOLDER', '--csv must be a file that can be written (EISDIR'],
  ])('%s: %s', async (line, expected) => {
    const places: Record<string, string> = { MISSING: missing, FOLDER: folder }; // whose paths may have spaces
    const { code, stdout, stderr } = await runCommand(line.split(' ').map((word) => places[word] ?? word));
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(expected);
    const lines = stderr
      .trim()
      .split('\n')
      .filter((text) => !text.startsWith('(Did you mean'));
    expect(lines, stderr).toHaveLength(1);
  });

  test.runIf(process.platform === 'linux')(
    'a file that cannot be written is told before a process is started',
    async () => {
      const run = new CommandRun(['compare', 'wait', '--json', missing]);
      await run.outcome;
      expect([...run.seen].filter((pid) => pid !== run.pid)).toEqual([]);
      expect(run.stderr).not.toContain('wait 1/');
    },
  );

  test('a report that is there already is left alone by a mistake', async () => {
    const file = join(folder, 'old.json');
    writeFileSync(file, 'old');
    const { code } = await runCommand(['compare', 'echo', '--json', file, '--csv', missing]);
    expect(code).toBe(2);
    expect(readFileSync(file, 'utf8')).toBe('old');
    expect(existsSync(missing)).toBe(false);
  });
});

test.runIf(process.platform === 'linux')(
  'a full disk below stdout is told in one line, and is a failure',
  async () => {
    const shell = ['sh', '-c', 'exec "$0" "$@" > /dev/full', process.execPath, MAIN];
    expect(await runCommand(['compare', '--help'], shell)).toMatchObject({
      code: 1,
      stderr: 'underloop: ENOSPC: no space left on device, write\n',
    });
  },
);

test('progress is cut to the width of the terminal, and is whole where that is not known', () => {
  const shown = (columns: number | undefined): string => {
    let text = '';
    const stream = { isTTY: true, columns, write: (more: string) => (text += more) };
    new Progress(stream as unknown as NodeJS.WriteStream).step('round 1 of 6');
    return text.replace('\r\x1b[K', '');
  };
  expect([80, 8, 0, undefined].map(shown)).toEqual([
    'round 1 of 6',
    'round 1',
    'round 1 of 6',
    'round 1 of 6',
  ]);
});

describe('option texts', () => {
  test.each([
    ['500ms', 500],
    ['2s', 2000],
    ['1.5s', 1500],
    ['3m', 180_000],
    ['250us', 0.25],
    ['40', 40],
  ])('duration %s is %d ms', (text, ms) => {
    expect(duration(text)).toBeCloseTo(ms, 9);
  });

  test.each(['', 's', '-1s', '1h', '1 s', '1e3', '0x10', '1.s', 'Infinity'])('%j is no duration', (text) => {
    expect(() => duration(text)).toThrow('Write a duration');
  });

  test('CPU time is whole microseconds; a bare number is microseconds', () => {
    expect([microseconds('2ms'), microseconds('500us'), microseconds('700'), microseconds('1.5ms')]).toEqual([
      2000, 500, 700, 1500,
    ]);
    expect(() => microseconds('fast')).toThrow('Write a duration');
  });

  test('whole numbers and lists', () => {
    expect(whole('10000')).toBe(10_000);
    for (const text of ['', '-1', '1.5', '1e3', ' 1']) expect(() => whole(text)).toThrow('whole number');
    expect(list(' epoll, threads,,node ')).toEqual(['epoll', 'threads', 'node']);
  });
});
