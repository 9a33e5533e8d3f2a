#!/usr/bin/env node
// A consumer of a Redis stream whose messages each need a wait: one after the other and blocking, or many at a time.

import { randomUUID } from 'node:crypto';
import { article, milliseconds, times } from '../lib/article.js';
import { connect, gather, run } from '../lib/async.js'; // in a program of yours: from 'underloop/async'
import { connect as connectBlocking } from '../lib/blocking.js'; // ... from 'underloop/blocking'
import { connectRedis } from '../lib/redis-sync.js';
import { fetchAsync, fetchBlocking } from '../lib/slow-fetch.js';
import { Reactor } from '../lib/underloop.js'; // ... from 'underloop'

const HELP = `Consumers of a Redis stream (XREADGROUP, XACK). For each message they ask an HTTP server that takes 20 ms. The
synchronous one has a client that blocks for both; the asynchronous one has ioredis, and asks for many at a time. Then the
same with messages that need no wait at all.

  node examples/articles/queue-consumer.js [options]

  --messages N     how many with a wait (200; --fast: 60); 50 times as many without
  --ms MS          the wait of each (20; --fast: 10)
  --batch N        messages that are read at once, and handled at once by the asynchronous one (50)

The Redis is that of REDIS_URL, or a temporary redis-server. The stream is deleted at the end.

`;

const GROUP = 'consumers';

/** One message after the other, and each wait holds the thread. */
export function synchronous({ url, stream, port, messages, ms, batch }) {
  const redis = connectRedis(url);
  const upstream = connectBlocking({ port });
  const startMs = performance.now();
  const ids = [];
  while (ids.length < messages) {
    const [[, entries]] = redis.command('XREADGROUP', ...readArguments(stream, batch));
    for (const [id] of entries) {
      if (ms > 0) fetchBlocking(upstream, ms);
      ids.push(id);
    }
    redis.command('XACK', stream, GROUP, ...entries.map(([id]) => id));
  }
  const tookMs = performance.now() - startMs;
  upstream.close();
  redis.close();
  return { ids, tookMs };
}

/** As many messages at a time as were read at once, on one thread. */
export function asynchronous({ url, stream, port, messages, ms, batch }) {
  const reactor = new Reactor();
  return run(reactor, async () => {
    const { Redis } = await import('ioredis');
    const redis = new Redis(url, { lazyConnect: true });
    await redis.connect();
    const upstreams = await gather(
      Array.from({ length: batch }, () => (signal) => connect(reactor, { port, signal })),
    );
    const startMs = performance.now();
    const ids = [];
    while (ids.length < messages) {
      const [[, entries]] = await redis.xreadgroup(...readArguments(stream, batch));
      await gather(
        entries.map(([id], i) => async () => {
          if (ms > 0) await fetchAsync(upstreams[i], ms);
          ids.push(id);
        }),
      );
      await redis.xack(stream, GROUP, ...entries.map(([id]) => id));
    }
    const tookMs = performance.now() - startMs;
    for (const upstream of upstreams) upstream.close();
    redis.disconnect();
    return { ids, tookMs };
  });
}

function readArguments(stream, batch) {
  return ['GROUP', GROUP, 'one', 'COUNT', batch, 'BLOCK', 1000, 'STREAMS', stream, '>'];
}

/** Makes streams, and looks at what is left of them. */
export function keeper({ url }) {
  const redis = connectRedis(url);
  return {
    ready: {},
    calls: {
      /** So many messages, and a group that has read none of them. Gives the ids. */
      fill(stream, messages) {
        const ids = [];
        for (let i = 0; i < messages; i++) ids.push(redis.command('XADD', stream, '*', 'number', i));
        redis.command('XGROUP', 'CREATE', stream, GROUP, 0);
        redis.command('EXPIRE', stream, 3600); // where we are interrupted and the server is not ours
        return ids;
      },
      /** How many were read and not acknowledged. Deletes the stream. */
      finish(stream) {
        const [pending] = redis.command('XPENDING', stream, GROUP);
        redis.command('DEL', stream);
        return pending;
      },
    },
  };
}

