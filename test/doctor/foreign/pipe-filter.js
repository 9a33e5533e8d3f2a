import { spawn } from 'node:child_process';
import { Reactor, adopt, descriptors, pipe } from 'underloop';

const reactor = new Reactor({ poller: 'poll' });
const TOTAL = 6_000_000;
let produced = 0;
let filtered = 0;
let arrived = 0;
let pauses = 0;
let longestQueue = 0;

const { reader, writer } = pipe(
  reactor,
  {
    data(connection, buffer, start, end) {
      arrived += end - start;
      connection.pause();
      reactor.setTimer(8, () => connection.resume());
    },
  },
  { drain: () => upstream.resume() },
);

const upperCase = Buffer.alloc(65536);
const [source, sourceEnd] = descriptors.socketPair();
const upstream = adopt(reactor, source, {
  data(connection, buffer, start, end) {
    const length = end - start;
    for (let i = 0; i < length; i++) upperCase[i] = buffer[start + i] & 0xdf;
    writer.write(upperCase, 0, length);
    filtered += length;
    longestQueue = Math.max(longestQueue, writer.queuedBytes);
    if (writer.queuedBytes > 0) {
      pauses++;
      connection.pause();
    }
  },
  close: () => writer.end(),
});

const producer = adopt(reactor, sourceEnd, { drain: fill });
function fill() {
  while (produced < TOTAL && producer.queuedBytes === 0) {
    const block = Buffer.alloc(Math.min(50_000, TOTAL - produced), 'log line ');
    producer.write(block);
    produced += block.length;
  }
  if (produced === TOTAL) producer.end();
}
fill();

const child = spawn('sh', ['-c', 'echo filter started; sleep 1; echo filter done'], {
  stdio: ['ignore', 'pipe', 'ignore'],
});
let chatter = '';
child.stdout.on('data', (text) => (chatter += text));

reactor.setTimer(2100, () => {
  const evidence = { produced, filtered, arrived, pauses, longestQueue, chatter: chatter.length };
  console.log(JSON.stringify({ fault: longestQueue > 1_000_000, evidence }));
  child.kill();
  reader.close();
  reactor.close();
});
await reactor.run();
