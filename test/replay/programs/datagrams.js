// Datagram sockets: batches, answers, a connected one, a port where nobody listens.
import { Reactor, datagram } from '../../../dist/index.js';

const reactor = new Reactor();
let left = 40;
const server = datagram(
  reactor,
  { port: 0 },
  {
    message(socket, buffer, start, end, from) {
      socket.send(buffer.slice(start, end), from);
    },
  },
);
const client = datagram(
  reactor,
  { port: 0 },
  {
    message(socket, buffer, start, end) {
      if (end - start > 2000) console.log('a large one');
      if (--left === 0) {
        client.close();
        server.close();
      }
    },
  },
);
const { port } = server.address;
for (let i = 0; i < left; i++)
  client.send(Buffer.alloc(i === 7 ? 5000 : 10 + i, i), { host: '127.0.0.1', port });
reactor.setTimer(200, () => reactor.stop()).unref();
await reactor.run();
console.log('left', left);
