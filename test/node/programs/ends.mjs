// Ends by itself: ends.mjs closed|unref-server|unref-serves|unref-socket|given|worker|throws. Prints what happened on the way.

import { once } from 'node:events';
import * as nodeNet from 'node:net';
import { Worker, isMainThread } from 'node:worker_threads';
import { Reactor } from '../../../dist/index.js';
import net, { createNet } from '../../../dist/node/index.js';

const mode = isMainThread ? process.argv[2] : 'closed';
const say = (text) => process.stdout.write(`${text}\n`);

async function echoOnce({ connect, createServer }) {
  const server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect(server.address().port, '127.0.0.1');
  socket.end('hello');
  for await (const chunk of socket) say(String(chunk));
  return server;
}

const modes = {
  // Nothing is left open.
  async closed() {
    const server = await echoOnce(net);
    await new Promise((resolve) => server.close(resolve));
    say('closed');
  },
  // A server that nobody must wait for.
  async 'unref-server'() {
    (await echoOnce(net)).unref();
    say('left open');
  },
  // It goes on serving as long as something else keeps the process alive.
  async 'unref-serves'() {
    const server = net.createServer((socket) => socket.unref().end('served')).unref();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = nodeNet.connect(server.address().port, '127.0.0.1');
    for await (const chunk of socket) say(String(chunk));
  },
  // A connection that nobody must wait for; its server is in another net.
  async 'unref-socket'() {
    const server = net.createServer(() => undefined).listen(0, '127.0.0.1');
    server.unref();
    await once(server, 'listening');
    server.on('connection', (socket) => socket.unref());
    const socket = net.connect(server.address().port, '127.0.0.1');
    await once(socket, 'connect');
    socket.unref();
    say('left open');
  },
  // A reactor of the program's own: its run() ends when nothing is left.
  async given() {
    const reactor = new Reactor();
    const mine = createNet(reactor);
    const server = mine.createServer((socket) => socket.end('served')).listen(0, '127.0.0.1');
    const running = reactor.run();
    await once(server, 'listening');
    const socket = mine.connect(server.address().port, '127.0.0.1');
    for await (const chunk of socket) say(String(chunk));
    server.close();
    await running;
    say('run() has ended');
  },
  // A thread has a loop of its own.
  async worker() {
    await echoOnce(net).then((server) => server.close());
    const worker = new Worker(new URL(import.meta.url), { stdout: false });
    const [code] = await once(worker, 'exit');
    say(`worker ended with ${code}`);
  },
  // What a listener throws is an uncaught exception, and the other connections go on.
  async throws() {
    process.on('uncaughtException', (error) => say(`uncaught: ${error.message}`));
    const server = net.createServer((socket) => socket.end('x')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const first = net.connect(server.address().port, '127.0.0.1');
    first.on('data', () => {
      throw new Error('from a listener');
    });
    await once(first, 'close');
    const second = net.connect(server.address().port, '127.0.0.1');
    for await (const chunk of second) say(String(chunk));
    server.close();
  },
};
await modes[mode]();
