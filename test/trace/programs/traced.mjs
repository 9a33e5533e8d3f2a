// An echo with itself over real sockets. traced.mjs [forever]: goes on until it is killed, and prints when it is busy.

import { Reactor, connect, listen } from '../../../dist/index.js';

const forever = process.argv[2] === 'forever';
const reactor = new Reactor();
let replies = 0;
const listener = listen(reactor, {}, { data: (c, buffer, start, end) => void c.write(buffer, start, end) });
connect(
  reactor,
  { port: listener.address.port },
  {
    open: (connection) => void connection.write('hello'),
    data(connection, buffer, start, end) {
      replies++;
      if (forever && replies === 50_000) console.log('busy');
      if (forever || replies < 100) connection.write(buffer, start, end);
      else connection.end();
    },
    close: () => listener.close(),
  },
);
reactor.setTimer(1, function tick() {});
await reactor.run();
