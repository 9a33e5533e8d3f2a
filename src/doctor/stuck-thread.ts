// The other thread of stuck.ts: sleeps, looks, and says when the program's thread has been in one item for too long.

import { writeSync } from 'node:fs';
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import { FD, NAME, SERIAL, TRANSFERS, type StuckMessage, type StuckName } from './stuck.js';

/** Between two looks. */
const LOOK_MS = 200;
/** An item that has taken so long is told of, and told of again after so long. */
const STUCK_MS = 600;

interface Data {
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly controlFd: number;
}

const { words, controlFd } = workerData as Data;
const port = parentPort as MessagePort;
const names = new Map<number, StuckName>();
/** Nobody notifies it: its wait is a sleep. */
const sleep = new Int32Array(new SharedArrayBuffer(4));

let serial = -1;
let sinceMs = 0;
let toldMs = 0;
let transfers = 0;

for (;;) {
  Atomics.wait(sleep, 0, 0, LOOK_MS);
  for (;;) {
    const received = receiveMessageOnPort(port) as { message: StuckName } | undefined;
    if (received === undefined) break;
    names.set(received.message.id, received.message);
  }
  const nowMs = performance.now();
  const name = names.get(Atomics.load(words, NAME));
  const now = Atomics.load(words, SERIAL);
  if (now !== serial || name === undefined) {
    serial = now;
    sinceMs = toldMs = nowMs;
    transfers = Atomics.load(words, TRANSFERS);
    continue;
  }
  if (nowMs - toldMs < STUCK_MS) continue;
  toldMs = nowMs;
  const message: StuckMessage = {
    type: 'stuck',
    ...name,
    fd: Atomics.load(words, FD),
    forMs: Math.round(nowMs - sinceMs),
    transfers: Atomics.load(words, TRANSFERS) - transfers,
  };
  try {
    writeSync(controlFd, `${JSON.stringify(message)}\n`);
  } catch {
    // Nobody listens any more, or does not read.
  }
}
