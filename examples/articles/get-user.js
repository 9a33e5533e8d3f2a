#!/usr/bin/env node
// A server under load gets a user from Postgres by a query of 50 ms, in several ways: what each does to everybody else.

import { article, megabytes, milliseconds, spread, times } from '../lib/article.js';
import { run } from '../lib/async.js'; // in a program of yours: from 'underloop/async'
import { executor } from '../lib/executor.js'; // ... from 'underloop/executor'
import { lineServer } from '../lib/line-server.js';
import { Reactor } from '../lib/underloop.js'; // ... from 'underloop'
import { USER_QUERY, getUser } from '../lib/user-sync.js';

const HELP = `A server on the reactor under load: clients get a user from Postgres by a query of 50 ms, one after the other each,
and somebody else who needs no database sends a ping every 10 ms. The handler calls the synchronous driver, pg with a pool
of as many connections as clients, pg with its default pool, or the synchronous driver on threads of an executor.

  node examples/articles/get-user.js [options]

  --clients N      how many (50; --fast: 20)
  --ms MS          how long the query takes (50; --fast: 30)
  --duration MS    how long each way is measured (5000; --fast: 500)

The Postgres is that of DATABASE_URL (it needs ${'`clients`'} connections), or a temporary one of its own.

`;

/** The ways; each gives a function that gets a user, with its connections open. */
const ways = {
  /** The mistake: the loop stands still during each query. */
  synchronous: ({ url, ms }) => {
    getUser(url, 0, 1);
    return (id) => getUser(url, ms, id);
  },
  pool: async ({ url, ms, size }) => {
    const { openPool } = await import('../lib/postgres-pool.js');
    const pool = await openPool(url, size);
    return async (id) => (await pool.query(USER_QUERY, [ms, id])).rows[0];
  },
  /** The remedy where there is no asynchronous driver: the same driver, blocking a thread of an executor. */
  executor: async ({ url, ms, size, reactor }) => {
    const threads = executor(reactor, { kind: 'threads', workersMax: size });
    const call = (ms, id) => threads.run(usersUrl, 'getUser', [url, ms, id]);
    // So many at once that each thread starts, and opens its connection.
    await Promise.all(Array.from({ length: size }, () => call(100, 1)));
    return (id) => call(ms, id);
  },
};
const usersUrl = new URL('../lib/user-sync.js', import.meta.url);

export async function server(options) {
  const reactor = new Reactor();
  const get = await run(reactor, () => ways[options.way]({ ...options, reactor }));
  return lineServer(reactor, { user: async (id) => (await get(Number(id))).name });
}

const cases = ({ clients, fast }) => [
  { name: 'sync driver in the handler', way: 'synchronous' },
  { name: `pg, pool of ${clients}`, way: 'pool', size: clients },
  { name: 'pg, default pool (10)', way: 'pool' },
  ...(fast ? [1, 4] : [1, 4, 40]).map((size) => ({
    name: `executor, ${size} ${size === 1 ? 'thread' : 'threads'}`,
    way: 'executor',
    size,
  })),
];

async function measure(measurement, { clients, ms, duration, fast }) {
  const url = await measurement.postgres();
  const load = await measurement.process('lineLoad', {}, { moduleUrl: loadUrl });
  for (const { name, ...options } of cases({ clients, fast })) {
    const server = await measurement.process('server', { ...options, url, ms });
    await server.call('reset');
    const run = await load.call('closedLoop', {
      port: server.ready.port,
      clients,
      line: 'user ID',
      answer: 'user ID',
      warmMs: fast ? 0 : 500,
      durationMs: duration,
      pingEveryMs: 10,
    });
    measurement.add({ name, ...options, clients, queryMs: ms, ...run, ...(await server.call('figures')) });
    await server.stop();
  }
}
const loadUrl = new URL('../lib/line-load.js', import.meta.url).href;

const columns = [
  { title: '', width: 27, value: ({ name }) => name },
  { title: 'users/s', width: 8, value: ({ perSecond }) => perSecond.toFixed(0) },
  { title: 'latency 50 / 99% / max', width: 22, value: ({ latency }) => spread(latency) },
  { title: 'ping 50 / 99% / max', width: 22, value: ({ others }) => spread(others) },
  { title: 'lag 50 / 99% / max', width: 22, value: ({ lag }) => spread(lag) },
  { title: 'memory', width: 7, value: ({ memoryBytes }) => megabytes(memoryBytes) },
];

/** The pool shall serve at least so many times what the driver in the handler serves, per client. */
const SHARE_MIN = 0.4;

export function verdict([sync, pool, small, ...executors]) {
  const ratio = (c) => c.perSecond / sync.perSecond;
  const ceiling = 1000 / sync.queryMs;
  const large = executors.at(-1);
  const poolRatioMin = SHARE_MIN * sync.clients;
  const blocks = sync.others.p50Ms > sync.queryMs;
  const text =
    `${sync.clients} clients, a query of ${sync.queryMs} ms. The synchronous driver in the handler served ` +
    `${sync.perSecond.toFixed(1)} users/s (one query at a time cannot give more than ${ceiling.toFixed(0)}), ` +
    `the loop was up to ${milliseconds(sync.lag.maxMs)} late, and half of the pings of somebody who needs no database ` +
    `took ${milliseconds(sync.others.p50Ms)} or ${blocks ? 'more' : 'less'}. ` +
    `pg with ${pool.size} open connections served ${times(ratio(pool))} as many ` +
    `(${ratio(pool) >= poolRatioMin ? 'at least' : 'less than'} the ${poolRatioMin.toFixed(0)} times asked for), ` +
    `the loop was at most ${milliseconds(pool.lag.maxMs)} late. ` +
    `With the default pool ${times(ratio(small))}: 10 connections cannot give more than ${(10 * ceiling).toFixed(0)} users/s. ` +
    `The same synchronous driver on an executor served ` +
    executors
      .map((c) => `${times(ratio(c))} with ${c.size} ${c.size === 1 ? 'thread' : 'threads'}`)
      .join(', ') +
    `, with the loop at most ${milliseconds(Math.max(...executors.map(({ lag }) => lag.maxMs)))} late; ` +
    `${large.size} threads took ${megabytes(large.memoryBytes - sync.memoryBytes)} of memory more than the handler alone, ` +
    `the pool ${megabytes(pool.memoryBytes - sync.memoryBytes)}.`;
  const holds = ratio(pool) >= poolRatioMin && blocks && pool.lag.maxMs < sync.lag.maxMs;
  return { holds, text };
}

await article(import.meta.url, {
  help: HELP,
  options: {
    clients: { default: 50, fast: 20, min: 12, max: 80 },
    ms: { default: 50, fast: 30, min: 1, max: 10_000 },
    duration: { default: 5000, fast: 500, min: 100, max: 600_000 },
  },
  columns,
  measure,
  verdict,
});