/** So many times as many messages where they need no wait, for figures that mean something. */
const WITHOUT_WAIT = 50;

async function measure(measurement, { messages, ms, batch }) {
  const url = await measurement.redis();
  const upstream = await measurement.process('slowServer', {}, { moduleUrl: upstreamUrl });
  const keeper = await measurement.process('keeper', { url });
  const { port } = upstream.ready;
  for (const [waitMs, count] of [
    [ms, messages],
    [0, WITHOUT_WAIT * messages],
  ]) {
    for (const consumer of ['synchronous', 'asynchronous']) {
      const stream = `underloop:${randomUUID()}`;
      const sent = await keeper.call('fill', stream, count);
      const options = { url, stream, port, messages: count, ms: waitMs, batch };
      const { ids, tookMs } = await measurement.inProcess(consumer, options);
      const pending = await keeper.call('finish', stream);
      const waits = (await upstream.call('stamps')).map((stamp) => stamp.answeredMs - stamp.cameMs);
      measurement.add({
        consumer,
        waitMs,
        batch,
        messages: count,
        /** Each message once, and nothing is left unacknowledged. */
        exactlyOnce: pending === 0 && ids.length === sent.length && new Set([...ids, ...sent]).size === count,
        tookMs,
        perSecond: (count / tookMs) * 1000,
        waitedMs: waits.reduce((a, b) => a + b, 0),
      });
    }
  }
}
const upstreamUrl = new URL('../lib/slow-server.js', import.meta.url).href;

const columns = [
  { title: 'consumer', width: 14, value: ({ consumer }) => consumer },
  { title: 'each waits', value: ({ waitMs }) => milliseconds(waitMs) },
  { title: 'messages', width: 8, value: ({ messages }) => String(messages) },
  { title: 'took', value: ({ tookMs }) => milliseconds(tookMs) },
  { title: 'messages/s', value: ({ perSecond }) => perSecond.toFixed(0) },
  { title: 'each once', width: 9, value: ({ exactlyOnce }) => (exactlyOnce ? 'yes' : 'NO') },
];

export function verdict([sync, async, syncFree, asyncFree]) {
  const gain = async.perSecond / sync.perSecond;
  const isSum = sync.tookMs >= sync.waitedMs;
  const free = syncFree.perSecond / asyncFree.perSecond;
  const cases = [sync, async, syncFree, asyncFree];
  const exact = cases.every(({ exactlyOnce }) => exactlyOnce);
  const text =
    `With a wait of ${sync.waitMs} ms per message the consumer that blocks handled ${sync.perSecond.toFixed(0)} messages/s ` +
    `(its ${milliseconds(sync.tookMs)} are ${isSum ? 'no less than' : 'less than'} the sum of the waits, ${milliseconds(sync.waitedMs)}), ` +
    `the one that handles ${async.batch} at a time ${async.perSecond.toFixed(0)}, ${times(gain)} as many. ` +
    `Where messages need no wait, the one that blocks handled ${syncFree.perSecond.toFixed(0)} and the other ` +
    `${asyncFree.perSecond.toFixed(0)} messages/s: ` +
    (free > 1.1
      ? `blocking is ${times(free)} as fast, and it is the simpler program.`
      : free > 0.9
        ? 'no difference that matters, and blocking is the simpler program.'
        : `the asynchronous one is ${times(1 / free)} as fast.`) +
    (exact
      ? ' Every message was handled once and acknowledged.'
      : ' NOT every message was handled once and acknowledged.');
  return { holds: isSum && gain > 2 && exact, text };
}

await article(import.meta.url, {
  help: HELP,
  options: {
    messages: { default: 200, fast: 60, min: 1, max: 100_000 },
    ms: { default: 20, fast: 10, min: 1, max: 10_000 },
    batch: { default: 50, min: 1, max: 500 },
  },
  columns,
  measure,
  verdict,
});
