import { readFileSync } from 'node:fs';
import { PerformanceObserver } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Reactor, datagram } from 'underloop';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc');

const collections = [];
const observer = new PerformanceObserver((list) => collections.push(...list.getEntries()));
observer.observe({ entryTypes: ['gc'] });

const history = [];
for (let minute = 0; minute < 1200; minute++) {
  const samples = [];
  for (let series = 0; series < 400; series++)
    samples.push({ series, minute, value: series * minute, label: null });
  history.push(samples);
}

const reactor = new Reactor();
const scrapes = [];
let samplesSeen = 0;

const agent = datagram(
  reactor,
  { port: 0 },
  {
    message(socket, buffer, start, end, sender) {
      socket.send(
        Buffer.from(JSON.stringify({ cpu: samplesSeen % 100, memory: 512, requests: samplesSeen })),
        sender,
      );
    },
  },
);

function store(text) {
  const sample = JSON.parse(text);
  history.at(-1).push({ series: 0, minute: history.length, value: sample.cpu, label: null });
  samplesSeen++;
}

function waitedMs() {
  return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[1]) / 1e6;
}

function tidy() {
  const waitedBefore = waitedMs();
  const startMs = performance.now();
  do gc();
  while (performance.now() - startMs < 150);
  scrapes.push({ startMs, endMs: performance.now(), delayMs: waitedMs() - waitedBefore });
}

const scraper = datagram(
  reactor,
  { to: { host: '127.0.0.1', port: agent.address.port } },
  {
    message(socket, buffer, start, end) {
      store(Buffer.from(buffer.subarray(start, end)).toString());
      if (samplesSeen % 12 === 0) tidy();
    },
  },
);

function scrape() {
  scraper.send('scrape');
  reactor.setTimer(45, scrape);
}
scrape();

reactor.setTimer(2400, () => {
  collections.push(...observer.takeRecords());
  observer.disconnect();
  let collectedMs = 0;
  let worst = { wallMs: 0, delayMs: 0 };
  for (const { startMs, endMs, delayMs } of scrapes) {
    const within = collections.filter(({ startTime }) => startTime >= startMs - 1 && startTime <= endMs);
    const sum = within.reduce((total, { duration }) => total + duration, 0);
    if (sum > collectedMs) {
      collectedMs = sum;
      worst = { wallMs: endMs - startMs, delayMs };
    }
  }
  const evidence = { samplesSeen, collectedMs, worst };
  console.log(JSON.stringify({ fault: collectedMs >= 110 && collectedMs > worst.wallMs / 2, evidence }));
  scraper.close();
  agent.close();
  reactor.close();
});
await reactor.run();
