// A server of Node's own in a worker: the first line of a connection says how it behaves. Posts its port; 'close' ends all connections.

import { createServer } from 'node:net';
import { parentPort } from 'node:worker_threads';

const behaviours = {
  echo: (socket) => socket.on('data', (bytes) => socket.write(bytes)),
  pieces: (socket) => {
    // One byte at a time, with pauses, so that the other side has to wait for each.
    socket.setNoDelay();
    [...'abcdef'].forEach((byte, i) => setTimeout(() => socket.write(byte), 5 * i));
    setTimeout(() => socket.end(), 40);
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
