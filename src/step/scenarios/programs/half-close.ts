// A client asks, ends its half, and waits for the answer. The server answers then, or (argument: close) closes at once.

import { READABLE, Reactor, WRITABLE, listen } from '../../../index.js'; // in a program of yours: from 'underloop'

const SHUT_WRITE = 1;
const reactor = new Reactor();
const { kernel } = reactor;

const listener = listen(
  reactor,
  {},
  {
    readClosed: function clientHasEnded(connection) {
      if (process.argv[2] !== 'close') {
        connection.write('the answer');
        connection.end();
      } else connection.close();
    },
  },
);

const client = kernel.socket(4);
kernel.connect(client, listener.address);
const connected = reactor.watch(client, WRITABLE, askAndEnd);

function askAndEnd(): void {
  kernel.sendBytes(client, Buffer.from('the question'), 0, 12);
  kernel.shutdown(client, SHUT_WRITE); // no more from us; but we still read
  connected.close();
  reactor.watch(client, READABLE, readAnswer);
}
function readAnswer(): void {
  if (kernel.recv(client, 0, 1024) > 0) return;
  reactor.close();
  kernel.close(client);
}
await reactor.run();
