// What the reactor's own steps cost: one call into the addon, and one turn of an idle reactor, beside the bare calls in C.

import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeEnvironment, formatEnvironment } from './lib/environment.js';
import { buildLimits, limitProgram } from './lib/limit.js';
import { choosePinning, runToEnd } from './lib/processes.js';
import { median } from './lib/statistics.js';
import { formatTable } from './lib/table.js';

const BATCHES = 21;
/** Batches that let the compiler settle, and are not counted. */
const WARMUP_BATCHES = 5;
/** Long against the clock's resolution, short against the interruptions that a median must step over. */
const BATCH_MS = 4;
/** The whole measurement takes about two seconds: beyond this it hangs, as in a turn that waits. */
const TIMEOUT_MS = 30_000;

/** Nanoseconds per call of `call`, the loop around it included: the row of the empty function tells the loop's share. */
function measureNs(call) {
  const batchNs = (count) => {
    const startNs = process.hrtime.bigint();
    for (let i = 0; i < count; i++) call();
    return Number(process.hrtime.bigint() - startNs);
  };
  let count = 64;
  while (batchNs(count) < (BATCH_MS * 1e6) / 2) count *= 2;
  for (let batch = 0; batch < WARMUP_BATCHES; batch++) batchNs(count);
  return median(Array.from({ length: BATCHES }, () => batchNs(count) / count));
}

/** A connected TCP pair on loopback by the kernel seam alone; every call of it answers >= 0 or -errno. */
function openPair(kernel) {
  const must = (what, result) => {
    if (typeof result === 'number' && result < 0) throw new Error(`${what}: errno ${-result}`);
    return result;
  };
  const listener = must('socket', kernel.socket(4));
  must('bind', kernel.bind(listener, { family: 4, host: '127.0.0.1', port: 0 }));
  must('listen', kernel.listen(listener, 1));
  const client = must('socket', kernel.socket(4));
  // Goes on in the background, as a rule, but on loopback the connection stands in the listener's queue at once.
  kernel.connect(client, must('localAddress', kernel.localAddress(listener)));
  const server = must('accept', kernel.accept(listener));
  return { server, close: () => [listener, client, server].forEach((fd) => kernel.close(fd)) };
}

/** Rows of the native calls: each is one crossing from JavaScript into the addon and what it does there. */
async function measureKernel() {
  const { binding } = await import('../dist/binding.js');
  const { nativeKernel: kernel } = await import('../dist/kernel/native.js');
  const pair = openPair(kernel);
  const poller = kernel.openPoller('epoll');
  if (typeof poller === 'number') throw new Error(`openPoller: errno ${-poller}`);
  poller.add(pair.server, 1, 0, 0);
  const events = new Int32Array(64 * 3);
  try {
    return {
      crossingNs: measureNs(() => binding.nothing(1, 2, 3)),
      nowNs: measureNs(() => kernel.now()),
      recvNothingNs: measureNs(() => kernel.recv(pair.server, 0, 65536)),
      waitNothingNs: measureNs(() => poller.wait(events, 0)),
    };
  } finally {
    poller.close();
    pair.close();
  }
}

/** Rows of the reactor: a turn in which nothing is ready, and one that runs one posted task. */
async function measureTurns() {
  const { Reactor } = await import('../dist/index.js');
  const reactor = new Reactor({ poller: 'epoll' });
  const task = () => {};
  try {
    return {
      idleTurnNs: measureNs(() => reactor.turn(0)),
      taskTurnNs: measureNs(() => {
        reactor.post(task);
        reactor.turn(0);
      }),
    };
  } finally {
    reactor.close?.();
  }
}

/** A part that cannot run says why, and the others still run. */
async function attempt(part, failures) {
  try {
    return await part();
  } catch (error) {
    failures.push(`${part.name}: ${error.message}`);
    return {};
  }
}

/** Everything that is measured within this process. */
async function measureHere() {
  const failures = [];
  const here = {
    emptyNs: measureNs(() => {}),
    ppidNs: measureNs(() => process.ppid),
  };
  if (existsSync(fileURLToPath(new URL('../dist/index.js', import.meta.url)))) {
    Object.assign(here, await attempt(measureKernel, failures), await attempt(measureTurns, failures));
  } else {
    failures.push('dist/index.js is missing: npm run build');
  }
  return { ...here, failures };
}

/**
 * Measures in processes of their own, on the servers' core: what this process did before does not count.
 * @param {ReturnType<typeof choosePinning>} pinning
 */
export async function runCalls(pinning) {
  const floor = await runToEnd([limitProgram('floor')], pinning.serverCpu, TIMEOUT_MS);
  if (floor.code !== 0) throw new Error(`floor ${floor.ending}`);
  const here = await runToEnd(
    [process.execPath, fileURLToPath(import.meta.url), '--measure'],
    pinning.serverCpu,
    TIMEOUT_MS,
  );
  const measured = here.code === 0 ? JSON.parse(here.stdout) : { failures: [`measuring ${here.ending}`] };
  return { limit: JSON.parse(floor.stdout), ...measured };
}

/** Whether a part failed; a missing build is no failure of the code. @param {Awaited<ReturnType<typeof runCalls>>} calls */
export const callsFailed = (calls) => calls.failures.some((failure) => !failure.startsWith('dist/'));

/** @param {Awaited<ReturnType<typeof runCalls>>} calls */
export function formatCalls(calls) {
  const { limit } = calls;
  const ns = (value) => (value === undefined ? '-' : value.toFixed(value < 100 ? 1 : 0));
  const rows = [
    ['one call', 'C ns', 'here ns'],
    ['empty JavaScript function, loop included', '-', ns(calls.emptyNs)],
    ['into the addon and back, three numbers', '-', ns(calls.crossingNs)],
    ['clock: kernel.now()', ns(limit.clockNs), ns(calls.nowNs)],
    ['getppid; here process.ppid', ns(limit.getppidNs), ns(calls.ppidNs)],
    ['recv, nothing there', ns(limit.recvNothingNs), ns(calls.recvNothingNs)],
    ['wait 0 ms on epoll, nothing ready', ns(limit.waitNothingNs), ns(calls.waitNothingNs)],
    ['turn of the reactor, nothing ready', '-', ns(calls.idleTurnNs)],
    ['turn of the reactor, one posted task', '-', ns(calls.taskTurnNs)],
  ];
  return [
    `Calls: nanoseconds each, medians of ${BATCHES} batches.`,
    [formatTable(rows), ...calls.failures.map((failure) => `Not measured: ${failure}`)].join('\n'),
  ].join('\n\n');
}

async function main() {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h' },
      json: { type: 'string' },
      measure: { type: 'boolean' },
    },
  });
  if (values.help === true) {
    console.log(
      'Measures single calls into the addon and single turns.\n\nusage: node bench/calls.js [--json FILE]',
    );
    return;
  }
  if (values.measure === true) {
    console.log(JSON.stringify(await measureHere()));
    process.exit(0); // Whatever the reactor may still hold: the figures are out.
  }
  buildLimits();
  const pinning = choosePinning();
  const environment = describeEnvironment(pinning);
  const calls = await runCalls(pinning);
  console.log(`${formatEnvironment(environment)}\n\n${formatCalls(calls)}`);
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ environment, calls }, null, 1)}\n`);
  if (callsFailed(calls)) process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
