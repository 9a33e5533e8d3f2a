import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { Reactor, listen } from 'underloop';

const BYTES_PER_SECOND = 4_000_000;
const reactor = new Reactor();

class Bucket {
  tokens = 65_536;
  filledMs = reactor.now();

  take(bytes) {
    const now = reactor.now();
    this.tokens = Math.min(65_536, this.tokens + ((now - this.filledMs) * BYTES_PER_SECOND) / 1000);
    this.filledMs = now;
    this.tokens -= bytes;
    return this.tokens < 0 ? (-this.tokens * 1000) / BYTES_PER_SECOND : 0;
  }
}

let received = 0;
let rests = 0;
const server = listen(
  reactor,
  { port: 0, trigger: 'edge', receiveBufferBytes: 65_536 },
  {
    open(connection) {
      connection.context = new Bucket();
    },
    data(connection, buffer, start, end) {
      received += end - start;
      const restMs = connection.context.take(end - start);
      if (restMs <= 0) return;
      rests++;
      connection.pause();
      reactor.setTimer(restMs, () => connection.closed || connection.resume());
    },
    close() {
      if (--open === 0) server.close();
    },
  },
);

let open = 4;
const file = Buffer.alloc(1_500_000, 'u');
const startedMs = performance.now();
for (let i = 0; i < open; i++) {
  const uploader = createConnection(server.address.port, '127.0.0.1', () => uploader.end(file));
  uploader.on('error', () => {});
  uploader.resume();
}
await reactor.run();
const ms = Math.round(performance.now() - startedMs);
const runDelayMs = Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6;
console.log(JSON.stringify({ fault: received !== 6_000_000, evidence: { received, rests, ms, runDelayMs } }));
