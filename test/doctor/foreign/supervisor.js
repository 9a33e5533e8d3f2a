import { spawn } from 'node:child_process';
import { READABLE, Reactor, descriptors } from 'underloop';

const reactor = new Reactor();
const archive = [];
const services = new Map();
const bytes = new Uint8Array(4096);
let lateCalls = 0;
let lines = 0;

function start(name, command) {
  const [output, end] = descriptors.pipe();
  spawn('sh', ['-c', command], { stdio: ['ignore', end, 'ignore'] });
  descriptors.close(end);
  archive.push({ name, fd: descriptors.duplicate(output) });
  services.set(output, { name, text: '' });
  reactor.watch(output, READABLE, () => onOutput(output)).unref();
}

function onOutput(fd) {
  const service = services.get(fd);
  if (service === undefined) {
    lateCalls++;
    return;
  }
  const count = descriptors.read(fd, bytes);
  if (count === null) return;
  if (count === 0) {
    services.delete(fd);
    descriptors.close(fd);
    return;
  }
  service.text += Buffer.from(bytes.subarray(0, count)).toString();
  lines = service.text.split('\n').length;
}

start('migrate', 'echo migrating; sleep 0.1; echo done');
start('web', 'for i in 1 2 3 4 5 6 7 8; do echo request $i; sleep 0.2; done');

const startedMs = reactor.now();
let checks = 0;
function check() {
  checks++;
  if (reactor.now() - startedMs < 2000) reactor.setTimer(100, check);
}
check();
await reactor.run();
reactor.close();
for (const { fd } of archive) descriptors.close(fd);
console.log(JSON.stringify({ fault: lateCalls > 1000, evidence: { lateCalls, checks, lines } }));
