import { spawn, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { EVENT_STRIDE, Poller, READABLE, nativeKernel } from 'underloop';

const DIRECTORY = new Map([
  ['ada', 'Ada Lovelace, on since Monday'],
  ['grace', 'Grace Hopper, no plan'],
]);

const listener = nativeKernel.socket(4);
nativeKernel.setOption(listener, 'reuseAddress', 1);
nativeKernel.bind(listener, { family: 4, host: '127.0.0.1', port: 0 });
nativeKernel.listen(listener, 256);
const { port } = nativeKernel.localAddress(listener);

const poller = new Poller();
const door = poller.add(listener, READABLE);

const crowd = `
  const { connect } = require('node:net');
  for (let i = 0; i < 60; i++) connect(${port}, '127.0.0.1').on('error', () => {});
  setTimeout(() => process.exit(), 1500);
`;
const visitors = spawn(process.execPath, ['-e', crowd], { stdio: 'ignore' });
const open = readdirSync('/proc/self/fd').length;
spawnSync('prlimit', ['--pid', String(process.pid), `--nofile=${open + 20}:4096`]);

const visits = new Map();
let failures = 0;
let answered = 0;

function greet() {
  const fd = nativeKernel.accept(listener);
  if (fd < 0) {
    failures++;
    return;
  }
  visits.set(fd, poller.add(fd, READABLE));
}

function answer({ fd }) {
  const count = nativeKernel.recv(fd, 0, 512);
  if (count > 0) {
    const name = Buffer.from(nativeKernel.buffer.subarray(0, count)).toString().trim();
    const reply = Buffer.from(`${DIRECTORY.get(name) ?? 'nobody'}\r\n`);
    nativeKernel.sendBytes(fd, reply, 0, reply.length);
    answered++;
  }
  poller.remove(visits.get(fd));
  visits.delete(fd);
  nativeKernel.close(fd);
}

const events = new Int32Array(32 * EVENT_STRIDE);
const startedMs = performance.now();
let rounds = 0;
while (performance.now() - startedMs < 2000) {
  const count = poller.wait(events, 50);
  rounds++;
  for (let i = 0; i < count * EVENT_STRIDE; i += EVENT_STRIDE) {
    const ready = poller.lookup(events[i], events[i + 1]);
    if (ready === null) continue;
    if (ready === door) greet();
    else answer(ready);
  }
}

for (const [fd, registration] of visits) {
  poller.remove(registration);
  nativeKernel.close(fd);
}
poller.close();
nativeKernel.close(listener);
visitors.kill();
console.log(JSON.stringify({ fault: failures > 1000, evidence: { failures, rounds, answered } }));
