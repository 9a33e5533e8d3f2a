// A UDP echo server that tells how much it has allocated on the heap: udp.js reactor|reactor-edge|reactor-single|node-dgram
//
// Prints "PORT n"; answers each line on stdin with one line of JSON, and ends when stdin does.

import { createSocket } from 'node:dgram';
import { PerformanceObserver } from 'node:perf_hooks';
import { binding } from '../../dist/binding.js';
import { Reactor, datagram } from '../../dist/index.js';

const kind = process.argv[2];
let messages = 0;
let collections = 0;
new PerformanceObserver((list) => (collections += list.getEntries().length)).observe({ entryTypes: ['gc'] });

if (kind === 'node-dgram') {
  const socket = createSocket('udp4');
  socket.on('message', (message, sender) => {
    messages++;
    socket.send(message, sender.port, sender.address);
  });
  socket.bind(0, '127.0.0.1', () => console.log(`PORT ${socket.address().port}`));
} else {
  const reactor = new Reactor({ poller: 'epoll' });
  const socket = datagram(
    reactor,
    { messageBytesMax: 2048, trigger: kind === 'reactor-edge' ? 'edge' : 'level' },
    {
      message(socket, buffer, start, end, sender) {
        messages++;
        socket.send(buffer, sender, start, end);
      },
    },
  );
  if (kind === 'reactor-single') binding.datagramsOneByOne(1);
  console.log(`PORT ${socket.address.port}`);
  void reactor.run();
}
process.stdin.on('data', () => {
  console.log(JSON.stringify({ heapBytes: process.memoryUsage().heapUsed, messages, collections }));
});
process.stdin.on('end', () => process.exit(0));
