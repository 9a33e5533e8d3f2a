// Steps through an echo over sockets while Node sleeps: prints how it ended, and whether Node woke up meanwhile.

import { Reactor, connect, listen } from '../../../dist/index.js';

const reactor = new Reactor();
let left = 3;
const listener = listen(reactor, {}, { data: (c, buffer, start, end) => void c.write(buffer, start, end) });
connect(
  reactor,
  { port: listener.address.port },
  {
    open: (connection) => void connection.write('hello'),
    data(connection, buffer, start, end) {
      if (--left > 0) connection.write(buffer, start, end);
      else connection.end();
    },
    close: () => listener.close(),
  },
);
const sleeper = setTimeout(() => console.log('Node woke up'), 10_000);
let last = '';
for await (const step of reactor.steps()) last = `${step.kind} ${step.name}`;
clearTimeout(sleeper);
console.log(last);
