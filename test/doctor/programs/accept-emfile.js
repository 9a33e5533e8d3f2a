// A server without a descriptor left, and clients that come again and again.
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { Reactor, listen } from '../../../dist/index.js';

const reactor = new Reactor();
const listener = listen(reactor, { port: 0 }, {});
const client = spawn(process.execPath, [
  '-e',
  `setInterval(() => require('node:net').connect(${listener.address.port}, '127.0.0.1').on('error', () => {}), 20)`,
]);
execFileSync('prlimit', [`--pid=${process.pid}`, '--nofile=200:200']);
const taken = [];
try {
  for (;;) taken.push(openSync('/dev/null'));
} catch {
  // none is left
}
setTimeout(() => {
  for (const fd of taken) closeSync(fd);
  client.kill();
  reactor.close();
}, 1500);
await reactor.run();
