// A listening socket that the program watches by itself: without a descriptor left, accept fails, and it is reported again at once.
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { Reactor, READABLE } from '../../../dist/index.js';

const reactor = new Reactor();
const { kernel } = reactor;
const fd = kernel.socket(4);
kernel.bind(fd, { family: 4, host: '127.0.0.1', port: 0 });
kernel.listen(fd, 100);
reactor.watch(fd, READABLE, function acceptOne() {
  const connection = kernel.accept(fd);
  if (connection >= 0) kernel.close(connection);
});
const client = spawn(process.execPath, [
  '-e',
  `setInterval(() => require('node:net').connect(${kernel.localAddress(fd).port}, '127.0.0.1').on('error', () => {}), 20)`,
]);
execFileSync('prlimit', [`--pid=${process.pid}`, '--nofile=200:200']);
const taken = [];
try {
  for (;;) taken.push(openSync('/dev/null'));
} catch {
  // none is left
}
setTimeout(() => {
  for (const one of taken) closeSync(one);
  client.kill();
  reactor.close();
}, 1200);
await reactor.run();
