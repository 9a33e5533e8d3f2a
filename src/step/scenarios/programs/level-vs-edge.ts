// Two sockets with four bytes each. Both handlers read one byte when they are called; only their triggers differ.

import { READABLE, Reactor, descriptors } from '../../../index.js'; // in a program of yours: from 'underloop'

const reactor = new Reactor();
const { kernel } = reactor;
const [level, levelPeer] = descriptors.socketPair();
const [edge, edgePeer] = descriptors.socketPair();

function send(text: string): void {
  for (const peer of [levelPeer, edgePeer]) descriptors.write(peer, Buffer.from(text));
}
function sendOneMore(): void {
  send('e');
}
function lookWhatIsLeft(): void {
  kernel.recv(level, 0, 16);
  kernel.recv(edge, 0, 16);
  reactor.close();
}

let read = 0;
function readLevel(): void {
  kernel.recv(level, 0, 1);
  read++;
  if (read === 4) reactor.post(sendOneMore);
  if (read === 5) reactor.post(lookWhatIsLeft);
}
function readEdge(): void {
  kernel.recv(edge, 0, 1);
}

send('abcd');
reactor.watch(level, READABLE, readLevel);
reactor.watch(edge, READABLE, readEdge, { trigger: 'edge' });
await reactor.run();
