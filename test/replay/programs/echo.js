// An echo server and its clients in one reactor: random sizes, timers, a queue that fills, half-closes, resets, an idle timeout.
import { Reactor, connect, listen } from '../../../dist/index.js';

const reactor = new Reactor();
const count = Number(process.argv[2] ?? 12);
let left = count + 1;
const done = () => {
  if (--left === 0) listener.close();
};
const listener = listen(
  reactor,
  { port: 0, idleTimeoutMs: 60, writeQueueBytesMax: 4096 },
  {
    data(connection, buffer, start, end) {
      if (connection.write(buffer, start, end) < end - start) connection.pause();
    },
    drain(connection) {
      connection.resume();
    },
    error() {},
  },
);
const { port } = listener.address;
for (let i = 0; i < count; i++) {
  const size = 1 + Math.floor(Math.random() * (i % 3 === 0 ? 300_000 : 2000));
  let came = 0;
  connect(
    reactor,
    { port },
    {
      open(connection) {
        for (let sent = 0; sent < size;) {
          const taken = connection.write(new Uint8Array(Math.min(size - sent, 50_000)).fill(i));
          if (taken === 0) break;
          sent += taken;
        }
      },
      data(connection, _buffer, start, end) {
        came += end - start;
        if (came < size) return;
        if (i % 4 === 0) connection.reset();
        else if (i % 4 === 1) connection.close();
        else connection.end();
      },
      close() {
        console.log(`client ${i}: ${came} of ${size}`);
        done();
      },
      error() {},
    },
  );
}
// Says nothing, and is turned out.
connect(reactor, { port }, { close: done });
const timer = reactor.setTimer(1000, () => {});
reactor.setTimer(1, () => {
  timer.cancel();
  reactor.post(() => reactor.defer(() => console.log('deferred')));
});
await reactor.run();
console.log(listener.counters?.() ?? '', 'end');
