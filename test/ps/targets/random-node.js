// A server of node:net and its own clients at random, datagrams, watched folders: what Node.js registers with epoll.
import { createSocket } from 'node:dgram';
import { watch } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';

let state = Number(process.argv[2]);
const random = (n) => {
  state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
  return (state >>> 8) % n;
};
const ignore = () => {};

const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', ignore);
  socket.on('data', (data) => random(3) > 0 && socket.write(data));
  socket.on('end', () => setTimeout(() => socket.destroy(), random(20)));
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const sockets = new Set();
  const others = new Set();
  const step = () => {
    const one = [...sockets][random(Math.max(1, sockets.size))];
    const what = random(12);
    if (what < 4 && sockets.size < 40) {
      const socket = connect(port, '127.0.0.1').on('error', ignore);
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    } else if (what === 4) one?.destroy();
    else if (what === 5) one?.end();
    else if (what === 6) one?.pause();
    else if (what === 7) one?.resume();
    else if (what === 8) one?.write(Buffer.alloc(random(300_000)));
    else if (what === 9 && others.size < 10) {
      const udp = createSocket('udp4').on('error', ignore);
      udp.bind(0, '127.0.0.1');
      others.add(udp);
    } else if (what === 10 && others.size < 10) others.add(watch(tmpdir(), ignore));
    else {
      const gone = [...others][0];
      others.delete(gone);
      gone?.close();
    }
    if (random(3) === 0) setTimeout(step, 1);
    else setImmediate(step);
  };
  console.log('ready');
  step();
});
