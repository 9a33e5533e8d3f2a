import { Reactor, connect, copy, listen } from 'underloop';

const reactor = new Reactor();
const done = new Map();
let finished = 0;
let finishedAtBeat = 0;
let mostBetweenBeats = 0;
let latestMs = 0;

function hash(text) {
  const untilMs = performance.now() + 0.45;
  let value = 2166136261;
  while (performance.now() < untilMs) {
    for (const character of text) value = Math.imul(value ^ character.charCodeAt(0), 16777619);
  }
  return value >>> 0;
}

class Job {
  constructor(batch, number) {
    this.batch = batch;
    this.number = number;
  }
  run() {
    done.set(`${this.batch}/${this.number}`, hash(`thumbnail ${this.number}`));
    finished++;
  }
}

const queue = listen(
  reactor,
  { path: `\0jobs-${process.pid}` },
  {
    data(connection, buffer, start, end) {
      const [verb, batch, count] = copy(buffer, start, end).toString().trim().split(' ');
      if (verb !== 'submit') {
        connection.write(`${finished}\n`);
        return;
      }
      for (let number = 0; number < Number(count); number++) reactor.post(new Job(batch, number));
      connection.write('accepted\n');
    },
  },
);

const heartbeat = { dueMs: reactor.now() + 25 };
function beat() {
  latestMs = Math.max(latestMs, reactor.now() - heartbeat.dueMs);
  mostBetweenBeats = Math.max(mostBetweenBeats, finished - finishedAtBeat);
  finishedAtBeat = finished;
  heartbeat.dueMs = reactor.now() + 25;
  reactor.setTimer(25, beat);
}
reactor.setTimer(25, beat);

const producer = connect(reactor, { path: queue.address.path }, {});
const monitor = connect(reactor, { path: queue.address.path }, {});
function ask() {
  if (monitor.writable) monitor.write('status\n');
  reactor.setTimer(40, ask);
}
reactor.setTimer(40, ask);
reactor.setTimer(150, () => producer.write('submit small 20\n'));
reactor.setTimer(500, () => producer.write('submit catalogue 480\n'));
reactor.setTimer(1300, () => producer.write('submit catalogue2 470\n'));

reactor.setTimer(2300, () => {
  const inARowMs = mostBetweenBeats * 0.45;
  const evidence = { finished, mostBetweenBeats, inARowMs, latestMs };
  console.log(JSON.stringify({ fault: inARowMs >= 110 && latestMs >= 100, evidence }));
  producer.close();
  monitor.close();
  queue.close();
  reactor.close();
});
await reactor.run();
