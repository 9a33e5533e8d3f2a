// The process exits while a reactor waits or dispatches: at once, with its own status, and without a crash.

import { describe, expect, test } from 'vitest';
import { runProgram } from './child.js';

const program = 'lifecycle/programs/exit.mjs';

describe('process exit while the reactor runs', () => {
  test.each([
    'in a timer',
    'in a task',
    'in a readiness handler',
    'in a closed callback',
    'in a reaction of a promise',
    'in a tick',
    'in a callback of the runtime',
    'in onError',
    'with two reactors',
    'with a batch half dispatched',
  ])('process.exit(7) %s', async (way) => {
    expect(await runProgram(program, [way])).toEqual({
      code: 7,
      signal: null,
      stdout: 'exit 7\n',
      stderr: '',
    });
  });
  test.each(['naturally', 'by closing the reactor'])(
    '%s: nothing keeps the process, and run() goes on',
    async (way) => {
      const stdout = 'after run()\nexit 7\n';
      expect(await runProgram(program, [way])).toEqual({ code: 7, signal: null, stdout, stderr: '' });
    },
  );
  test('process.exit() in a handler of a worker ends the worker alone', async () => {
    const stdout = 'exit 7\nexit 7\n'; // the worker's, then ours from its exit event
    expect(await runProgram(program, ['from a worker'])).toEqual({
      code: 7,
      signal: null,
      stdout,
      stderr: '',
    });
  });
});
