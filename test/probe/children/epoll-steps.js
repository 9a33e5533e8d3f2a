// Does one operation on an epoll set or a descriptor for each line that it is sent, and answers each with its result.
import { readSync, writeSync } from 'node:fs';
import { binding } from '../../../dist/binding.js';

const poller = binding.pollerOpen('epoll');
const ends = new Int32Array(2);
const events = new Int32Array(3 * 64);
const operations = {
  add: (fd, interest, slot) => binding.pollerAdd(poller, fd, interest, slot, 1),
  modify: (fd, interest, slot) => binding.pollerModify(poller, fd, interest, slot, 1),
  remove: (fd) => binding.pollerRemove(poller, fd),
  wait: () => binding.pollerWait(poller, events, 0),
  close: (fd) => binding.close(fd),
  dup: (fd) => binding.duplicate(fd),
  eventfd: () => binding.eventFd(1),
  pair: () => (binding.socketPair(ends), [...ends].join(' ')),
  pipe: () => (binding.pipe(ends), [...ends].join(' ')),
};

const bytes = Buffer.alloc(100);
const answer = (line) => writeSync(1, `${line}\n`);
answer(`${process.pid} ${binding.pollerDescribe(poller).fd}`);
// Synchronously: no loop of the runtime's runs meanwhile, and no call but these is made.
for (let n = readSync(0, bytes); n > 0; n = readSync(0, bytes)) {
  const [name, ...args] = bytes.toString('utf8', 0, n).trim().split(' ');
  answer(operations[name](...args.map(Number)));
}
