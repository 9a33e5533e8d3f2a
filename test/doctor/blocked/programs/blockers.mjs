// Blocks the loop in one way after the other, by a seed: node blockers.mjs CLASS SEED COUNT; prints what was done and what was told.

import { execFileSync, spawn } from 'node:child_process';
import { pbkdf2Sync } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeSync } from 'node:fs';
import { setPriority, tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { PerformanceObserver } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { connect as connectBlocking } from '../../../../dist/blocking/index.js';
import { watchBlocked } from '../../../../dist/doctor/blocked/index.js';
import { READABLE, Reactor, descriptors } from '../../../../dist/index.js';

const [group, seedText, countText] = process.argv.slice(2);
let state = Number(seedText) * 2654435761 + 12345;
const random = () => {
  state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
  return state / 0x80000000;
};
const pick = (list) => list[Math.floor(random() * list.length)];
const between = (min, max) => min + random() * (max - min);

const cpuMs = () => process.cpuUsage();
const spentMs = (since) => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
};

// Each blocks by one line, which is marked, in a function of its own; the time is that of an idle machine.
const text = JSON.stringify(
  Array.from({ length: 30_000 }, (_, i) => ({ i, name: `n${i}`, list: [i, i + 1] })),
);
function burnLoop(ms) {
  const since = cpuMs();
  let sum = 0;
  while (spentMs(since) < ms) for (let i = 0; i < 20_000; i++) sum += i % 7; // @burnLoop
  return sum;
}
function burnJson(ms) {
  const since = cpuMs();
  while (spentMs(since) < ms) {
    JSON.parse(text); // @burnJson
  }
}
function burnRegexp(ms) {
  const since = cpuMs();
  while (spentMs(since) < ms) {
    /^(a+)+$/.test(`${'a'.repeat(20)}b`); // @burnRegexp
  }
}
function burnHash(ms) {
  const rounds = Math.ceil(ms * 4500);
  return pbkdf2Sync('secret', 'salt', rounds, 32, 'sha256'); // @burnHash
}

// The collector has threads of its own: what this one has spent.
const account = () => readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ');
const ownMs = () => Number(account()[0]) / 1e6;
const delayMs = () => Number(account()[1]) / 1e6;
const retained = [];
function collectMaps(ms) {
  const until = ownMs() + ms;
  while (ownMs() < until) {
    const map = new Map();
    for (let i = 0; i < 3000; i++) map.set(i, { i, list: [{ i }, { i }] }); // @collectMaps
    retained.push(map);
    if (retained.length > 60) retained.length = 0;
    globalThis.gc();
  }
}
function collectAll(ms) {
  if (retained.length === 0) retained.push(Array.from({ length: 300_000 }, (_, i) => ({ i })));
  const until = ownMs() + ms;
  while (ownMs() < until) {
    globalThis.gc(); // @collectAll
  }
}

const peer = group === 'syscall' ? await startPeer() : null;
// Of the library's pipes no end blocks.
const folder = mkdtempSync(`${tmpdir()}/underloop-blocked-`);
execFileSync('mkfifo', [`${folder}/fifo`]);
const fifo = openSync(`${folder}/fifo`, 'r+');
rmSync(folder, { recursive: true });
const byte = new Uint8Array(16);
function sleepRead(ms) {
  peer.postMessage({ fd: fifo, ms });
  readSync(fifo, byte); // @sleepRead
}
function sleepChild(ms) {
  execFileSync('/bin/sleep', [String(ms / 1000)]); // @sleepChild
}
function sleepWait(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms); // @sleepWait
}
function sleepReceive(ms) {
  const connection = connectBlocking({ host: '127.0.0.1', port: peer.port });
  connection.write(Buffer.from([Math.round(ms / 4)]));
  connection.readExactly(1); // @sleepReceive
  connection.close();
}
async function startPeer() {
  const worker = new Worker(new URL('./peer.mjs', import.meta.url), { stdout: false });
  worker.unref();
  worker.port = await new Promise((resolve) => worker.once('message', resolve));
  return worker;
}

