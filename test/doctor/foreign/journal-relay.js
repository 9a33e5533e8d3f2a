import { Reactor, datagram } from 'underloop';

const reactor = new Reactor();
const name = `\0journal-${process.pid}`;

let stored = 0;
const journal = datagram(
  reactor,
  { path: name },
  {
    message(socket) {
      if (++stored === 200) socket.pause();
    },
  },
);

const relay = datagram(reactor, { to: { path: name }, sendQueueBytesMax: 1024 * 1024 * 1024 }, {});
const samples = [];
let sequence = 0;

function forward() {
  for (let i = 0; i < 120; i++) {
    const entry = { sequence: ++sequence, unit: 'nginx.service', text: 'x'.repeat(700) };
    relay.send(JSON.stringify(entry));
  }
  samples.push(relay.queuedDatagrams);
  if (samples.length < 300) reactor.setTimer(5, forward);
  else {
    relay.close();
    journal.close();
  }
}
reactor.setTimer(5, forward);

let blinks = 0;
const lamp = setInterval(() => blinks++, 100);
await reactor.run();
clearInterval(lamp);
const queued = samples.at(-1);
const growing = samples.slice(-100).every((value, i, all) => i === 0 || value > all[i - 1]);
console.log(JSON.stringify({ fault: queued > 10_000 && growing, evidence: { queued, sequence, stored } }));
