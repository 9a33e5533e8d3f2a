// What a pending timer costs: bytes each at a million, and nanoseconds to set, cancel and fire one as their number grows.

import { fileURLToPath } from 'node:url';
import { runToEnd } from './lib/processes.js';
import { formatTable } from './lib/table.js';

const TIMEOUT_MS = 120_000;
const program = fileURLToPath(new URL('servers/timers.js', import.meta.url));

/** One measurement in a process of its own, whose heap holds nothing else. */
async function measure(args, pinning) {
  const command = [process.execPath, '--expose-gc', '--max-old-space-size=4096', program, ...args];
  const { code, ending, stdout } = await runToEnd(command, pinning.serverCpu, TIMEOUT_MS);
  if (code !== 0) throw new Error(`timers: the process ${ending}`);
  return JSON.parse(stdout);
}

const BYTES = ['timers', 'timers-one-callback', 'sleeps', 'awaiting-functions', 'node-timeouts'];
const NUMBERS = [1000, 10_000, 100_000, 1_000_000];

export async function runTimers(_options, pinning, progress) {
  const bytes = [];
  for (const kind of BYTES) {
    progress.line(`timers: bytes of ${kind}`);
    bytes.push({ kind, ...(await measure(['bytes', kind, '1000000'], pinning)) });
  }
  const times = [];
  for (const pending of NUMBERS) {
    progress.line(`timers: ${pending} pending`);
    times.push({ pending, ...(await measure(['times', String(pending)], pinning)) });
  }
  return { bytes, times };
}

export function timersFailed() {
  return false;
}

const TITLES = {
  timers: 'reactor.setTimer(), a closure each',
  'timers-one-callback': 'reactor.setTimer(), one callback for all',
  sleeps: 'sleep(): promise, resolver and timer',
  'awaiting-functions': 'an async function awaiting sleep()',
  'node-timeouts': 'setTimeout() of Node, a closure each',
};

export function formatTimers({ bytes, times }) {
  const memory = [['1,000,000 pending', 'heap bytes each', 'resident bytes each']];
  for (const { kind, heapBytes, residentBytes } of bytes) {
    memory.push([TITLES[kind], heapBytes.toFixed(0), residentBytes.toFixed(0)]);
  }
  const rows = [['pending', 'set, ns', 'cancel, ns', 'fire, ns']];
  for (const { pending, setNs, cancelNs, fireNs } of times) {
    rows.push([pending.toLocaleString('en'), setNs.toFixed(0), cancelNs.toFixed(0), fireNs.toFixed(0)]);
  }
  return (
    'Timers: memory of a million pending ones after a full collection, random deadlines. "Resident" is what the process ' +
    'grew by, with the garbage collector’s slack.\n\n' +
    `${formatTable(memory)}\n\n` +
    'Time per operation beside so many pending timers, medians: one more is set, or one is cancelled at random; firing ' +
    'takes the nearest out, calls it and makes the turn. The heap is 4-ary: a thousand times as many are five levels more.' +
    `\n\n${formatTable(rows)}`
  );
}
