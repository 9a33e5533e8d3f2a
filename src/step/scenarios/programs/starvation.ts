// A flooding peer beside a neighbour with one byte. Argument: greedy (reads until nothing is left) or bounded (16 reads).

import { READABLE, Reactor, descriptors } from '../../../index.js'; // in a program of yours: from 'underloop'

const READS_MAX = process.argv[2] === 'bounded' ? 16 : Infinity;
const BLOCK = Buffer.alloc(1024, 'x');

const reactor = new Reactor();
const { kernel } = reactor;
const [flood, floodPeer] = descriptors.socketPair();
const [neighbour, neighbourPeer] = descriptors.socketPair();

// The peer is played here too, so that each run is the same: it is as fast as we are, and sends 100 blocks.
let blocks = 100;
function peerSends(): void {
  if (blocks-- > 0) descriptors.write(floodPeer, BLOCK);
  else reactor.post(finish);
}

function readFlood(): void {
  for (let reads = 1; kernel.recv(flood, 0, BLOCK.length) > 0; reads++) {
    peerSends();
    if (reads === READS_MAX) return;
  }
}
function serveNeighbour(): void {
  kernel.recv(neighbour, 0, 16);
}
function finish(): void {
  reactor.close();
}

peerSends();
descriptors.write(neighbourPeer, Buffer.from('?'));
reactor.watch(flood, READABLE, readFlood);
reactor.watch(neighbour, READABLE, serveNeighbour);
await reactor.run();
