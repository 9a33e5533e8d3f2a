import { READABLE, Reactor, descriptors, nativeKernel } from 'underloop';

const TEXT = 0x81;
const PING = 0x89;
const PONG = 0x8a;

function frame(opcode, payload) {
  const bytes = Buffer.from(payload);
  return Buffer.concat([Buffer.from([opcode, bytes.length]), bytes]);
}

function loopback() {
  const listening = nativeKernel.socket(4);
  nativeKernel.bind(listening, { family: 4, host: '127.0.0.1', port: 0 });
  nativeKernel.listen(listening, 1);
  const client = nativeKernel.socket(4);
  nativeKernel.connect(client, nativeKernel.localAddress(listening));
  let server;
  do server = nativeKernel.accept(listening);
  while (server < 0);
  nativeKernel.close(listening);
  return [server, client];
}

const reactor = new Reactor({ poller: 'epoll' });
const [server, browser] = loopback();
nativeKernel.setOption(browser, 'noDelay', 1);

const stats = { frames: 0, pings: 0, answered: 0, asked: 0, calls: 0 };
const head = Buffer.alloc(2);
const body = Buffer.alloc(125);

function handle(opcode, payload) {
  stats.frames++;
  if (opcode === PING) {
    stats.pings++;
    descriptors.write(server, frame(PONG, payload));
  } else descriptors.write(server, frame(TEXT, payload.toString('latin1').toUpperCase()));
}

const session = reactor.watch(
  server,
  READABLE,
  function readFrame() {
    stats.calls++;
    if (descriptors.read(server, head) !== 2) return;
    const length = head[1] & 0x7f;
    if (length > 0) descriptors.read(server, body, 0, length);
    handle(head[0], body.subarray(0, length));
  },
  { trigger: 'edge' },
);

const inbox = Buffer.alloc(4096);
const browserWatch = reactor.watch(browser, READABLE, () => {
  const count = descriptors.read(browser, inbox);
  for (let at = 0; at < count; at += 2 + inbox[at + 1]) stats.answered++;
});

function act() {
  if (stats.asked > stats.answered) return;
  const both = stats.asked > 8;
  const message = frame(TEXT, `message ${stats.asked}`);
  stats.asked += both ? 2 : 1;
  descriptors.write(browser, both ? Buffer.concat([message, frame(PING, 'are you there')]) : message);
}
const acting = setInterval(act, 30);

let stillTicks = 0;
let longestStill = 0;
let callsBefore = 0;
function watchdog() {
  stillTicks = stats.asked > stats.answered && stats.calls === callsBefore ? stillTicks + 1 : 0;
  callsBefore = stats.calls;
  longestStill = Math.max(longestStill, stillTicks);
  reactor.setTimer(40, watchdog);
}
watchdog();

reactor.setTimer(2000, () => {
  clearInterval(acting);
  session.close();
  browserWatch.close();
  descriptors.close(server);
  descriptors.close(browser);
  console.log(
    JSON.stringify({ fault: longestStill >= 6, evidence: { ...stats, stillMs: longestStill * 40 } }),
  );
  reactor.close();
});
await reactor.run();
