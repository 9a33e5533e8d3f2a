import { READABLE, Reactor, WRITABLE, descriptors, nativeKernel } from 'underloop';

function udpPair() {
  const server = nativeKernel.socket(4, 'datagram');
  nativeKernel.bind(server, { family: 4, host: '127.0.0.1', port: 0 });
  const client = nativeKernel.socket(4, 'datagram');
  nativeKernel.connect(client, nativeKernel.localAddress(server));
  return [server, client];
}

class Bucket {
  constructor(perSecond, burst) {
    this.perMs = perSecond / 1000;
    this.burst = burst;
    this.level = burst;
    this.lastMs = performance.now();
  }
  take() {
    const nowMs = performance.now();
    this.level = Math.min(this.burst, this.level + (nowMs - this.lastMs) * this.perMs);
    this.lastMs = nowMs;
    if (this.level < 1) return false;
    this.level--;
    return true;
  }
}

const reactor = new Reactor({ poller: 'select' });
const [sink, sender] = udpPair();
const bucket = new Bucket(40, 5);
const backlog = [];
let sent = 0;
let refused = 0;
let arrived = 0;

const room = Buffer.alloc(2048);
const receiving = reactor.watch(sink, READABLE, () => {
  while (descriptors.read(sink, room) !== null) arrived++;
});

let sending = null;
const pump = (readiness, watch) => {
  if (backlog.length === 0) {
    watch.close();
    sending = null;
    return;
  }
  if (!bucket.take()) {
    refused++;
    return;
  }
  descriptors.write(sender, backlog.shift());
  sent++;
};

function enqueue(count) {
  for (let i = 0; i < count; i++) backlog.push(Buffer.from(`metric.${i}:1|c`));
  sending ??= reactor.watch(sender, WRITABLE, pump);
}

function produce() {
  enqueue(10);
  reactor.setTimer(200, produce);
}
reactor.setTimer(30, produce);

reactor.setTimer(1900, () => {
  receiving.close();
  sending?.close();
  descriptors.close(sink);
  descriptors.close(sender);
  const evidence = { sent, arrived, refused, backlog: backlog.length };
  console.log(JSON.stringify({ fault: refused >= 1000, evidence }));
  reactor.close();
});
await reactor.run();
