// Dispatch of many eventfds by a reactor, as limit/dispatch.c does it: dispatch.js POLLER REGISTERED ACTIVE WARMUP_MS DURATION_MS
//
// Prints JSON: CPU nanoseconds per event, its write, its share of the turn and its read included. REGISTERED that the
// poller cannot hold (select) is told as { refused }.

import { writeSync } from 'node:fs';
import { Reactor, READABLE, UnderloopError, descriptors } from '../../dist/index.js';

/** As in limit/dispatch.c. */
const SCHEDULE_ROUNDS = 256;
const CHECK_ROUNDS = 16;

const poller = process.argv[2];
const [registered, active, warmupMs, durationMs] = process.argv.slice(3).map(Number);
const { eventFd, read, write } = descriptors;

const reactor = new Reactor({ poller });
const one = new Uint8Array(BigUint64Array.of(1n).buffer);
const value = new Uint8Array(8);
let readTotal = 0;
function onReadable(_readiness, watch) {
  read(watch.fd, value, 0, 8);
  readTotal += value[0];
}

const fds = new Int32Array(registered);
try {
  for (let i = 0; i < registered; i++) {
    fds[i] = eventFd();
    reactor.watch(fds[i], READABLE, onReadable);
  }
} catch (error) {
  if (!(error instanceof UnderloopError)) throw error;
  writeSync(1, `${JSON.stringify({ refused: error.code })}\n`);
  process.exit(0);
}

function choose() {
  const order = Int32Array.from(fds);
  const schedule = new Int32Array(SCHEDULE_ROUNDS * active);
  for (let at = 0; at < schedule.length; at++) {
    const i = at % active;
    const other = i + Math.floor(Math.random() * (registered - i));
    schedule[at] = order[other];
    order[other] = order[i];
    order[i] = schedule[at];
  }
  return schedule;
}
const schedule = choose();
let at = 0;

function oneRound() {
  for (let i = 0; i < active; i++) write(schedule[at + i], one, 0, 8);
  at = (at + active) % schedule.length;
  for (let left = active; left > 0;) left -= reactor.turn(0);
}

function runFor(ms) {
  const endMs = performance.now() + ms;
  let rounds = 0;
  do {
    for (let i = 0; i < CHECK_ROUNDS; i++) oneRound();
    rounds += CHECK_ROUNDS;
  } while (performance.now() < endMs);
  return rounds;
}

runFor(warmupMs);
readTotal = 0;
const before = process.cpuUsage();
const events = runFor(durationMs) * active;
const { user, system } = process.cpuUsage(before);
if (readTotal !== events) throw new Error(`${events} events were written and ${readTotal} read`);
writeSync(1, `${JSON.stringify({ events, cpuNsPerEvent: ((user + system) * 1000) / events })}\n`);
process.exit(0);
