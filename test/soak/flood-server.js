// The server of the floods, as a process: reads or writes as fast as its peer can, answers a second socket, and keeps a timer.

import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { Reactor, listen } from '../../dist/index.js';
import { startLifeline } from '../../dist/workload/process.js';
import { queuedTime } from './queued.js';

const TIMER_MS = 10;
const CHUNK_BYTES = 65_536;
/** Writes in one call of ours: a loop that goes on for as long as the kernel takes bytes would be a flood of its own. */
const WRITES_PER_CALL_MAX = 16;

const { values } = parseArgs({
  options: { poller: { type: 'string' }, trigger: { type: 'string' }, 'lifeline-fd': { type: 'string' } },
});
startLifeline(Number(values['lifeline-fd']));
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const reactor = new Reactor({ poller: values.poller });
const chunk = Buffer.alloc(CHUNK_BYTES, 'flood');
let bytes = 0;
let latenessesMs = [];
let ownLatenessesMs = [];

// The first byte of a connection says what it is: R floods us, W wants to be flooded, P asks for replies.
const handlers = {
  data(connection, buffer, start, end) {
    connection.context ??= String.fromCharCode(buffer[start]);
    if (connection.context === 'P') connection.write(buffer, start, end);
    else if (connection.context === 'R') bytes += end - start;
    else flood(connection);
  },
  drain: (connection) => flood(connection),
};

function flood(connection) {
  for (let writes = 0; connection.writable; writes++) {
    if (writes === WRITES_PER_CALL_MAX) return reactor.post(() => flood(connection));
    const taken = connection.write(chunk);
    bytes += taken;
    if (taken < CHUNK_BYTES || connection.queuedBytes > 0) return; // goes on in drain
  }
}

const queuedMs = queuedTime(process.pid);

function keepTimer() {
  const dueMs = reactor.now() + TIMER_MS;
  const queuedBeforeMs = queuedMs();
  reactor.setTimer(TIMER_MS, () => {
    const lateMs = reactor.now() - dueMs;
    latenessesMs.push(lateMs);
    ownLatenessesMs.push(Math.max(lateMs - (queuedMs() - queuedBeforeMs), 0));
    keepTimer();
  });
}

process.on('SIGINT', () => {});
createInterface({ input: process.stdin })
  .on('line', () => {
    print({ bytes, latenessesMs, ownLatenessesMs });
    bytes = 0;
    latenessesMs = [];
    ownLatenessesMs = [];
  })
  .on('close', () => process.exit(0));

const listener = listen(reactor, { trigger: values.trigger, noDelay: true }, handlers);
keepTimer();
void reactor.run();
print({ port: listener.address.port });
