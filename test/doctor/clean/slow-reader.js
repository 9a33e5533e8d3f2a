// A large reply to a client that reads slowly: what write() says is obeyed, and drain goes on.
import { Reactor, connect, listen } from '../../../dist/index.js';

const reactor = new Reactor();
const reply = new Uint8Array(16 * 1024 * 1024);
function push(connection) {
  const taken = connection.write(reply, connection.context);
  connection.context += taken;
  if (connection.context === reply.length) connection.end();
}
const listener = listen(
  reactor,
  { port: 0 },
  {
    open(connection) {
      connection.context = 0;
      push(connection);
    },
    drain(connection) {
      if (connection.context < reply.length) push(connection);
    },
  },
);
let got = 0;
connect(
  reactor,
  { port: listener.address.port },
  {
    data(connection, buffer, start, end) {
      got += end - start;
      if (got % 7 === 0) return;
      connection.pause();
      reactor.setTimer(2, () => connection.resume());
    },
    close() {
      console.log(got);
      reactor.close();
    },
  },
);
await reactor.run();
