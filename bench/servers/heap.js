// An echo server that tells how much it has allocated on the heap: heap.js reactor|node-net
//
// Run it with a young generation larger than the measurement fills: then nothing is collected meanwhile, and the growth
// of the used heap is what was allocated. Prints "PORT n"; answers each line on stdin with one line of JSON.

import { createServer } from 'node:net';
import { PerformanceObserver } from 'node:perf_hooks';
import { Reactor, listen } from '../../dist/index.js';

let messages = 0;
let collections = 0;
new PerformanceObserver((list) => (collections += list.getEntries().length)).observe({ entryTypes: ['gc'] });

if (process.argv[2] === 'reactor') {
  const reactor = new Reactor();
  const listener = listen(
    reactor,
    { noDelay: true },
    {
      data(connection, buffer, start, end) {
        messages++;
        connection.write(buffer, start, end);
      },
    },
  );
  console.log(`PORT ${listener.address.port}`);
  void reactor.run();
} else {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('data', (data) => {
      messages++;
      socket.write(data);
    });
  }).listen(0, '127.0.0.1', () => console.log(`PORT ${server.address().port}`));
}
process.stdin.on('data', () => {
  console.log(JSON.stringify({ heapBytes: process.memoryUsage().heapUsed, messages, collections }));
});
process.stdin.on('end', () => process.exit(0));
