// underloop ps on the command line: its help, its exit codes, one line for each mistake, and what it prints for a live process.

import { once } from 'node:events';
import { expect, test } from 'vitest';
import { CommandRun, runCommand } from '../cli/command.js';
import { node } from './children.js';

const linux = process.platform === 'linux';

test.each([
  ['ps abc', 2, "value 'abc' is invalid for argument 'pid'. Write the number of a process."],
  ['ps 0', 2, 'Write the number of a process.'],
  ['ps --watch', 2, '--watch'],
  ['ps 1 --watch 0', 2, 'Write a number of seconds'],
  ['ps 4194303', 1, linux ? 'there is no process 4194303' : 'only Linux has'],
])('%s: exit status %i, and why', async (line, expected, message) => {
  const { code, stdout, stderr } = await runCommand(line.split(' '));
  expect({ code, stdout }).toEqual({ code: expected, stdout: '' });
  expect(stderr).toContain(message);
  expect(stderr.trim().split('\n')).toHaveLength(1);
});

test('--help names every option and exit status', async () => {
  const { code, stdout } = await runCommand(['ps', '--help']);
  expect(code).toBe(0);
  for (const word of ['--watch', '--json', '--threads', '--all', '--limit', 'Exit status', '130'])
    expect(stdout).toContain(word);
});

test.runIf(linux)(
  'the list, a report within 80 columns, and JSON Lines of a watch that is interrupted',
  async () => {
    const child = await node(
      `const s = require('node:net').createServer().listen(0, () => console.log('there'))`,
    );
    const list = await runCommand(['ps']);
    expect(list).toMatchObject({ code: 0, stderr: '' });
    expect(list.stdout).toMatch(new RegExp(`^ *${child.pid}  node `, 'm'));
    const report = await runCommand(['ps', String(child.pid), '--threads']);
    expect(report).toMatchObject({ code: 0, stderr: '' });
    expect(report.stdout).toContain('LISTEN');
    expect(report.stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    const run = new CommandRun(['ps', String(child.pid), '--watch', '0.1', '--json']);
    await run.until(() => run.stdout.split('\n').length > 2, 'two looks');
    run.interrupt();
    const { code, stdout } = await run.outcome;
    expect(code).toBe(130);
    for (const line of stdout.trim().split('\n'))
      expect(JSON.parse(line)).toMatchObject({ kind: 'process', pid: child.pid });
    // As `| head -1` does: it has read enough, and the watch ends.
    const cut = new CommandRun(['ps', String(child.pid), '--watch', '0.1', '--json']);
    await cut.until(() => cut.stdout.includes('\n'), 'one look');
    cut.process.stdout?.destroy();
    expect(await cut.outcome).toMatchObject({ code: 0, signal: null, stderr: '' });
    child.kill('SIGKILL');
    await once(child, 'exit');
  },
);
