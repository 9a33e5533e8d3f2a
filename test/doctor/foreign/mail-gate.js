import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { constants } from 'node:os';
import { READABLE, Reactor, descriptors, nativeKernel } from 'underloop';

const { EAGAIN, EMFILE } = constants.errno;
const open = readdirSync('/proc/self/fd').length;
spawnSync('prlimit', ['--pid', String(process.pid), `--nofile=${open + 40}`]);

const reactor = new Reactor({ poller: 'poll' });
const BANNER = Buffer.from('220 mail.example ESMTP\r\n');

class MailGate {
  sessions = new Map();
  greeted = 0;
  failures = 0;

  listen(host, port) {
    this.fd = nativeKernel.socket(4);
    nativeKernel.setOption(this.fd, 'reuseAddress', 1);
    nativeKernel.bind(this.fd, { family: 4, host, port });
    nativeKernel.listen(this.fd, 64);
    this.address = nativeKernel.localAddress(this.fd);
    this.watch = reactor.watch(this.fd, READABLE, () => this.onConnections());
  }

  onConnections() {
    while (true) {
      const fd = nativeKernel.accept(this.fd);
      if (fd === -EAGAIN) break;
      if (fd < 0) {
        if (fd === -EMFILE) this.failures++;
        break;
      }
      this.sessions.set(fd, { state: 'greeting', since: reactor.now() });
      nativeKernel.sendBytes(fd, BANNER, 0, BANNER.length);
      this.greeted++;
    }
  }

  close() {
    this.watch.close();
    nativeKernel.close(this.fd);
    for (const fd of this.sessions.keys()) nativeKernel.close(fd);
  }
}

const gate = new MailGate();
gate.listen('127.0.0.1', 0);

const clients = [];
function deliver() {
  while (clients.length > 2) nativeKernel.close(clients.shift());
  const fd = nativeKernel.socket(4);
  if (fd >= 0) {
    nativeKernel.connect(fd, gate.address);
    clients.push(fd);
  } else if (clients.length > 0) nativeKernel.close(clients.shift());
  reactor.setTimer(9, deliver);
}
deliver();

const [beep, beeper] = descriptors.pipe();
const byte = Buffer.alloc(1);
const alarm = reactor.watch(beep, READABLE, () => void descriptors.read(beep, byte));
function ring() {
  descriptors.write(beeper, byte);
  reactor.setTimer(70, ring);
}
ring();

reactor.setTimer(2100, () => {
  alarm.close();
  descriptors.close(beep);
  descriptors.close(beeper);
  for (const fd of clients) nativeKernel.close(fd);
  const { greeted, failures } = gate;
  gate.close();
  console.log(JSON.stringify({ fault: failures >= 500, evidence: { greeted, failures } }));
  reactor.close();
});
await reactor.run();
