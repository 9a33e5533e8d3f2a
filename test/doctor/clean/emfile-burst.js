// Out of descriptors for a quarter of a second; then there are some again, and the next client is served.
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { Reactor, listen } from '../../../dist/index.js';

const reactor = new Reactor();
const listener = listen(reactor, { port: 0 }, {});
const client = spawn(process.execPath, [
  '-e',
  `setInterval(() => require('node:net').connect(${listener.address.port}, '127.0.0.1').on('error', () => {}).on('connect', function () { setTimeout(() => this.destroy(), 20) }), 25)`,
]);
execFileSync('prlimit', [`--pid=${process.pid}`, '--nofile=200:200']);
setTimeout(() => {
  const taken = [];
  try {
    for (;;) taken.push(openSync('/dev/null'));
  } catch {
    // none is left
  }
  setTimeout(() => taken.forEach((fd) => closeSync(fd)), 250);
}, 500);
setTimeout(() => {
  client.kill();
  console.log(listener.accepted > 0);
  reactor.close();
}, 1500);
await reactor.run();
