// The reactor never starves the runtime that it lives in: each thing of the runtime's, started in a handler just before an
// otherwise endless wait, completes promptly. In processes of their own, where nothing else keeps the loop awake.

import { describe, expect, test } from 'vitest';
import { runProgram } from '../lifecycle/child.js';

/** Far above what a loaded machine adds, far below the "never" of a runtime whose watchers the kernel does not know. */
const PROMPT_MS = 1000;

/** Eleven workers, and other such programs beside it, take long on a loaded machine; what never ends is ended. */
const HANG_MS = 25_000;

/** Ways of starting a thing in programs/alive.mjs. */
const STARTERS = 11;

const things = [
  'setTimeout',
  'setInterval',
  'setImmediate',
  'socket opened by the last of five unreferenced immediates',
  'promise',
  'nextTick',
  'fetch',
  'datagram',
  'dns.lookup',
  'fs.promises',
  'thread pool',
  'child process',
  'signal',
  'message channel',
  'worker message',
  'worker.terminate() of a worker that runs a reactor',
  'AbortSignal.timeout',
];

interface Line {
  arrangement: string;
  starter: string;
  tookMs: number;
}

async function late(
  thing: string,
  arrangements: string[],
  env: Record<string, string> = {},
): Promise<Line[]> {
  const { stdout, stderr, code } = await runProgram('host/programs/alive.mjs', [thing, ...arrangements], {
    env,
    hangMs: HANG_MS,
  });
  expect([code, stderr]).toEqual([0, '']);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
  expect(lines).toHaveLength(STARTERS * arrangements.length);
  return lines.filter(({ tookMs }) => tookMs > PROMPT_MS);
}

// Several at a time: they mostly wait.
describe.concurrent('started before an otherwise idle wait', () => {
  const arrangements = (thing: string): string[] => {
    if (/worker/.test(thing)) return ['epoll', 'two reactors']; // eleven workers each
    // A worker has no signal handlers: they belong to the main thread.
    return ['epoll', 'poll', 'select', 'two reactors', ...(thing === 'signal' ? [] : ['worker'])];
  };
  test.each(things)('%s completes promptly', async (thing) => {
    expect(await late(thing, arrangements(thing))).toEqual([]);
  });
});

describe.concurrent('runtime’s watcher not yet in the kernel when we block', () => {
  // Those things that open watchers, or tell nobody that they are there:
  test.each([
    'socket opened by the last of five unreferenced immediates',
    'fetch',
    'socket opened in a message handler',
    'datagram',
    'child process',
    'message channel',
  ])('%s completes promptly', async (thing) => {
    expect(await late(thing, ['epoll', 'two reactors'])).toEqual([]);
  });
});
