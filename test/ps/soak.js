// Stops real programs in random states and holds what ps shows against what strace saw them register.
// node test/ps/soak.js [--states 1000] [--seed 1] [--targets node,python,asyncio,nginx] [--json]

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isPhantom, readPs } from '../../dist/ps/index.js';
import { CALLS, Replay } from './strace.js';

const { values: flags } = parseArgs({
  options: {
    states: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    targets: { type: 'string', default: 'node,python,asyncio,nginx' },
    json: { type: 'boolean', default: false },
  },
});
const STATES = Number(flags.states);
const SEED = Number(flags.seed);
const STOP_LIMIT_MS = 10_000;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const here = (name) => fileURLToPath(new URL(`targets/${name}`, import.meta.url));

let random = SEED;
const below = (n) => {
  random = (Math.imul(random, 1103515245) + 12345) & 0x7fffffff;
  return (random >>> 8) % n;
};

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Clients that come, ask, stay and go; ends by itself when told. */
function visit(port) {
  const sockets = new Set();
  const timer = setInterval(() => {
    const one = [...sockets][below(Math.max(1, sockets.size))];
    const what = below(6);
    if (what < 2 && sockets.size < 30) {
      const socket = connect(port, '127.0.0.1').on('error', () => {});
      socket.on('data', () => {}).on('close', () => sockets.delete(socket));
      sockets.add(socket);
    } else if (what === 2) one?.destroy();
    else if (what === 3)
      one?.write('GET / HTTP/1.1\r\n'); // and says no more for now
    else if (what === 4) one?.write('Host: a\r\n\r\n');
    else one?.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  }, 2);
  return () => {
    clearInterval(timer);
    for (const socket of sockets) socket.destroy();
  };
}

const targets = {
  node: () => ({ command: [process.execPath, here('random-node.js'), String(SEED)] }),
  python: () => ({ command: ['python3', here('random-epoll.py'), String(SEED)] }),
  asyncio: () => ({ command: ['python3', here('random-asyncio.py'), String(SEED)] }),
  async nginx(folder) {
    const port = await freePort();
    const config = join(folder, 'nginx.conf');
    writeFileSync(
      config,
      `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
       events { worker_connections 100; use epoll; }
       http { access_log off; client_body_temp_path ${folder}/a; proxy_temp_path ${folder}/b;
         fastcgi_temp_path ${folder}/c; uwsgi_temp_path ${folder}/d; scgi_temp_path ${folder}/e;
         server { listen 127.0.0.1:${port}; return 200 "hello"; } }\n`,
    );
    return { command: ['nginx', '-c', config, '-e', join(folder, 'error.log')], port };
  },
};

/** Follows a log that grows by whole lines. */
class Follower {
  rest = '';
  buffer = Buffer.alloc(256 * 1024);
  constructor(path) {
    this.fd = openSync(path, 'r');
  }
  /** Feeds what is new. */
  feed(replay) {
    for (;;) {
      const n = readSync(this.fd, this.buffer, 0, this.buffer.length, null);
      if (n === 0) return;
      const lines = (this.rest + this.buffer.toString('latin1', 0, n)).split('\n');
      this.rest = lines.pop();
      for (const line of lines) replay.line(line);
    }
  }
  close() {
    closeSync(this.fd);
  }
}

/** The only child of strace. */
function childOf(pid) {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
}

/** All threads stand still when strace has said so of each. */
async function stop(pid, replay, follower) {
  const before = replay.stops;
  process.kill(pid, 'SIGSTOP');
  const deadlineMs = performance.now() + STOP_LIMIT_MS;
  for (;;) {
    follower.feed(replay);
    const threads = readdirSync(`/proc/${pid}/task`).length;
    if (replay.stops - before >= threads) return;
    if (performance.now() > deadlineMs) throw new Error(`${pid} does not stop`);
    await pause(1);
  }
}

/** What ps shows, in the form of Replay.lists(). */
function shown(report) {
  const lists = {};
  for (const { epollFd, entries } of report.sets)
    lists[epollFd] = entries
      .map(({ fd, events, data, target }) => `${fd} ${events.toString(16)} ${data} ${target.value ?? '?'}`)
      .sort();
  return lists;
}

function differences(expected, seen) {
  const lines = (lists) =>
    Object.entries(lists).flatMap(([epollFd, list]) => list.map((line) => `set ${epollFd}: ${line}`));
  const [a, b] = [lines(expected), lines(seen)];
  return { missing: a.filter((line) => !b.includes(line)), tooMany: b.filter((line) => !a.includes(line)) };
}

async function soak(name, states) {
  const folder = mkdtempSync(join(tmpdir(), 'underloop-ps-'));
  const log = join(folder, 'log');
  const { command, port } = await targets[name](folder);
  const result = { target: name, states: 0, entries: 0, phantoms: 0, resolvedPhantoms: 0, mismatches: [] };
  if (spawnSync(command[0], ['-v'], { stdio: 'ignore' }).error !== undefined)
    return { ...result, skipped: `${command[0]} is not installed` };
  writeFileSync(log, '');
  const traced = [
    '-f',
    '-v',
    '--seccomp-bpf',
    '-s',
    '0',
    '-e',
    `trace=${CALLS.join(',')}`,
    '-e',
    'signal=SIGSTOP',
    // Node 22 registers through an io_uring, of which strace sees nothing. Without one it makes the calls.
    '-e',
    'inject=io_uring_setup:error=ENOSYS',
  ];
  const tracer = spawn('strace', [...traced, '-o', log, ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const follower = new Follower(log);
  const replay = new Replay();
  let leave = () => {};
  let pid = 0;
  try {
    if (port === undefined) await once(tracer.stdout, 'data');
    else {
      await pause(1500);
      leave = visit(port);
    }
    pid = childOf(tracer.pid);
    for (let i = 0; i < states; i++) {
      await pause(below(15));
      await stop(pid, replay, follower);
      const expected = replay.lists();
      const report = readPs(pid);
      if (report.unavailable !== undefined) throw new Error(report.unavailable);
      const seen = shown(report);
      result.states++;
      for (const { entries } of report.sets) {
        result.entries += entries.length;
        const phantoms = entries.filter(isPhantom);
        result.phantoms += phantoms.length;
        result.resolvedPhantoms += phantoms.filter(({ file }) => file !== null).length;
      }
      if (JSON.stringify(seen) !== JSON.stringify(expected))
        result.mismatches.push({ state: i, ...differences(expected, seen) });
      process.kill(pid, 'SIGCONT');
    }
  } finally {
    leave();
    follower.close();
    if (pid > 0) process.kill(pid, 'SIGKILL');
    tracer.kill('SIGTERM');
    if (tracer.exitCode === null && tracer.signalCode === null) await once(tracer, 'exit');
    rmSync(folder, { recursive: true, force: true });
  }
  return result;
}

const names = flags.targets.split(',');
const results = [];
for (const [i, name] of names.entries()) {
  const share = Math.floor(STATES / names.length) + (i < STATES % names.length ? 1 : 0);
  const result = await soak(name, share);
  results.push(result);
  if (flags.json) continue;
  const { states, entries, phantoms, resolvedPhantoms, mismatches, skipped } = result;
  console.log(
    skipped ??
      `${name}: ${states} states, ${entries} entries, ${phantoms} phantoms (${resolvedPhantoms} with their file found), ${mismatches.length} mismatches`,
  );
  for (const one of mismatches.slice(0, 3)) console.log(JSON.stringify(one, null, 1));
}
if (flags.json) console.log(JSON.stringify(results));
process.exitCode = results.some(({ mismatches }) => mismatches.length > 0) ? 1 : 0;
