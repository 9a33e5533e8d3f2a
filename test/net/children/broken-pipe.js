// Writes where nobody reads any more, in a process that would die of SIGPIPE. With the argument `control` it writes to
// a pipe, and dies: the signal is armed indeed. Else it writes to a connection, and prints what its handlers heard.

import { Reactor, connect, descriptors, listen } from '../../../dist/index.js';

// Node ignores SIGPIPE from the start; when the last handler is taken away, libuv sets the default action: death.
const handler = () => undefined;
process.on('SIGPIPE', handler);
process.off('SIGPIPE', handler);

if (process.argv[2] === 'control') {
  const [readEnd, writeEnd] = descriptors.pipe();
  descriptors.close(readEnd);
  descriptors.write(writeEnd, Buffer.from('x'));
}

const reactor = new Reactor();
const events = [];
let server;
const listener = listen(
  reactor,
  {},
  {
    open: (connection) => (server = connection),
    readClosed: () => events.push('readClosed'),
    error: (_, { code, syscall }) => events.push(`error ${code} ${syscall}`),
    close: () => events.push('close'),
  },
);
const client = connect(
  reactor,
  { port: listener.address.port },
  { open: (connection) => connection.close() },
);
while (!events.includes('readClosed')) reactor.turn(100);
if (!client.closed) throw new Error('the client should have gone');
// The first one is answered by a reset, since nobody is there; the next ones meet it.
for (let writes = 0; writes < 1000 && !server.closed; writes++) {
  events.push(`wrote ${server.write('x')}`);
  reactor.turn(0);
}
while (!events.includes('close')) reactor.turn(100);
reactor.close();
console.log(JSON.stringify(events));
