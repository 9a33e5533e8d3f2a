// Connections come and go as fast as they can, some watches with them, closed in the right order.
import { Reactor, READABLE, connect, descriptors, listen } from '../../../dist/index.js';

const reactor = new Reactor();
const listener = listen(reactor, { port: 0 }, { data: (connection, b, s, e) => connection.write(b, s, e) });
const endMs = performance.now() + 1500;
let served = 0;
function dial() {
  connect(
    reactor,
    { port: listener.address.port },
    {
      open: (connection) => connection.write('hello'),
      data: (connection) => connection.close(),
      close() {
        served++;
        const [a, b] = descriptors.socketPair();
        const watch = reactor.watch(a, READABLE, () => {
          watch.close();
          descriptors.close(a);
          descriptors.close(b);
        });
        descriptors.write(b, new Uint8Array(1));
        if (performance.now() < endMs) dial();
        else if (--alive === 0) reactor.close();
      },
    },
  );
}
let alive = 8;
for (let i = 0; i < alive; i++) dial();
await reactor.run();
console.log(served > 0);
