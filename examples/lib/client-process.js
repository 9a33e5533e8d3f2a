// The clients of --clients, on node:net and not on underloop: client-process.js COUNT HOST PORT. Prints one JSON line.

import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const MESSAGES = 3;
const PAUSE_MS = 60;
/** The clients begin one after another, a little apart, and all of them within this time. */
const START_MS = 2000;
const APART_MS = 35;

const [count, host, port] = [Number(process.argv[2]), process.argv[3], Number(process.argv[4])];
const result = { connections: 0, bytesSent: 0, bytesReceived: 0, failures: [] };

// The lifeline: our parent has ended, or wants us to.
process.stdin.on('end', () => process.exit(0)).resume();

/** Sends some lines, one after another, and compares what comes back, byte by byte. */
async function client(number) {
  await sleep(number * Math.min(APART_MS, START_MS / count));
  const socket = connect({ host, port });
  socket.setEncoding('utf8');
  const chunks = socket[Symbol.asyncIterator]();
  for (let message = 1; message <= MESSAGES; message++) {
    const line = `client ${number}, line ${message}\n`;
    socket.write(line);
    result.bytesSent += Buffer.byteLength(line);
    let received = '';
    while (received.length < line.length) {
      const { value, done } = await chunks.next();
      if (done) throw new Error('the server closed the connection early');
      received += value;
      result.bytesReceived += Buffer.byteLength(value);
    }
    if (received !== line) throw new Error(`sent ${JSON.stringify(line)}, got ${JSON.stringify(received)}`);
    if (message < MESSAGES) await sleep(PAUSE_MS);
  }
  result.connections++;
  socket.end();
  // The server answers our end with its own, after whatever is left.
  const { done } = await chunks.next();
  if (!done) throw new Error('the server sent more than it was sent');
}

const clients = Array.from({ length: count }, (_, i) =>
  client(i + 1).catch((error) => result.failures.push(`client ${i + 1}: ${error.message}`)),
);
await Promise.all(clients);
console.log(JSON.stringify(result));
process.exit(0);
