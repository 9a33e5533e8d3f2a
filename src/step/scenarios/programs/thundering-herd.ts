// Starts processes that wait on one listening socket, connects to it now and then, and hears who was woken for it.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { READABLE, Reactor, descriptors } from '../../../index.js'; // in a program of yours: from 'underloop'

const WORKERS = 4;
const CONNECTIONS = 3;
/** After one has accepted: the others that were woken for it have said so by then. */
const APART_MS = 200;

const reactor = new Reactor();
const { kernel } = reactor;
const listening = kernel.socket(4);
kernel.bind(listening, { family: 4, host: '127.0.0.1', port: 0 });
kernel.listen(listening, 16);
const address = kernel.localAddress(listening);
if (typeof address === 'number') throw new Error(`getsockname failed: ${String(address)}`);

const worker = fileURLToPath(new URL('./thundering-herd-worker.js', import.meta.url));
const reports: number[] = [];
for (let i = 0; i < WORKERS; i++) {
  const [near, far] = descriptors.socketPair();
  spawn(process.execPath, [worker, process.argv[2] ?? 'plain'], {
    stdio: ['ignore', 'inherit', 'inherit', listening, far],
  });
  descriptors.close(far);
  reactor.watch(near, READABLE, heard);
  reports.push(near);
}

function heard(_readiness: number, { fd }: { fd: number }): void {
  const length = kernel.recv(fd, 0, 16);
  if (length <= 0) throw new Error('a worker has ended');
  for (const word of Buffer.from(kernel.buffer.subarray(0, length)).toString()) {
    if (word === 'r') ready();
    else reactor.post(word === 'a' ? wokenAndAccepted : wokenInVain);
  }
}
function wokenAndAccepted(): void {
  // Stepping sees each of these as an item of its own.
  reactor.setTimer(APART_MS, connectOnce);
}
function wokenInVain(): void {
  // EAGAIN: another one was faster.
}

let readyWorkers = 0;
function ready(): void {
  if (++readyWorkers === WORKERS) reactor.setTimer(APART_MS, connectOnce);
}
let connections = 0;
function connectOnce(): void {
  if (connections++ === CONNECTIONS) {
    reactor.close();
    process.exit(0); // the workers see our ends of their sockets go
  }
  kernel.connect(kernel.socket(4), address as Exclude<typeof address, number>);
}
await reactor.run();
