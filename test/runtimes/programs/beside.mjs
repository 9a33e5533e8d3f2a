// A reactor beside a runtime that lends it no loop: prints as JSON what went on, and what idling cost. Runs in Node, Bun
// and Deno alike.

import { createServer } from 'node:http';
import net from 'node:net';
import { Reactor, connect, listen } from '../../../dist/index.js';

const IDLE_MS = 500;
const result = { runtime: runtimeName() };

function runtimeName() {
  if (globalThis.Bun) return 'Bun';
  return globalThis.Deno ? 'Deno' : 'Node';
}
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const reactor = new Reactor();
const listener = listen(
  reactor,
  { port: 0 },
  { data: (to, buffer, start, end) => void to.write(buffer, start, end) },
);
let ended = false;
const running = reactor.run().then(() => (ended = true));
const { port } = listener.address;

/** Sends it by the runtime's own socket, and gives what came back. */
function echo(text) {
  return new Promise((resolve, reject) => {
    let reply = '';
    const socket = net.connect(port, '127.0.0.1', () => socket.write(text));
    socket.on('error', reject).on('data', (chunk) => {
      reply += chunk;
      if (reply.length >= text.length) socket.end();
    });
    socket.on('close', () => resolve(reply));
  });
}

result.echo = await echo('by the runtime’s own socket');
result.large = (await echo('x'.repeat(1_000_000))).length;

// Asked for by a callback of the runtime's while the reactor is idle.
await sleep(50);
const posted = performance.now();
result.post = await new Promise((resolve) => reactor.post(() => resolve('ran')));
result.postMs = performance.now() - posted;
await sleep(50);
const set = performance.now();
await new Promise((resolve) => reactor.setTimer(30, resolve));
result.timerMs = performance.now() - set;
result.connect = await new Promise((resolve) => {
  connect(
    reactor,
    { port },
    {
      open: (connection) => void connection.write(Buffer.from('by a connection of ours')),
      data(connection, buffer, start, end) {
        resolve(Buffer.from(buffer.subarray(start, end)).toString());
        connection.close();
      },
    },
  );
});

// The runtime's own work goes on.
let ticks = 0;
const interval = setInterval(() => ticks++, 10);
const server = createServer((request, response) => response.end('fetched'));
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const response = await fetch(`http://127.0.0.1:${server.address().port}/`);
result.fetch = await response.text();
server.closeAllConnections?.();
server.close();
await sleep(300);
clearInterval(interval);
result.ticks = ticks;

// Nobody has anything to do. The least of three looks: what the runtime still compiles or collects is not ours.
const looks = [];
for (let i = 0; i < 3; i++) {
  const turns = reactor.turnNumber;
  const cpu = process.cpuUsage();
  await sleep(IDLE_MS);
  const { user, system } = process.cpuUsage(cpu);
  looks.push({ turns: reactor.turnNumber - turns, cpuShare: (user + system) / 1000 / IDLE_MS });
}
result.idleTurns = Math.min(...looks.map((look) => look.turns));
result.idleCpuShare = Math.min(...looks.map((look) => look.cpuShare));

// run() ends when what kept the reactor going is closed by a callback of the runtime's.
result.endedBefore = ended;
setTimeout(() => listener.close(), 10);
await running;
result.ended = ended;

// And again, until stop().
const second = reactor.run();
reactor.setTimer(60_000, () => {});
setTimeout(() => reactor.stop(), 10);
await second;
reactor.close();
console.log(JSON.stringify(result));
