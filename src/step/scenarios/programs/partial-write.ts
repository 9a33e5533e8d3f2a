// A server writes more at once than the kernel takes; its client begins to read only afterwards.

import { NONE, READABLE, Reactor, listen } from '../../../index.js'; // in a program of yours: from 'underloop'

const BYTES = 128 * 1024;

const reactor = new Reactor();
const { kernel } = reactor;

const listener = listen(
  reactor,
  {},
  {
    open: function answer(connection) {
      kernel.setOption(connection.fd, 'sendBufferBytes', 16 * 1024);
      connection.write(Buffer.alloc(BYTES, 'x'));
      connection.end(); // after what is queued
      reactor.post(startReading);
    },
  },
);

const client = kernel.socket(4);
kernel.setOption(client, 'receiveBufferBytes', 8 * 1024);
kernel.connect(client, listener.address);
const watch = reactor.watch(client, NONE, readSome);

function startReading(): void {
  watch.interest = READABLE;
}
function readSome(): void {
  if (kernel.recv(client, 0, 64 * 1024) > 0) return;
  watch.close();
  kernel.close(client);
  reactor.close();
}
await reactor.run();
