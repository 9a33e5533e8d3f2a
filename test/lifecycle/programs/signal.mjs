// A server on a reactor, until a signal comes. Prints its port. Arguments: what it does about signals, how it lives.

import { Reactor, connect, listen } from '../../../dist/index.js';

const [handling, life] = process.argv.slice(2);
const reactor = new Reactor();
const handlers = { data: (connection, buffer, start, end) => void connection.write(buffer, start, end) };
const listener = listen(reactor, {}, handlers);
const open = new Set();
const clientHandlers = { open: (connection) => open.add(connection) };

if (life === 'busy') {
  const again = () => reactor.post(again);
  again();
}
let other = null;
if (life === 'two reactors') {
  other = new Reactor();
  listen(other, {}, {});
  other.run();
}
for (let i = 0; i < 20; i++) connect(reactor, { port: listener.address.port }, clientHandlers);

if (handling === 'closing') {
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      console.log(`closing on ${signal}`);
      reactor.close();
      other?.close();
    });
  }
}
const tell = () => {
  if (listener.connections < 20) reactor.setTimer(5, tell);
  else console.log(`port ${listener.address.port}, connections ${listener.connections}`);
};
reactor.setTimer(30, tell);
await reactor.run();
console.log('run() has ended');
