import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { Reactor, socketPair } from 'underloop';

const WORKERS = 7;
const reactor = new Reactor({ poller: 'epoll' });

function schedule() {
  const [ran, waited] = readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ');
  return { wallMs: performance.now(), ranMs: Number(ran) / 1e6, waitedMs: Number(waited) / 1e6 };
}

const pixels = new Uint8Array(64 * 1024);
function shrink(rounds) {
  let sum = 0;
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < pixels.length; i++) {
      pixels[i] = (pixels[i] + i * round) & 255;
      sum += pixels[i];
    }
  }
  return sum;
}
shrink(20);
const before = process.cpuUsage();
shrink(100);
const { user, system } = process.cpuUsage(before);
const roundsIn55Ms = Math.ceil((100 * 55_000) / (user + system));

const [first] = /Cpus_allowed_list:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8')).slice(1);
spawnSync('taskset', ['-cp', first, String(process.pid)]);

const encoder = `
  const { workerData } = require('node:worker_threads');
  const untilMs = performance.now() + workerData.forMs;
  let value = 1;
  while (performance.now() < untilMs) value = Math.imul(value, 48271) + 1;
`;
const workers = [];
function startEncoders() {
  for (let i = 0; i < WORKERS; i++) {
    workers.push(new Worker(encoder, { eval: true, execArgv: [], workerData: { forMs: 1300 } }));
  }
}

let requests = 0;
let worst = { wallMs: 0, ranMs: 0, waitedMs: 0 };

function onThumbnail(connection) {
  requests++;
  if (requests < 4) {
    connection.write('tiny');
    return;
  }
  const from = schedule();
  shrink(roundsIn55Ms);
  const to = schedule();
  if (to.waitedMs - from.waitedMs > worst.waitedMs) {
    worst = {
      wallMs: to.wallMs - from.wallMs,
      ranMs: to.ranMs - from.ranMs,
      waitedMs: to.waitedMs - from.waitedMs,
    };
  }
  connection.write('small');
}

const [service, browser] = socketPair(reactor, { data: onThumbnail }, { data: askAgain });
function askAgain(connection) {
  reactor.setTimer(60, () => {
    if (!connection.closed) connection.write('GET /photo.jpg');
  });
}
browser.write('GET /photo.jpg');
setTimeout(startEncoders, 350);

reactor.setTimer(2300, () => {
  service.close();
  browser.close();
  for (const worker of workers) void worker.terminate();
  const fault = worst.waitedMs >= 110 && worst.waitedMs > worst.wallMs / 2;
  console.log(JSON.stringify({ fault, evidence: { requests, ...worst } }));
  reactor.close();
});
await reactor.run();
