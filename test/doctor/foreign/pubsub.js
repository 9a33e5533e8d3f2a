import { readFileSync } from 'node:fs';
import { Reactor, connect, listen } from 'underloop';

class Broker {
  topics = new Map();
  published = 0;
  skipped = 0;

  open(client) {
    client.context = { topics: new Set(), text: '' };
  }

  data(client, buffer, start, end) {
    const { context } = client;
    const lines = (context.text + Buffer.from(buffer.subarray(start, end)).toString()).split('\n');
    context.text = lines.pop();
    for (const line of lines) this.command(client, line);
  }

  command(client, line) {
    const [verb, topic] = line.split(' ', 2);
    if (verb === 'SUB') {
      if (!this.topics.has(topic)) this.topics.set(topic, new Set());
      this.topics.get(topic).add(client);
      client.context.topics.add(topic);
    } else if (verb === 'PUB') {
      this.published++;
      const message = `MSG ${line.slice(4)}\n`;
      for (const subscriber of this.topics.get(topic) ?? []) {
        if (subscriber.queuedBytes > 32_768) this.skipped++;
        else subscriber.write(message);
      }
    }
  }

  close(client) {
    for (const topic of client.context.topics) this.topics.get(topic).delete(client);
  }
}

const reactor = new Reactor({ poller: 'poll' });
const broker = new Broker();
const server = listen(
  reactor,
  { path: `\0pubsub-${process.pid}` },
  {
    open: (client) => broker.open(client),
    data: (client, buffer, start, end) => broker.data(client, buffer, start, end),
    close: (client) => broker.close(client),
  },
);
const { path } = server.address;

let received = 0;
function subscriber(topic, isLazy) {
  return connect(
    reactor,
    { path },
    {
      open(connection) {
        connection.write(`SUB ${topic}\n`);
      },
      data(connection, buffer, start, end) {
        for (let i = start; i < end; i++) if (buffer[i] === 10) received++;
        if (!isLazy) return;
        connection.pause();
        reactor.setTimer(60, () => connection.closed || connection.resume());
      },
    },
  );
}
const subscribers = Array.from({ length: 20 }, (_, i) => subscriber(`t${i % 4}`, i === 7));
const publishers = Array.from({ length: 4 }, () => connect(reactor, { path }, {}));

let rounds = 0;
function publish() {
  rounds++;
  for (const [i, publisher] of publishers.entries()) {
    if (publisher.queuedBytes > 0) continue;
    publisher.write(`PUB t${i} ${rounds} ${'data'.repeat(60)}\n`.repeat(10));
  }
  if (rounds < 250) reactor.setTimer(6, publish);
  else reactor.setTimer(200, stop);
}
function stop() {
  for (const one of [...subscribers, ...publishers]) one.close();
  server.close();
}
reactor.setTimer(40, publish);
await reactor.run();

const runDelayMs = Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6;
const { published, skipped } = broker;
const isWhole = published > 5000 && received > 4 * published;
console.log(JSON.stringify({ fault: !isWhole, evidence: { published, received, skipped, runDelayMs } }));
