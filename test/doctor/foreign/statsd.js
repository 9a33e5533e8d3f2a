import { READABLE, Reactor, nativeKernel } from 'underloop';

const reactor = new Reactor({ poller: 'poll' });
const { buffer } = reactor.kernel;

const socket = nativeKernel.socket(4, 'datagram');
nativeKernel.setOption(socket, 'receiveBufferBytes', 4 * 1024 * 1024);
nativeKernel.bind(socket, { family: 4, host: '127.0.0.1', port: 0 });
const where = nativeKernel.localAddress(socket);

const series = new Map();
const quantiles = new Float64Array(64);
let packets = 0;
let packetsBefore = 0;
let burst = 0;
let latestMs = 0;

function sketch(values, value) {
  values.push(value);
  const untilMs = performance.now() + 0.6;
  while (performance.now() < untilMs) {
    for (let i = 0; i < quantiles.length; i++) quantiles[i] = (quantiles[i] * 63 + value) / 64;
  }
}

function onPackets() {
  for (;;) {
    const count = reactor.kernel.recv(socket, 0, 1500);
    if (count < 0) return;
    packets++;
    const [name, rest] = Buffer.from(buffer.subarray(0, count)).toString('latin1').split(':');
    if (!series.has(name)) series.set(name, []);
    sketch(series.get(name), parseFloat(rest));
  }
}
const input = reactor.watch(socket, READABLE, onPackets);

let dueMs = reactor.now() + 20;
function flush() {
  latestMs = Math.max(latestMs, reactor.now() - dueMs);
  burst = Math.max(burst, packets - packetsBefore);
  packetsBefore = packets;
  for (const values of series.values()) if (values.length > 100) values.length = 0;
  dueMs = reactor.now() + 20;
  reactor.setTimer(20, flush);
}
reactor.setTimer(20, flush);

const client = nativeKernel.socket(4, 'datagram');
nativeKernel.connect(client, where);
function send(count) {
  for (let i = 0; i < count; i++) {
    const line = Buffer.from(`app.requests.${i % 7}:${i}|ms`);
    nativeKernel.sendBytes(client, line, 0, line.length);
  }
}
function usual() {
  send(3);
  reactor.setTimer(35, usual);
}
usual();
reactor.setTimer(450, () => send(520));
reactor.setTimer(1200, () => send(600));

reactor.setTimer(2100, () => {
  input.close();
  nativeKernel.close(socket);
  nativeKernel.close(client);
  const inARowMs = burst * 0.6;
  const evidence = { packets, burst, inARowMs, latestMs };
  console.log(JSON.stringify({ fault: inARowMs >= 110 && latestMs >= 100, evidence }));
  reactor.close();
});
await reactor.run();
