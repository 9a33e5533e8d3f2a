// An echo server for clients from outside; ends its reactor at Ctrl-C, as a program that knows nothing of recordings.
import { Reactor, listen } from '../../../dist/index.js';

const reactor = new Reactor();
const listener = listen(
  reactor,
  { port: 0 },
  {
    data: (connection, buffer, start, end) => void connection.write(buffer, start, end),
    close: () => console.log('closed'),
  },
);
process.once('SIGINT', () => {
  console.log('interrupted');
  listener.close();
  reactor.stop();
});
reactor
  .setTimer(5, function tick() {
    reactor.setTimer(5, tick).unref();
  })
  .unref();
console.log(`port ${listener.address.port}`);
await reactor.run();
console.log(`${listener.accepted} accepted`);
