import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { READABLE, Reactor, nativeKernel } from 'underloop';

const EAGAIN = 11;

class Backup {
  digest = createHash('sha512');
  bytes = 0;
  done = false;

  constructor(reactor, fd) {
    this.fd = fd;
    this.receive = this.receive.bind(this);
    this.watch = reactor.watch(fd, READABLE, this.receive);
  }

  receive() {
    const { buffer } = nativeKernel;
    let count = nativeKernel.recv(this.fd, 0, 65_536);
    while (count > 0) {
      this.digest.update(buffer.subarray(0, count));
      this.bytes += count;
      count = nativeKernel.recv(this.fd, 0, 65_536);
    }
    if (count === -EAGAIN) return;
    this.watch.close();
    nativeKernel.close(this.fd);
    this.done = true;
    this.sum = this.digest.digest('hex').slice(0, 16);
  }
}

const reactor = new Reactor();
const backups = [];
const listening = nativeKernel.socket(4);
nativeKernel.bind(listening, { family: 4, host: '127.0.0.1', port: 0 });
nativeKernel.listen(listening, 16);
const { port } = nativeKernel.localAddress(listening);

const incoming = reactor.watch(listening, READABLE, () => {
  for (let fd = nativeKernel.accept(listening); fd >= 0; fd = nativeKernel.accept(listening)) {
    backups.push(new Backup(reactor, fd));
  }
});

let lateMs = 0;
let ticks = 0;
let dueMs = 0;
const startedMs = reactor.now();
function progress() {
  lateMs = Math.max(lateMs, reactor.now() - dueMs);
  ticks++;
  const over = backups.length > 0 && backups.every(({ done }) => done);
  if (over || reactor.now() - startedMs > 3500) {
    incoming.close();
    nativeKernel.close(listening);
    for (const { watch } of backups) watch.close();
    return;
  }
  next();
}
function next() {
  dueMs = reactor.now() + 20;
  reactor.setTimer(20, progress);
}
next();

const script = `exec 3<>/dev/tcp/127.0.0.1/${port}; exec timeout 1.3 cat /dev/zero >&3`;
setTimeout(() => spawn('bash', ['-c', script], { stdio: 'ignore' }), 150);

await reactor.run();
const megabytes = Math.round(backups.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6);
const evidence = { lateMs: Math.round(lateMs), ticks, megabytes };
console.log(JSON.stringify({ fault: lateMs >= 300, evidence }));
