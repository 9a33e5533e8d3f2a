// A client of the floods, as a process on plain node:net: sends or reads as fast as it can, or asks and times the replies.

import net from 'node:net';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { startLifeline } from '../../dist/workload/process.js';
import { queuedTime } from './queued.js';

const PING_MS = 10;
const CHUNK = Buffer.alloc(65_536, 'R');

const { values } = parseArgs({
  options: {
    role: { type: 'string' },
    port: { type: 'string' },
    'server-pid': { type: 'string' },
    'lifeline-fd': { type: 'string' },
  },
});
startLifeline(Number(values['lifeline-fd']));
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const socket = net.connect({ host: '127.0.0.1', port: Number(values.port), noDelay: true });
let repliesMs = [];
let latenessesMs = [];
let ownRepliesMs = [];

const roles = {
  /** Sends as fast as the server reads. */
  R() {
    const send = () => {
      while (socket.write(CHUNK));
    };
    socket.on('drain', send);
    send();
  },
  /** Reads as fast as the server sends. */
  W() {
    socket.resume();
    socket.write('W');
  },
  /** One question every 10 ms, if the last one is answered. This process's own timers tell how busy the machine is. */
  P() {
    const queues = [process.pid, Number(values['server-pid'])].map(queuedTime);
    const queuedMs = () => queues[0]() + queues[1]();
    let askedMs = 0;
    let queuedBeforeMs = 0;
    socket.on('data', () => {
      const replyMs = performance.now() - askedMs;
      repliesMs.push(replyMs);
      ownRepliesMs.push(Math.max(replyMs - (queuedMs() - queuedBeforeMs), 0));
      askedMs = 0;
    });
    let dueMs = performance.now() + PING_MS;
    const ask = () => {
      const nowMs = performance.now();
      latenessesMs.push(nowMs - dueMs);
      dueMs = nowMs + PING_MS;
      if (askedMs === 0) {
        queuedBeforeMs = queuedMs();
        askedMs = performance.now();
        socket.write('P');
      }
      setTimeout(ask, PING_MS);
    };
    setTimeout(ask, PING_MS);
  },
};

process.on('SIGINT', () => {});
createInterface({ input: process.stdin })
  .on('line', () => {
    print({ repliesMs, ownRepliesMs, latenessesMs });
    repliesMs = [];
    ownRepliesMs = [];
    latenessesMs = [];
  })
  .on('close', () => process.exit(0));

socket.on('connect', () => {
  roles[values.role]();
  print({ connected: true });
});
