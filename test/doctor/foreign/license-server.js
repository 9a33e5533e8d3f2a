import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { READABLE, Reactor, adopt } from 'underloop';

const folder = mkdtempSync(join(tmpdir(), 'licenses-'));
const PATH = join(folder, 'socket');

class LicenseServer {
  seats = new Set();
  refusals = 0;
  granted = 0;

  constructor(reactor, path) {
    this.reactor = reactor;
    const { kernel } = reactor;
    this.fd = kernel.socket('unix');
    kernel.bind(this.fd, { family: 'unix', path });
    kernel.listen(this.fd, 128);
    this.watch = reactor.watch(this.fd, READABLE, this.admit.bind(this));
  }

  admit() {
    for (;;) {
      const fd = this.reactor.kernel.accept(this.fd);
      if (fd === -11) return;
      if (fd < 0) {
        this.refusals++;
        return;
      }
      this.seats.add(adopt(this.reactor, fd, this));
    }
  }

  data(connection, buffer, start, end) {
    const product = Buffer.from(buffer.subarray(start, end)).toString();
    this.granted++;
    connection.write(`granted ${product} until midnight`);
  }

  close(connection) {
    this.seats.delete(connection);
  }

  shut() {
    this.watch.close();
    this.reactor.kernel.close(this.fd);
    for (const seat of this.seats) seat.close();
  }
}

const reactor = new Reactor();
const server = new LicenseServer(reactor, PATH);

const office = `
  const { connect } = require('node:net');
  for (let i = 0; i < 70; i++) {
    const socket = connect('${PATH}', () => socket.write('cad'));
    socket.on('error', () => {});
  }
  setTimeout(() => process.exit(), 1300);
`;
spawn(process.execPath, ['-e', office], { stdio: 'ignore' });

const used = readdirSync('/proc/self/fd').length;
spawnSync('prlimit', ['--pid', String(process.pid), `--nofile=${used + 25}:4096`]);

const startedMs = reactor.now();
let renewals = 0;
(function renew() {
  renewals++;
  if (reactor.now() - startedMs < 1900) reactor.setTimer(40, renew);
  else server.shut();
})();

await reactor.run();
rmSync(folder, { recursive: true });
const { refusals, granted } = server;
console.log(JSON.stringify({ fault: refusals > 1000, evidence: { refusals, granted, renewals } }));
