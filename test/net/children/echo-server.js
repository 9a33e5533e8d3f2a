// An echo server in a process of its own. Prints its port; answers each line of its input with what it has counted;
// ends with its input. Arguments: the options of listen() as JSON.

import { createInterface } from 'node:readline';
import { Reactor, SilentObserver, listen } from '../../../dist/index.js';

let turns = 0;
class TurnCounter extends SilentObserver {
  turnBegin() {
    turns++;
  }
}

const acceptErrors = {};
const reactor = new Reactor({ observer: new TurnCounter() });
const listener = listen(reactor, JSON.parse(process.argv[2] ?? '{}'), {
  data: (connection, buffer, start, end) => connection.write(buffer, start, end),
  acceptError: (_, { code }) => (acceptErrors[code] = (acceptErrors[code] ?? 0) + 1),
});
const running = reactor.run();
console.log(listener.address.port);

for await (const _ of createInterface({ input: process.stdin })) {
  const { user, system } = process.cpuUsage();
  const { accepted, connections, refused } = listener;
  console.log(
    JSON.stringify({ turns, cpuMs: (user + system) / 1000, accepted, connections, refused, acceptErrors }),
  );
}
reactor.close();
await running;