/** However the system deals out the core, so much of the time was without one: the wait is what makes it too long. */
function starve(ms) {
  const until = delayMs() + ms;
  while (delayMs() < until) burnLoop(1); // @starve
}
/** From now on this thread, and no other of the process, has a core only when another process leaves it one. */
function beStarved() {
  const burner = spawn('timeout', ['60', 'taskset', '-c', '0', 'sh', '-c', 'while :; do :; done']);
  burner.unref();
  execFileSync('taskset', ['-p', '-c', '0', String(process.pid)]);
  setPriority([10, 15, 19][Number(seedText) % 3]);
  return burner;
}

const groups = {
  cpu: [burnLoop, burnJson, burnRegexp, burnHash],
  gc: [collectMaps, collectAll],
  syscall: [sleepRead, sleepChild, sleepWait, sleepReceive],
  runqueue: [starve],
};
const calls = {
  sleepRead: ['read'],
  sleepChild: ['epoll_wait', 'epoll_pwait'],
  sleepWait: ['futex'],
  sleepReceive: ['recvfrom', 'read', 'poll', 'ppoll', 'recvmsg'],
};

const watch = watchBlocked({ thresholdMs: 50 });
const reactor = new Reactor({ observer: watch.observer });
const done = [];
const collections = [];
new PerformanceObserver((list) => collections.push(...list.getEntries())).observe({ entryTypes: ['gc'] });
const told = [];

const [wakeRead, wakeWrite] = descriptors.pipe();
let act = () => {};
const ran = (blocker, kind, fd) => {
  const ms = between(65, 160);
  const beganMs = reactor.now();
  const began = performance.now();
  blocker(ms);
  const ended = performance.now();
  done.push({
    blocker: blocker.name,
    kind,
    fd,
    beganMs,
    began,
    durationMs: ended - began,
  });
};
const watched = reactor.watch(wakeRead, READABLE, function onWake() {
  readSync(wakeRead, byte);
  act();
});
const kinds = {
  posted: (blocker) =>
    reactor.post(function onPosted() {
      ran(blocker, 'posted', -1);
    }),
  timer: (blocker) =>
    reactor.setTimer(5, function onTimer() {
      ran(blocker, 'timer', -1);
    }),
  readiness: (blocker) => {
    act = () => ran(blocker, 'readiness', wakeRead);
    writeSync(wakeWrite, 'x');
  },
  drain: (blocker) =>
    reactor.post(() => {
      void Promise.resolve().then(() => ran(blocker, 'drain', -1));
    }),
};

const short = () => {
  const end = performance.now() + 1;
  while (performance.now() < end);
};
const burner = group === 'runqueue' ? beStarved() : null;
let left = Number(countText);
async function next() {
  told.push(...(await watch.take()));
  if (left-- === 0) {
    watched.close();
    return;
  }
  for (let i = Math.floor(random() * 5); i > 0; i--) reactor.post(short);
  kinds[pick(Object.keys(kinds))](pick(groups[group]));
  reactor.setTimer(between(150, 250), () => void next());
}
void next();
await reactor.run();
told.push(...(await watch.take()));
await watch.close();
burner?.kill();
for (const fd of [wakeRead, wakeWrite, fifo]) closeSync(fd);

const file = fileURLToPath(import.meta.url);
const lines = {};
for (const [index, line] of readFileSync(file, 'utf8').split('\n').entries()) {
  const marked = / \/\/ @(\w+)$/.exec(line);
  if (marked) lines[marked[1]] = index + 1;
}
for (const item of done) {
  const within = collections.filter(
    ({ startTime }) => startTime >= item.began && startTime < item.began + item.durationMs,
  );
  item.collectedMs = within.reduce((sum, { duration }) => sum + duration, 0);
}
process.stdout.write(JSON.stringify({ file, lines, calls, done, told }));
process.exit(0);
