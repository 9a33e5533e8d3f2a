// How promptly Node's own business is served in this process: beside.js plain|reactor TRIALS WARMUP HTTP_PORT
//
// With `reactor`, a reactor runs an echo server in the same thread. Prints "PORT n" (0 when there is no server), waits
// for a line on stdin, measures, prints one JSON line, and ends when stdin does.

import { performance } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { Reactor, listen } from '../../dist/index.js';

const [mode, trialsText, warmupText, httpPort] = process.argv.slice(2);
const trials = Number(trialsText);
const warmup = Number(warmupText);

const worker = new Worker(
  "const { parentPort } = require('node:worker_threads'); parentPort.on('message', (m) => parentPort.postMessage(m));",
  { eval: true },
);

/** Each gives the milliseconds of one trial: what was waited for beyond what was asked, or a round trip. */
const kinds = {
  setTimeout: () =>
    new Promise((resolve) => {
      const startMs = performance.now();
      setTimeout(() => resolve(performance.now() - startMs - 2), 2);
    }),
  fetch: async () => {
    const startMs = performance.now();
    const response = await fetch(`http://127.0.0.1:${httpPort}/`);
    await response.text();
    return performance.now() - startMs;
  },
  'worker message': () =>
    new Promise((resolve) => {
      const startMs = performance.now();
      worker.once('message', () => resolve(performance.now() - startMs));
      worker.postMessage(0);
    }),
};

async function measure() {
  const result = {};
  for (const [kind, trial] of Object.entries(kinds)) {
    for (let i = 0; i < warmup; i++) await trial();
    const samplesMs = [];
    for (let i = 0; i < trials; i++) samplesMs.push(await trial());
    result[kind] = samplesMs;
  }
  return result;
}

let port = 0;
if (mode === 'reactor') {
  const reactor = new Reactor();
  const listener = listen(
    reactor,
    { noDelay: true, backlog: 4096 },
    {
      data(connection, buffer, start, end) {
        connection.write(buffer, start, end);
      },
    },
  );
  port = listener.address.port;
  void reactor.run();
}
console.log(`PORT ${port}`);
process.stdin.once('data', async () => {
  console.log(JSON.stringify(await measure()));
});
process.stdin.on('end', () => process.exit(0));
