// An echo server under a flood from another process, which reads what comes back: much to do, and nothing wrong.
import { spawn } from 'node:child_process';
import { Reactor, listen } from '../../../dist/index.js';

const trigger = process.argv[2] ?? 'level';
const reactor = new Reactor(process.argv[3] === undefined ? {} : { poller: process.argv[3] });
let bytes = 0;
const listener = listen(
  reactor,
  { port: 0, trigger },
  {
    data(connection, buffer, start, end) {
      bytes += end - start;
      const taken = connection.write(buffer, start, end);
      if (taken < end - start) throw new Error('too much');
      if (connection.queuedBytes > 0) connection.pause();
    },
    drain: (connection) => connection.resume(),
  },
);
const code = `
const net = require('node:net');
for (let i = 0; i < 20; i++) {
  const socket = net.connect(${listener.address.port}, '127.0.0.1');
  const block = Buffer.alloc(i < 3 ? 65536 : 100);
  const push = () => { while (socket.write(block)) { if (i >= 3) return; } };
  socket.on('connect', push).on('drain', push).on('data', i < 3 ? () => {} : push).on('error', () => {});
}
`;
const client = spawn(process.execPath, ['-e', code], { stdio: 'inherit' });
setTimeout(() => {
  client.kill();
  console.log(bytes > 0);
  reactor.close();
}, 2000);
await reactor.run();
