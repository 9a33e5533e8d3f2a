// A handler that needs 600 ms of somebody else's time. Argument: blocking (it waits for it) or worker (a thread does).

import { Worker } from 'node:worker_threads';
import { READABLE, Reactor, descriptors } from '../../../index.js'; // in a program of yours: from 'underloop'

const WAIT_MS = 600;
/** What a synchronous driver of a database does: the thread sleeps until the answer is there. */
const WAIT = `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${String(WAIT_MS)})`;

const reactor = new Reactor();
const { kernel } = reactor;
const [request, requestPeer] = descriptors.socketPair();
const [neighbour, neighbourPeer] = descriptors.socketPair();

function serveRequest(): void {
  kernel.recv(request, 0, 16);
  reactor.setTimer(20, due);
  if (process.argv[2] === 'worker') new Worker(WAIT, { eval: true }).once('exit', answer);
  else {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT_MS);
    answer();
  }
}
function answer(): void {
  descriptors.write(request, Buffer.from('!'));
  reactor.setTimer(30, finish);
}
function serveNeighbour(): void {
  kernel.recv(neighbour, 0, 16);
}
function due(): void {
  // A timer that wants to be on time.
}
function finish(): void {
  reactor.close();
}

for (const peer of [requestPeer, neighbourPeer]) descriptors.write(peer, Buffer.from('?'));
reactor.watch(request, READABLE, serveRequest);
reactor.watch(neighbour, READABLE, serveNeighbour);
await reactor.run();
