#!/usr/bin/env node
// Five requests at once to one server on one core, each with a database call of 2 s: a synchronous driver, and pg.

import { article, milliseconds, seconds } from '../lib/article.js';
import { lineServer } from '../lib/line-server.js';
import { connectPostgres } from '../lib/postgres-sync.js';
import { pinnableCpu } from '../lib/processes.js';
import { Reactor } from '../lib/underloop.js'; // in a program of yours: from 'underloop'

const HELP = `Five requests at once to one server, on the reactor and pinned to one core. Each needs a database call of 2 s, a real
one: select pg_sleep(2). The handler makes it with a synchronous driver, and with pg; connections are open before.

  node examples/articles/five-requests.js [options]

  --requests N     how many (5)
  --ms MS          how long the call takes (2000; --fast: 200)

The Postgres is that of DATABASE_URL, or a temporary one of its own.

`;

/** The server's two handlers. */
export async function server({ driver, url, requests, ms }) {
  const query = driver === 'synchronous' ? synchronousQuery(url) : await asynchronousQuery(url, requests);
  return lineServer(new Reactor(), {
    async report() {
      await query('select pg_sleep($1::float8 / 1000)', [ms]);
      return 'done';
    },
  });
}

/** The mistake: an async handler does not make this call asynchronous. It holds the thread, and so the loop. */
function synchronousQuery(url) {
  const database = connectPostgres(url);
  return (sql, values) => database.query(sql, values);
}

async function asynchronousQuery(url, connections) {
  const { openPool } = await import('../lib/postgres-pool.js');
  const pool = await openPool(url, connections);
  return (sql, values) => pool.query(sql, values);
}

async function measure(measurement, { requests, ms }) {
  const url = await measurement.postgres();
  const load = await measurement.process('lineLoad', {}, { moduleUrl: loadUrl });
  const cpu = pinnableCpu();
  for (const driver of ['synchronous', 'pg']) {
    const server = await measurement.process('server', { driver, url, requests, ms }, { cpu });
    await server.call('reset');
    const { answeredMs } = await load.call('burst', {
      port: server.ready.port,
      requests,
      line: 'report',
      answer: 'done',
    });
    const { lag, cpuMs } = await server.call('figures');
    await server.stop();
    measurement.add({ driver, requests, callMs: ms, cpu, answeredMs, lag, cpuMs });
  }
}
const loadUrl = new URL('../lib/line-load.js', import.meta.url).href;

const lastMs = ({ answeredMs }) => answeredMs.at(-1);
const columns = [
  { title: 'driver', width: 12, value: ({ driver }) => driver },
  { title: 'all answered', value: (c) => seconds(lastMs(c)) },
  {
    title: 'each after',
    width: 40,
    value: ({ answeredMs }) => answeredMs.slice(0, 5).map(seconds).join(', '),
  },
  { title: 'lag, max', value: ({ lag }) => milliseconds(lag.maxMs) },
  { title: 'CPU used', value: ({ cpuMs }) => `${cpuMs.toFixed(0)} ms` },
];

/** What the figures say: about the sum of the calls with the one driver, about the longest with the other. */
export function verdict([sync, pg]) {
  const sumMs = sync.requests * sync.callMs;
  const halfwayMs = (sumMs + sync.callMs) / 2;
  const isSum = lastMs(sync) >= sumMs;
  const isLongest = lastMs(pg) >= pg.callMs && lastMs(pg) < halfwayMs;
  const core = sync.cpu === null ? 'one thread' : `one thread, pinned to core ${sync.cpu}`;
  const text =
    `${sync.requests} requests at once to ${core}, each with a call of ${seconds(sync.callMs)}: ` +
    `with the synchronous driver in the handler the last was answered after ${seconds(lastMs(sync))}, ` +
    (isSum ? 'no less than the sum of the calls' : `which is not the sum of the calls (${seconds(sumMs)})`) +
    `, and the loop was up to ${milliseconds(sync.lag.maxMs)} late; with pg after ${seconds(lastMs(pg))}, ` +
    (isLongest ? 'about one call' : `which is not about one call`) +
    `, and the loop was up to ${milliseconds(pg.lag.maxMs)} late. ` +
    `The server computed for ${sync.cpuMs.toFixed(0)} ms in the first case and ${pg.cpuMs.toFixed(0)} ms in the second: ` +
    (sync.cpuMs < lastMs(sync) / 2
      ? 'it was not short of a core, its only thread was waiting.'
      : 'its core was busy for half of the time or more.');
  return { holds: isSum && isLongest, text };
}

await article(import.meta.url, {
  help: HELP,
  options: {
    requests: { default: 5, min: 2, max: 50 },
    ms: { default: 2000, fast: 200, min: 1, max: 60_000 },
  },
  columns,
  measure,
  verdict,
});
