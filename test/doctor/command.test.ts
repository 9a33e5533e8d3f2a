// The command: its help, its exit statuses, what it writes where, and that it leaves no process behind.

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { FINDING_CLASSES } from '../../src/doctor/index.js';
import { CommandRun, TEST_TIMEOUT_MS, leftAfter, runCommand } from '../cli/command.js';
import { doctor, programPath } from './doctor.js';

const folder = mkdtempSync(join(tmpdir(), 'underloop-doctor-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('usage', () => {
  test('its help says what it does, with examples and exit statuses', async () => {
    const { code, stdout } = await runCommand(['doctor', '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('underloop doctor --for 10s');
    expect(stdout).toContain('130 interrupted');
  });

  test.each([
    [['doctor', 'not-there.js'], 'SCRIPT must be'],
    [['doctor', tmpdir()], 'SCRIPT must be'],
    [['doctor', '--for', 'long', 'x.js'], 'Write a duration'],
    [['doctor', '--blocked', '0', programPath('clean/sliced-work.js')], 'at least 1ms'],
    [['doctor'], 'script'],
  ])('%j is a mistake in the arguments', async (args, message) => {
    const { code, stderr } = await runCommand(args);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });
});

describe.runIf(process.platform === 'linux')('a run', { timeout: TEST_TIMEOUT_MS, concurrent: true }, () => {
  test('tells on standard error, and leaves standard output to the program', async () => {
    const { code, stdout, stderr } = await runCommand([
      'doctor',
      programPath('programs/edge-not-drained.js'),
    ]);
    expect(stdout).toBe('');
    expect(stderr).toMatch(
      /^doctor: 1 finding\n\nerror edge-not-drained fd \d+ {2}readOnce .*edge-not-drained\.js:10\n/,
    );
    expect(stderr).toContain('-> Read until');
    expect(code).toBe(1);
  });

  test('--quiet says nothing when nothing is found', async () => {
    const { code, stdout, stderr } = await runCommand([
      'doctor',
      '--quiet',
      programPath('clean/raw-poller.js'),
    ]);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '2000000\n', stderr: '' });
  });

  test('--json FILE has each finding with all its fields', async () => {
    const { findings } = await doctor(programPath('programs/write-interest-left-on.js'));
    const [one] = findings;
    expect(FINDING_CLASSES).toContain(one!.class);
    expect(Object.keys(one!)).toEqual(
      expect.arrayContaining(['fd', 'handler', 'turn', 'sinceMs', 'times', 'evidence', 'remedy', 'severity']),
    );
    expect(one!.times).toBeGreaterThan(1);
  });

  test("the program's own arguments are its own, and its failure is told", async () => {
    const { code, stderr } = await runCommand(['doctor', programPath('children/argument.js'), '--for', '3']);
    expect(stderr).toBe(
      'doctor: no finding\n\nThe program made no reactor and no poller: there was nothing to examine.\nThe program ended with status 3.\n',
    );
    expect(code).toBe(1);
  });

  test('loops in worker threads, which nobody has examined, are told of and counted', async () => {
    const { code, stderr } = await runCommand(['doctor', programPath('children/workers.js')]);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr:
        'doctor: no finding\n\nReactors and pollers in worker threads were not examined: there were 3.\n',
    });
    const file = join(folder, 'workers.json');
    await runCommand(['doctor', '--json', file, programPath('children/workers.js')]);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ loops: 1, workerLoops: 3 });
  });

  test('--for ends a program that would not end, and tells what was suspected', async () => {
    const { code, classes } = await doctor('--for', '700ms', programPath('children/endless.js'));
    expect(classes).toEqual(['edge-not-drained']);
    expect(code).toBe(1);
  });

  test('the interrupt key tells what was found so far, and leaves no process', async () => {
    const file = join(folder, 'interrupted.json');
    const run = new CommandRun(['doctor', '--json', file, programPath('children/endless.js')]);
    await run.until(() => run.stdout.includes('left behind'), 'the program to be at it');
    process.kill(run.pid, 'SIGINT');
    const { code } = await run.outcome;
    expect(code).toBe(130);
    expect(existsSync(file) && readFileSync(file, 'utf8')).toContain('edge-not-drained');
    expect(await leftAfter(run, 5000)).toEqual({ processes: [], sockets: [] });
  });

  test('a program that blocks for ever is ended all the same', async () => {
    const run = new CommandRun(['doctor', '--for', '1500ms', '--quiet', programPath('children/blocked.js')]);
    const { code } = await run.outcome;
    expect(code).toBe(1);
    expect(run.stderr).toMatch(/^doctor: 1 finding\n\nerror blocked-handler/); // and not once more until it is killed
    expect(await leftAfter(run, 5000)).toEqual({ processes: [], sockets: [] });
  });

  test('the interrupt of a terminal, which the program gets as well, does not end it before it has told what it knows', async () => {
    const file = join(folder, 'group.json');
    const run = new CommandRun(['doctor', '--json', file, programPath('children/endless.js')]);
    await run.until(() => run.stdout.includes('left behind'), 'the program to be at it');
    run.interrupt();
    expect((await run.outcome).code).toBe(130);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
      answered: true,
      findings: [{ class: 'edge-not-drained' }],
    });
  });

  test('a report that cannot be written is told before the program begins', async () => {
    const file = join(folder, 'none', 'findings.json');
    const { code, stdout, stderr } = await runCommand([
      'doctor',
      '--json',
      file,
      programPath('children/own-stacks.js'),
    ]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('findings.json');
  });

  test('a program whose stacks have a form of their own runs as it would', async () => {
    const { code, stdout, stderr } = await runCommand([
      'doctor',
      '--quiet',
      programPath('children/own-stacks.js'),
    ]);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'true\n', stderr: '' });
  });
});
