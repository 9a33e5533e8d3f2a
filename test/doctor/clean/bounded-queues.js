// A hundred thousand tasks at once, and 48 MiB queued for a client that comes to read them later: much, and bounded.
import { Reactor, connect, listen } from '../../../dist/index.js';

const reactor = new Reactor();
let ran = 0;
for (let i = 0; i < 100_000; i++) reactor.post(() => ran++);
const reply = new Uint8Array(256 * 1024);
const listener = listen(
  reactor,
  { port: 0, writeQueueBytesMax: 64 * 1024 * 1024 },
  {
    open(connection) {
      for (let i = 0; i < 192; i++) connection.write(reply);
      connection.end();
    },
  },
);
let got = 0;
const client = connect(
  reactor,
  { port: listener.address.port },
  {
    open: (connection) => connection.pause(),
    data: (connection, buffer, start, end) => (got += end - start),
    close() {
      console.log(ran, got);
      reactor.close();
    },
  },
);
setTimeout(() => client.resume(), 700);
await reactor.run();
