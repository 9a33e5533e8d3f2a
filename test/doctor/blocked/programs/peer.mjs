// Another thread for those who block: writes to a pipe, and answers over TCP, after a while.

import { writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { parentPort } from 'node:worker_threads';

parentPort.on('message', ({ fd, ms }) => setTimeout(() => writeSync(fd, 'x'), ms));
const server = createServer((socket) => {
  socket.on('error', () => {});
  socket.once('data', ([quarters]) => setTimeout(() => socket.end('x'), quarters * 4));
});
server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
