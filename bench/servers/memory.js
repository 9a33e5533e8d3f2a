// An echo server that tells where its memory is: memory.js reactor|node-net
//
// Run it with --expose-gc. Prints "PORT n". Each line on stdin collects all garbage and is answered with one line of
// JSON; a line that names a file also writes a heap snapshot to it.

import { createServer } from 'node:net';
import { getHeapSpaceStatistics, writeHeapSnapshot } from 'node:v8';
import { setImmediate as turn } from 'node:timers/promises';
import { Reactor, listen } from '../../dist/index.js';

if (process.argv[2] === 'reactor') {
  const reactor = new Reactor({ poller: 'epoll' });
  const listener = listen(
    reactor,
    { noDelay: true, backlog: 4096 },
    {
      data(connection, buffer, start, end) {
        connection.write(buffer, start, end);
      },
    },
  );
  console.log(`PORT ${listener.address.port}`);
  void reactor.run();
} else {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('data', (data) => socket.write(data));
    socket.on('error', () => socket.destroy());
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () =>
    console.log(`PORT ${server.address().port}`),
  );
}

process.stdin.setEncoding('utf8').on('data', async (text) => {
  // Several times, with turns between: what one collection makes free (weak references, native peers) the next one takes.
  for (let i = 0; i < 4; i++) {
    globalThis.gc();
    await turn();
  }
  const { heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage();
  const spaces = Object.fromEntries(
    getHeapSpaceStatistics().map((space) => [space.space_name, space.space_used_size]),
  );
  const file = text.trim();
  if (file !== 'memory') writeHeapSnapshot(file);
  console.log(JSON.stringify({ heapUsed, heapTotal, external, arrayBuffers, spaces }));
});
process.stdin.on('end', () => process.exit(0));
