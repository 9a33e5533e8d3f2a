#!/usr/bin/env node
// Two requests of three seconds each: six seconds one after the other, three when they are made together (--fast).

import { parseArgs } from 'node:util';
import { connect, gather, listen, run, serve, sleep } from './lib/async.js'; // in a program of yours: 'underloop/async'
import { Reactor } from './lib/underloop.js'; // in a program of yours: 'underloop'

const { values: options } = parseArgs({
  options: { fast: { type: 'boolean' }, ms: { type: 'string', default: '3000' } },
});
const delayMs = Number(options.ms);
const reactor = new Reactor();

/** The server: takes its time, and holds up nobody meanwhile. */
async function answer(connection) {
  const name = await connection.readUntil('\n');
  await sleep(reactor, delayMs);
  await connection.write(`the answer for ${name}\n`);
}

/** The client: one request on a connection of its own. */
async function fetchAnswer(port, name, signal) {
  const connection = await connect(reactor, { port, signal });
  try {
    await connection.write(`${name}\n`);
    console.log(String(await connection.readUntil('\n')));
  } finally {
    connection.close();
  }
}

await run(reactor, async (signal) => {
  const listener = listen(reactor, { signal });
  const serving = serve(listener, answer);
  const { port } = listener.address;

  const startedMs = reactor.now();
  if (options.fast) {
    await gather([
      (signal) => fetchAnswer(port, 'one', signal),
      (signal) => fetchAnswer(port, 'two', signal),
    ]);
  } else {
    await fetchAnswer(port, 'one', signal);
    await fetchAnswer(port, 'two', signal);
  }
  console.log(`${((reactor.now() - startedMs) / 1000).toFixed(1)} s`);

  listener.close();
  await serving;
});
