// Garbage collection while native code holds pointers: what is in use survives, what nobody closed is given back.

import { expect, test } from 'vitest';
import { runProgram } from './child.js';

async function collected(scene: string): Promise<unknown> {
  const { stdout, stderr, code, signal } = await runProgram('lifecycle/programs/gc.mjs', [scene], {
    execArgv: ['--expose-gc'],
  });
  expect([code, signal, stderr]).toEqual([0, null, '']);
  return JSON.parse(stdout);
}

test('buffers survive collections forced while a hundred connections echo', async () => {
  expect(await collected('many connections')).toEqual({ wrong: 0, closed: 100 });
});

test('a running reactor, its watches and their handlers survive without anybody’s reference', async () => {
  expect(await collected('a running reactor that nobody refers to')).toEqual({ called: true });
});

test.runIf(process.platform === 'linux')(
  'pollers and reactors that nobody closed give their descriptors back',
  async () => {
    expect(await collected('forgotten pollers')).toEqual({ opened: 40, left: 0 });
  },
);

test('caller’s buffer detached, resized or shared: wait() asks anew where its array stands, and refuses a detached one', async () => {
  // 203 waits, each with one event that says READABLE.
  expect(await collected('arrays of wait()')).toEqual({
    sum: 406,
    refused: ['ERR_ARGUMENT', 'ERR_ARGUMENT'],
  });
});
