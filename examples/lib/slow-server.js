// An HTTP server that takes its time: GET /?ms=3000 is answered after 3 s, any number of requests at once.

import { listen, run, serve, sleep } from './async.js'; // in a program of yours: from 'underloop/async'
import { Reactor } from './underloop.js'; // in a program of yours: from 'underloop'

/** For a process of processes.js. `stamps()` tells when requests came and were answered, and forgets them. */
export function slowServer() {
  const reactor = new Reactor();
  const listener = listen(reactor, { noDelay: true });
  let stamps = [];
  void run(reactor, () =>
    serve(listener, async (connection) => {
      for (;;) {
        const head = String(await connection.readUntil('\r\n\r\n'));
        const cameMs = performance.now();
        const [, ms] = /^GET \/\?ms=(\d+) HTTP\/1\.1\r\n/.exec(head);
        if (ms !== '0') await sleep(reactor, Number(ms));
        const body = `waited ${ms} ms\n`;
        stamps.push({ cameMs, answeredMs: performance.now() });
        await connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      }
    }),
  );
  return {
    ready: { port: listener.address.port },
    calls: {
      stamps() {
        const seen = stamps;
        stamps = [];
        return seen;
      },
    },
  };
}
