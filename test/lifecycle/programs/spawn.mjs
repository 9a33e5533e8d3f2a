// Opens a descriptor of every kind there is here, spawns a child that inherits the standard streams, and has it list its own.

import { spawn, spawnSync } from 'node:child_process';
import { Poller, READABLE, Reactor, connect, descriptors, listen } from '../../../dist/index.js';

const list = ['-c', 'for fd in /proc/self/fd/*; do readlink "$fd"; done'];

// Before there is a reactor: what this process passes on anyway (the listing's own directory, a runner's pipes).
const before = spawnSync('sh', list, { stdio: ['inherit', 'pipe', 'inherit'] });
console.log(`before ${JSON.stringify(before.stdout.toString().trim().split('\n'))}`);

const reactors = ['epoll', 'poll', 'select'].map((poller) => new Reactor({ poller }));
const poller = new Poller();
for (const reactor of reactors) {
  const listener = listen(reactor, {}, {});
  for (let i = 0; i < 3; i++) connect(reactor, { port: listener.address.port }, {});
}
for (const fd of [
  ...descriptors.pipe(),
  ...descriptors.socketPair(),
  ...descriptors.openPty(),
  descriptors.eventFd(),
  descriptors.timerFd(1e6),
  descriptors.signalFd(10),
  descriptors.inotify('/'),
  descriptors.pidFd(process.pid),
  descriptors.netlink(),
]) {
  poller.add(fd, READABLE);
}
descriptors.duplicate(poller.fd);

const main = reactors[0];
main.run();
main.setTimer(20, () => {
  // Accepted by now. Asynchronously and synchronously: two ways of the runtime's to fork.
  for (const reactor of reactors.slice(1)) reactor.turn(0);
  const child = spawn('sh', list, { stdio: ['inherit', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (data) => (text += data));
  child.on('close', () => {
    console.log(`during ${JSON.stringify(text.trim().split('\n'))}`);
    const again = spawnSync('sh', list, { stdio: ['inherit', 'pipe', 'inherit'] });
    console.log(`during ${JSON.stringify(again.stdout.toString().trim().split('\n'))}`);
    process.exit();
  });
});
