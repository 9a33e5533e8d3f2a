// Tries to wait for a regular file as for a socket; then lets a thread read it, and waits for that.

import { open, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { READABLE, Reactor, descriptors } from '../../../index.js'; // in a program of yours: from 'underloop'

const path = fileURLToPath(import.meta.url); // any regular file will do
const file = await open(path);
const [done, donePeer] = descriptors.socketPair();

const refusals: unknown[] = [];
const reactor = new Reactor({ onError: (error) => refusals.push(error) });
const { kernel } = reactor;

function watchFile(): void {
  reactor.watch(file.fd, READABLE, neverCalled);
}
function neverCalled(): void {
  // A file is never "not ready yet".
}
function watchSocket(): void {
  reactor.watch(done, READABLE, fileWasRead);
}
function readWithThread(): void {
  // One of Node's own threads reads; when it has, a socket becomes readable.
  void readFile(path).then((bytes) => {
    kernel.sendBytes(donePeer, bytes, 0, bytes.length);
  });
}
function fileWasRead(): void {
  kernel.recv(done, 0, 64 * 1024);
  reactor.close();
}

for (const task of [watchFile, watchSocket, readWithThread]) reactor.post(task);
await reactor.run();
await file.close();
