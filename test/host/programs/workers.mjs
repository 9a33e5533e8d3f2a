// Four workers each run a reactor with an echo server; the main thread's reactor talks to all of them at once.

import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { Reactor, connect, listen } from '../../../dist/index.js';

const WORKERS = 4;
const ROUNDS = 100;

if (isMainThread) {
  const reactor = new Reactor();
  const workers = Array.from({ length: WORKERS }, () => new Worker(new URL(import.meta.url)));
  const exits = Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve))));
  const ports = await Promise.all(
    workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))),
  );
  let echoes = 0;
  for (const port of ports) {
    let left = ROUNDS;
    connect(
      reactor,
      { port },
      {
        open: (connection) => void connection.write('x'),
        data(connection) {
          echoes++;
          if (--left > 0) connection.write('x');
          else connection.end();
        },
      },
    );
  }
  await reactor.run();
  console.log(JSON.stringify({ echoes, exits: await exits }));
} else {
  const reactor = new Reactor();
  const listener = listen(
    reactor,
    {},
    {
      data: (connection, buffer, start, end) => void connection.write(buffer, start, end),
      close: () => listener.close(), // its only client has gone: nothing keeps this reactor, and so this worker
    },
  );
  parentPort.postMessage(listener.address.port);
  await reactor.run();
}
