// examples/any-fd.js as its user meets it: four kinds of descriptor in one loop, and what is wrong said plainly.

import { describe, expect, test } from 'vitest';
import { runProgram } from '../lifecycle/child.js';

const program = '../examples/any-fd.js';

describe.runIf(process.platform === 'linux')('examples/any-fd.js', () => {
  test('hears of lines, files, time and the end of a process, and ends by itself', async () => {
    const { stdout, stderr, code } = await runProgram(program, ['--ticks', '2']);
    expect([code, stderr]).toEqual([0, '']);
    const lines = stdout.trimEnd().split('\n');
    const of = (what: string): string[] => lines.filter((line) => line.startsWith(`${what}: `));
    expect(of('pipe')).toEqual(['pipe: line 1', 'pipe: line 2', 'pipe: the end']);
    expect(of('inotify')).toEqual(['inotify: file-1 was created', 'inotify: file-2 was created']);
    expect(of('pidfd')).toEqual(['pidfd: the child has ended']);
    expect(of('timerfd').length).toBeGreaterThan(0);
    expect(lines.at(-1)).toBe('nothing is left to wait for');
  });

  test('--help tells what it does; a wrong option ends with 2 and its name', async () => {
    const help = await runProgram(program, ['--help']);
    expect([help.code, help.stdout]).toEqual([0, expect.stringContaining('pidfd')]);
    const wrong = await runProgram(program, ['--ticks', 'x']);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('--ticks')]);
  });
});
