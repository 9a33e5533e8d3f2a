// A server of Node's own in a worker: the first line of a connection says how it behaves. Posts its port; 'close' ends all connections.

import { createServer } from 'node:net';
import { parentPort } from 'node:worker_threads';

const behaviours = {
  echo: (socket) => socket.on('data', (bytes) => socket.write(bytes)),
  // One byte; when it is answered, the others one at a time, with pauses, so that the other side has to wait for each.
  pieces: (socket) => {
    socket.setNoDelay().write('a');
    socket.once('data', () => {
      [...'bcdef'].forEach((byte, i) => setTimeout(() => socket.write(byte), 5 * i));
      setTimeout(() => socket.end(), 40);
    });
  },
  // A byte every 5 ms, for longer than any machine stands still.
  drip: (socket) => {
    let left = 400;
    const interval = setInterval(() => {
      if (left-- > 0) socket.write('x');
      else socket.end();
    }, 5);
    socket.once('close', () => clearInterval(interval));
  },
  silent: (socket) => socket.resume(),
  deaf: (socket) => socket.pause(),
  reset: (socket) => socket.resetAndDestroy(),
};

const sockets = new Set();
const server = createServer({ allowHalfOpen: true }, (socket) => {
  sockets.add(socket.once('close', () => sockets.delete(socket)));
  socket.on('error', () => {});
  socket.on('end', () => socket.end());
  socket.once('data', (bytes) => {
    const at = bytes.indexOf('\n');
    behaviours[bytes.toString('utf8', 0, at)](socket);
    if (at + 1 < bytes.length) socket.unshift(bytes.subarray(at + 1));
  });
});
server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
parentPort.on('message', () => {
  for (const socket of sockets) socket.destroy();
});
