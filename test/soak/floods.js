// `npm run soak -- --floods`: what a flooding reader and a flooding writer do to a timer and to a second socket.

import { fileURLToPath } from 'node:url';
import { Child } from '../../dist/compare/processes.js';
import { pause } from './pause.js';

/** The bar: neither may be later. */
const LATE_MS_MAX = 20;
const WARM_UP_MS = 300;
const ANSWER_MS = 10_000;

const script = (name) => fileURLToPath(new URL(name, import.meta.url));

/** The largest, and the one that 99 of 100 do not exceed. @param {number[]} numbers */
function figures(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? NaN;
  return { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}

/** One flood of `floodS` seconds beside a timer and a second socket. `role`: R, we read; W, we write. */
async function runFlood({ poller, trigger, role }, floodS, signal) {
  const children = [];
  const start = async (name, file, args) => {
    const { child, ready } = await Child.start(name, script(file), args, null);
    children.push(child);
    return { child, ready };
  };
  const ask = async ({ child }) => {
    child.send('figures');
    return child.next(ANSWER_MS);
  };
  try {
    const server = await start('the server', 'flood-server.js', ['--poller', poller, '--trigger', trigger]);
    const port = String(server.ready.port);
    const asking = ['--role', 'P', '--server-pid', String(server.child.pid)];
    const second = await start('the second socket', 'flood-client.js', [...asking, '--port', port]);
    await start('the flood', 'flood-client.js', ['--role', role, '--port', port]);
    await pause(WARM_UP_MS, signal);
    await Promise.all([ask(server), ask(second)]);
    const startedMs = performance.now();
    await pause(floodS * 1000, signal);
    const seconds = (performance.now() - startedMs) / 1000;
    const [served, asked] = await Promise.all([ask(server), ask(second)]);
    const timer = figures(served.latenessesMs);
    const timerOwn = figures(served.ownLatenessesMs);
    const reply = figures(asked.repliesMs);
    const replyOwn = figures(asked.ownRepliesMs);
    const control = figures(asked.latenessesMs);
    const mbPerS = served.bytes / 1e6 / seconds;
    const passed = mbPerS > 0 && timerOwn.maxMs <= LATE_MS_MAX && replyOwn.p99Ms <= LATE_MS_MAX;
    return { poller, trigger, role, seconds, mbPerS, timer, timerOwn, reply, replyOwn, control, passed };
  } finally {
    await Promise.all(children.map((child) => child.stop()));
  }
}

/** @param {{ poller?: string, trigger?: string, floodS: number }} options @param {readonly string[]} pollers */
export async function runFloods(options, pollers, signal, onCell) {
  const cells = pollers
    .filter((poller) => options.poller === undefined || poller === options.poller)
    .flatMap((poller) => {
      const triggers = poller === 'poll' || poller === 'select' ? ['level'] : ['level', 'edge'];
      return triggers.map((trigger) => ({ poller, trigger }));
    })
    .filter(({ trigger }) => options.trigger === undefined || trigger === options.trigger)
    .flatMap((cell) => ['R', 'W'].map((role) => ({ ...cell, role })));
  const results = [];
  for (const cell of cells) {
    if (signal.aborted) break;
    onCell(cell);
    const result = await runFlood(cell, options.floodS, signal);
    if (!signal.aborted) results.push(result);
  }
  return { passed: results.every(({ passed }) => passed), interrupted: signal.aborted, cells: results };
}

/** @param {Awaited<ReturnType<typeof runFloods>>} floods */
export function formatFloods({ cells, passed, interrupted }) {
  const ms = (number) => number.toFixed(1).padStart(7);
  const lines = cells.map((cell) => {
    const { poller, trigger, role, mbPerS, timer, timerOwn, reply, replyOwn, control } = cell;
    const name = `${poller} ${trigger}`.padEnd(13) + (role === 'R' ? 'reads ' : 'writes');
    const times = [timer, timerOwn, reply, replyOwn, control]
      .flatMap(({ p99Ms, maxMs }) => [p99Ms, maxMs])
      .map(ms);
    return `${name} ${mbPerS.toFixed(0).padStart(6)}  ${times.join(' ')}  ${cell.passed ? 'ok' : 'LATE'}`;
  });
  const head = [
    'One socket floods; beside it a 10 ms timer and a second socket that asks every 10 ms. Milliseconds.',
    'own part: without the time in which the server (and who asks it) was ready to run and had no processor.',
    'control: timers of the process that asks, which no flood touches; where they are late, the machine was busy.',
    '                           timer late        own part           reply        own part    control late',
    'server             MB/s    p99     max     p99     max     p99     max     p99     max     p99     max',
  ];
  const verdict = interrupted ? 'interrupted: figures so far' : passed ? 'passed' : 'FAILED';
  return [
    ...head,
    ...lines,
    `${verdict}: of own part, the timer at most ${LATE_MS_MAX} ms late and 99 of 100 replies within ${LATE_MS_MAX} ms`,
  ].join('\n');
}
