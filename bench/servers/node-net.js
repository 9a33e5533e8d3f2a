// The echo server of the runtime's own node:net, for comparison.

import { createServer } from 'node:net';

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('data', (bytes) => socket.write(bytes));
  socket.on('error', () => socket.destroy());
});
server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () =>
  console.log(`PORT ${server.address().port}`),
);
process.stdin.on('end', () => process.exit(0)).resume();
