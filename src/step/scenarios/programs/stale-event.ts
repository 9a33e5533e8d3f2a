// Two sockets are ready in the same wait. The first handler closes the second socket, and a new one gets its number.

import { READABLE, Reactor, descriptors } from '../../../index.js'; // in a program of yours: from 'underloop'

const reactor = new Reactor();
const { kernel } = reactor;
const [first, firstPeer] = descriptors.socketPair();
const [second, secondPeer] = descriptors.socketPair();
for (const peer of [firstPeer, secondPeer]) descriptors.write(peer, Buffer.from('x'));

reactor.watch(first, READABLE, closeTheOther);
const doomed = reactor.watch(second, READABLE, mustNotRun);

function closeTheOther(): void {
  kernel.recv(first, 0, 16);
  doomed.close(); // first out of the set, then the descriptor
  kernel.close(second);
  const [fresh, freshPeer] = descriptors.socketPair(); // the lowest number that is free
  reactor.watch(fresh, READABLE, function newcomer() {
    kernel.recv(fresh, 0, 16);
    reactor.close();
  });
  reactor.post(function sendToNewcomer() {
    descriptors.write(freshPeer, Buffer.from('y'));
  });
}
function mustNotRun(): void {
  kernel.recv(second, 0, 16);
}
await reactor.run();
