// A server that pushes to a client that does not read.
import { Reactor, connect, listen } from '../../../dist/index.js';

const reactor = new Reactor();
const chunk = new Uint8Array(64 * 1024);
const listener = listen(
  reactor,
  { port: 0 },
  {
    open(connection) {
      const push = () => {
        if (connection.closed) return;
        for (let i = 0; i < 32; i++) connection.write(chunk);
        reactor.setTimer(10, push);
      };
      push();
    },
  },
);
connect(reactor, { port: listener.address.port }, { open: (connection) => connection.pause() });
setTimeout(() => reactor.close(), 1500);
await reactor.run();
