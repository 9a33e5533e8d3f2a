#!/usr/bin/env node
// Two fetches of 3 s each: one after the other with a client that blocks, together with gather().

import { article, milliseconds, seconds } from '../lib/article.js';
import { connect, gather, run } from '../lib/async.js'; // in a program of yours: from 'underloop/async'
import { connect as connectBlocking } from '../lib/blocking.js'; // ... from 'underloop/blocking'
import { fetchAsync, fetchBlocking } from '../lib/slow-fetch.js';
import { Reactor } from '../lib/underloop.js'; // ... from 'underloop'

const HELP = `Two fetches of 3 s each from an HTTP server in another process: with a client that blocks its thread until the
answer is there, and with gather() of underloop/async.

  node examples/articles/fetch-twice.js [options]

  --fetches N      how many (2)
  --ms MS          how long the server takes for each (3000; --fast: 300)
`;

/** Each fetch holds the thread until its answer is there. */
function fetchSync(port, ms) {
  const connection = connectBlocking({ port });
  try {
    return fetchBlocking(connection, ms);
  } finally {
    connection.close();
  }
}

export function synchronous({ port, fetches, ms }) {
  return timed(() => {
    for (let i = 0; i < fetches; i++) fetchSync(port, ms);
  });
}

/** Each fetch gives the thread back while it waits. */
async function fetchOnReactor(reactor, port, ms, signal) {
  const connection = await connect(reactor, { port, signal });
  try {
    return await fetchAsync(connection, ms);
  } finally {
    connection.close();
  }
}

export function asynchronous({ port, fetches, ms }) {
  const reactor = new Reactor();
  const task = (signal) => fetchOnReactor(reactor, port, ms, signal);
  return timed(() => run(reactor, () => gather(Array.from({ length: fetches }, () => task))));
}

/** How long it takes, and how often a timer of 10 ms of the same thread ran meanwhile. */
async function timed(work) {
  let ticks = 0;
  const ticking = setInterval(() => ticks++, 10);
  const startMs = performance.now();
  await work();
  const tookMs = performance.now() - startMs;
  const ran = ticks;
  clearInterval(ticking);
  return { tookMs, ticks: ran, ticksPossible: Math.floor(tookMs / 10) };
}

async function measure(measurement, { fetches, ms }) {
  const server = await measurement.process('slowServer', {}, { moduleUrl: serverUrl });
  const { port } = server.ready;
  for (const name of ['synchronous', 'asynchronous']) {
    const figures = await measurement.inProcess(name, { port, fetches, ms });
    // What the server says of it: how long each request waited there.
    const waitsMs = (await server.call('stamps')).map(({ cameMs, answeredMs }) => answeredMs - cameMs);
    const sumMs = waitsMs.reduce((a, b) => a + b);
    measurement.add({ name, ...figures, fetches: waitsMs.length, sumMs, longestMs: Math.max(...waitsMs) });
  }
}
const serverUrl = new URL('../lib/slow-server.js', import.meta.url).href;

const columns = [
  { title: 'client', width: 14, value: ({ name }) => name },
  { title: 'took', value: ({ tookMs }) => seconds(tookMs) },
  { title: 'sum of waits', value: ({ sumMs }) => seconds(sumMs) },
  { title: 'longest wait', value: ({ longestMs }) => seconds(longestMs) },
  { title: 'ticks of a 10 ms timer', width: 24, value: (c) => `${c.ticks} of ${c.ticksPossible}` },
];

/** What the figures say, and whether it is "the sum" and "the longest": each nearer to that than to the other. */
export function verdict([sync, async]) {
  const isSum = sync.tookMs > (sync.sumMs + sync.longestMs) / 2 || sync.fetches === 1;
  const isLongest = async.tookMs < (async.sumMs + async.longestMs) / 2 || async.fetches === 1;
  const waits = (c, isWhat) =>
    isWhat
      ? `the ${c === sync ? 'sum' : 'longest'} of the server's waits and ${milliseconds(c.tookMs - (c === sync ? c.sumMs : c.longestMs))}`
      : `which is not the ${c === sync ? 'sum' : 'longest'} of the waits (${seconds(c === sync ? c.sumMs : c.longestMs)})`;
  const gain = sync.tookMs / async.tookMs;
  const text =
    `${sync.fetches} ${sync.fetches === 1 ? 'fetch' : 'fetches'} took ${seconds(sync.tookMs)} with the client that blocks: ${waits(sync, isSum)}; ` +
    `its thread ran ${sync.ticks} of ${sync.ticksPossible} ticks meanwhile. ` +
    `With gather() ${sync.fetches === 1 ? 'it' : 'they'} took ${seconds(async.tookMs)}: ${waits(async, isLongest)}; ` +
    `the same thread ran ${async.ticks} of ${async.ticksPossible} ticks. ` +
    (sync.fetches === 1
      ? 'One call at a time gains nothing from a loop, and a blocking one is simpler to write.'
      : gain > 1.1
        ? `Together is ${gain.toFixed(2)} times as fast, on one thread.`
        : 'Here it made no difference, which it should have.');
  return { holds: isSum && isLongest, text };
}

await article(import.meta.url, {
  help: HELP,
  options: {
    fetches: { default: 2, min: 1, max: 1000 },
    ms: { default: 3000, fast: 300, min: 1, max: 60_000 },
  },
  columns,
  measure,
  verdict,
});
