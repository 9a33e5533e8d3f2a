// reactor.unref() lets the process end although the reactor runs; a referenced one keeps it.

import { expect, test } from 'vitest';
import { runProgram, startProgram } from '../lifecycle/child.js';

const program = 'host/programs/unref.mjs';

test.each([
  ['at once', []],
  ['in a handler', []],
  ['in a callback of the runtime', []],
  ['with work of the runtime left', ['posted', 'timeout']],
  ['one of two, then the other', ['the other lets go']],
  ['one of two, then the other stops', ['the other stops']],
  ['scripted at once', []],
  ['scripted in a handler', []],
])('the process ends when the reactor is unreferenced %s', async (how, said) => {
  const { code, stdout, stderr } = await runProgram(program, [how]);
  expect(stdout.trim().split('\n')).toEqual(['running', ...said, 'exit']);
  expect([code, stderr]).toEqual([0, '']);
});

test.each(['never', 'taken back'])('and does not end when it is unreferenced %s', async (how) => {
  const running = startProgram(program, [how]);
  await running.line('still here');
  running.child.kill('SIGTERM');
  const { signal, stdout } = await running.outcome;
  expect(signal).toBe('SIGTERM');
  expect(stdout).not.toContain('exit');
});
