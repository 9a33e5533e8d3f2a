import { execFileSync, spawn } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { READABLE, Reactor, connect, descriptors, listen } from 'underloop';

const directory = mkdtempSync(join(tmpdir(), 'collector-'));
const fifo = join(directory, 'log');
execFileSync('mkfifo', [fifo]);
const log = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);

const reactor = new Reactor();
const severities = new Array(8).fill(0);
const piece = new Uint8Array(65_536);
let bytes = 0;
let lines = 0;

function collect(readiness, watch) {
  for (;;) {
    const count = descriptors.read(log, piece);
    if (count === null) return;
    if (count === 0) {
      watch.close();
      return;
    }
    bytes += count;
    for (const line of Buffer.from(piece.subarray(0, count)).toString('latin1').split('\n')) {
      const priority = /^<(\d+)>/.exec(line);
      if (priority === null) continue;
      lines++;
      severities[Number(priority[1]) & 7]++;
    }
  }
}

reactor.watch(log, READABLE, collect);

let worstMs = 0;
let beats = 0;
const health = listen(
  reactor,
  { port: 0 },
  {
    data(connection) {
      connection.write(`ok ${lines}\n`);
    },
  },
);
let askedMs = 0;
const probe = connect(
  reactor,
  { port: health.address.port },
  {
    open: ask,
    data() {
      worstMs = Math.max(worstMs, performance.now() - askedMs);
      beats++;
      if (performance.now() - startedMs > 2200) finish();
      else reactor.setTimer(15, ask);
    },
  },
);
function ask() {
  askedMs = performance.now();
  probe.write('?');
}

const startedMs = performance.now();
const message = '<134>Nov 22 10:11:12 edge-7 haproxy[812]: 10.0.0.7:51022 frontend~ app/web3 0/0/1/12/13 200';
setTimeout(() => {
  spawn('sh', ['-c', 'exec timeout 1.2 yes "$1" > "$0"', fifo, message], { stdio: 'ignore' });
}, 200);

function finish() {
  probe.close();
  health.close();
}

await reactor.run();
closeSync(log);
rmSync(directory, { recursive: true });
console.log(
  JSON.stringify({
    fault: worstMs >= 300,
    evidence: { worstMs: Math.round(worstMs), beats, megabytes: Math.round(bytes / 1e6), lines },
  }),
);
