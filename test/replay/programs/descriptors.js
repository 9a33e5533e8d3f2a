// What is no socket: pipes, pairs, adopted descriptors, a timerfd and an eventfd read by the program itself.
import { Reactor, READABLE, adopt, descriptors, pipe, socketPair } from '../../../dist/index.js';

const reactor = new Reactor();
const { writer } = pipe(reactor, {
  data: (_connection, buffer, start, end) =>
    console.log('pipe', Buffer.from(buffer.subarray(start, end)).toString()),
  close: () => console.log('the pipe is over'),
});
writer.write('through a pipe');
writer.end();
const [one] = socketPair(reactor, {
  data(connection, buffer, start, end) {
    console.log('pair', end - start);
    connection.close();
  },
});
one.write(Buffer.alloc(1000));
const [near, far] = descriptors.socketPair();
adopt(reactor, near, { data: (connection) => connection.close(), close: () => console.log('adopted') });
descriptors.write(far, Buffer.from('x'));
const timer = descriptors.timerFd(2, 2);
let ticks = 0;
const watch = reactor.watch(timer, READABLE, () => {
  const bytes = Buffer.alloc(8);
  descriptors.read(timer, bytes);
  ticks += Number(bytes.readBigUInt64LE());
  if (ticks < 3) return;
  watch.close();
  descriptors.close(timer);
  descriptors.close(far);
  console.log('ticks', ticks);
});
await reactor.run();
