#!/usr/bin/env node
// Requests that compute for 200 ms: in the loop, on threads and on processes of an executor; and what others notice.

import { availableParallelism } from 'node:os';
import { article, milliseconds, spread, times } from '../lib/article.js';
import { run } from '../lib/async.js'; // in a program of yours: from 'underloop/async'
import { compute, stepsOf } from '../lib/cpu-work.js';
import { executor } from '../lib/executor.js'; // ... from 'underloop/executor'
import { lineServer } from '../lib/line-server.js';
import { percentile } from '../lib/statistics.js';
import { Reactor } from '../lib/underloop.js'; // ... from 'underloop'

const HELP = `A server on the reactor whose clients ask it to compute for 200 ms, one after the other each, while somebody else sends
a ping every 10 ms. It computes in the loop, on threads of an executor, and on processes of one.

  node examples/articles/cpu-bound.js [options]

  --clients N      how many ask (4)
  --ms MS          how long a computation takes when nothing disturbs it (200; --fast: 50)
  --workers N      threads or processes of the executor (as many as there are cores)
  --duration MS    how long each way is measured (4000; --fast: 500)

`;

const workUrl = new URL('../lib/cpu-work.js', import.meta.url);
/** Calls of nothing, to see what an executor itself costs. */
const EMPTY_CALLS = 200;

export async function server({ kind, workers, steps }) {
  const reactor = new Reactor();
  if (kind === 'loop') {
    compute(steps); // the compiler sees it
    const { ready, calls } = lineServer(reactor, { compute: () => compute(steps) && 'done' });
    return { ready: { ...ready, roundTripMs: null }, calls };
  }
  const pool = executor(reactor, { kind, workersMax: workers });
  const call = (name, ...args) => pool.run(workUrl, name, args);
  const roundTripMs = await run(reactor, async () => {
    await Promise.all(Array.from({ length: workers }, () => call('compute', steps)));
    const tookMs = [];
    for (let i = 0; i < EMPTY_CALLS; i++) {
      const startMs = performance.now();
      await call('nothing');
      tookMs.push(performance.now() - startMs);
    }
    return percentile(
      tookMs.sort((a, b) => a - b),
      0.5,
    );
  });
  const { ready, calls } = lineServer(reactor, {
    compute: async () => (await call('compute', steps)) && 'done',
  });
  return { ready: { ...ready, roundTripMs }, calls };
}

async function measure(measurement, { clients, ms, workers, duration, fast }) {
  const load = await measurement.process('lineLoad', {}, { moduleUrl: loadUrl });
  const steps = stepsOf(ms);
  for (const kind of ['loop', 'threads', 'processes']) {
    const server = await measurement.process('server', { kind, workers, steps });
    await server.call('reset');
    const run = await load.call('closedLoop', {
      port: server.ready.port,
      clients,
      line: 'compute',
      answer: 'done',
      warmMs: fast ? 0 : 500,
      durationMs: duration,
      pingEveryMs: 10,
    });
    const { roundTripMs } = server.ready;
    measurement.add({
      kind,
      workers,
      clients,
      workMs: ms,
      roundTripMs,
      ...run,
      ...(await server.call('figures')),
    });
    await server.stop();
  }
}
const loadUrl = new URL('../lib/line-load.js', import.meta.url).href;

const ones = { threads: 'thread', processes: 'process' };
const workersOf = ({ kind, workers }) => (workers === 1 ? `1 ${ones[kind]}` : `${workers} ${kind}`);
const nameOf = (c) => (c.kind === 'loop' ? 'in the loop' : `executor, ${workersOf(c)}`);
const columns = [
  { title: '', width: 22, value: nameOf },
  { title: 'done/s', width: 7, value: ({ perSecond }) => perSecond.toFixed(1) },
  { title: 'latency 50 / 99% / max', width: 22, value: ({ latency }) => spread(latency) },
  { title: 'ping 50 / 99% / max', width: 22, value: ({ others }) => spread(others) },
  { title: 'lag 50 / 99% / max', width: 22, value: ({ lag }) => spread(lag) },
  { title: 'empty call', width: 11, value: ({ roundTripMs }) => micros(roundTripMs) },
];
const micros = (ms) => (ms === null ? '-' : `${(ms * 1000).toFixed(0)} µs`);

/** What the figures say. In the loop others wait for whole computations; on an executor for less than a part of one. */
export function verdict([loop, ...executors]) {
  const blocks = loop.others.p50Ms >= loop.workMs / 2;
  const better = (c) => c.others.p50Ms < loop.others.p50Ms / 4 && c.lag.p50Ms < loop.lag.p50Ms;
  const each = executors.map(
    (c) =>
      `on ${workersOf(c)} half of the pings took ${milliseconds(c.others.p50Ms)} or less ` +
      `(${better(c) ? `a median ${times(loop.others.p50Ms / c.others.p50Ms)} shorter` : 'not much better'}), ` +
      `the loop was up to ${milliseconds(c.lag.maxMs)} late, ${c.perSecond.toFixed(1)} were done per second, ` +
      `and a call of nothing there and back took ${micros(c.roundTripMs)}`,
  );
  const text =
    `${loop.clients} clients ask for computations of ${loop.workMs} ms. In the loop ${loop.perSecond.toFixed(1)} were done per ` +
    `second, it was up to ${milliseconds(loop.lag.maxMs)} late, and half of the pings of somebody else took ` +
    `${milliseconds(loop.others.p50Ms)} or more, ` +
    `${blocks ? 'for they wait for whole computations' : 'less than a computation'}; ${each.join('; ')}.`;
  return { holds: blocks && executors.every(better), text };
}

await article(import.meta.url, {
  help: HELP,
  options: {
    clients: { default: 4, min: 1, max: 100 },
    ms: { default: 200, fast: 50, min: 1, max: 10_000 },
    workers: { default: availableParallelism(), min: 1, max: 64 },
    duration: { default: 4000, fast: 500, min: 100, max: 600_000 },
  },
  columns,
  measure,
  verdict,
});
