// The mistake write-interest-left-on: WRITABLE is asked for while there is nothing to write, and the loop spins.

import { addChannel, drawReader, kindOf } from './channels.js';

const BOTH_WAYS = ['socketpair', 'tcp', 'unix', 'udp'];
const OUTWARD = ['pipe', 'fifo', 'socketpair', 'tcp', 'unix', 'udp', 'unix-datagram'];

function addProof(program) {
  program.use('underloop', 'READABLE', 'WRITABLE');
  program.add('let idleCalls = 0;\nlet served = 0;');
  program.proves('idleCalls >= 500', 'idleCalls, served');
}

function closeChannel(program, channel) {
  program.atEnd(`descriptors.close(${channel.rx});\ndescriptors.close(${channel.tx});`);
}

/** The peer of a channel that is written to: reads what comes, by a watch of its own. */
function addDrain(program, channel, slowMs = 0) {
  const scratch = program.fresh('scratch');
  const rest =
    slowMs > 0
      ? `watch.interest = NONE;\nreactor.setTimer(${slowMs}, () => (watch.interest = READABLE));`
      : '';
  if (slowMs > 0) program.use('underloop', 'NONE');
  program.add(`const ${scratch} = Buffer.alloc(65536);
const ${scratch}Watch = reactor.watch(${channel.rx}, READABLE, function drainPeer(readiness, watch) {
descriptors.read(${channel.rx}, ${scratch});
${rest}
});`);
  program.atEnd(`${scratch}Watch.close();`);
}

/** A server's side that asks for both all the time, or from some moment on. */
function both(program, moment) {
  const { draw, clean } = program;
  const channel = addChannel(program, draw.pick(BOTH_WAYS));
  if (channel.isDatagram)
    program.add(`nativeKernel.connect(${channel.rx}, nativeKernel.localAddress(${channel.tx}));`);
  addProof(program);
  const bytes = draw.int(8, 400);
  const reader = drawReader(program, channel, 1024);
  const atOnce = moment.kind === 'at-once';
  const change = moment.repeated
    ? `watch.interest = ${moment.test('served')} ? READABLE | WRITABLE : READABLE;`
    : `if (${moment.test('served')}) watch.interest = READABLE | WRITABLE;`;
  const name = draw.pick(['onReady', 'serve', 'onSocket', 'handleIo']);
  const body = `if ((readiness & READABLE) === 0) {
idleCalls++;
return;
}
const count = ${reader.read()};
if (!(${reader.some('count')})) return;
served++;
descriptors.write(${channel.rx}, reply);
${clean || atOnce ? '' : change}`;
  program.add(`const reply = Buffer.alloc(${bytes}, 65);`);
  const handler = program.handler(name, 'readiness, watch', body);
  const interest = atOnce && !clean ? 'READABLE | WRITABLE' : 'READABLE';
  program.add(`const socketWatch = reactor.watch(${channel.rx}, ${interest}, ${handler.ref});`);
  program.add('const answers = Buffer.alloc(65536);');
  program.every(
    draw.int(20, 60),
    'ask',
    `descriptors.read(${channel.tx}, answers);\ndescriptors.write(${channel.tx}, Buffer.alloc(${draw.int(1, 200)}));`,
  );
  program.atEnd('socketWatch.close();');
  closeChannel(program, channel);
  return kindOf(channel.kind);
}

/** Writes what is queued when it can, and forgets that it has asked. */
function afterFlush(program, moment) {
  const { draw, clean } = program;
  const channel = addChannel(program, draw.pick(OUTWARD));
  addProof(program);
  program.use('underloop', 'NONE');
  const bytes = channel.isDatagram ? draw.int(20, 900) : draw.int(20, 30_000);
  addDrain(program, channel);
  program.add('const queue = [];');
  const rest = draw.pick(['NONE', 'PRIORITY']);
  const parked = rest === 'PRIORITY' && channel.kind === 'socketpair' ? 'PRIORITY' : 'NONE';
  if (parked === 'PRIORITY') program.use('underloop', 'PRIORITY');
  const done = clean
    ? `watch.interest = ${parked};`
    : moment.kind === 'at-once'
      ? ''
      : `if (!(${moment.test('served')})) watch.interest = ${parked};`;
  const body = `if (queue.length === 0) {
idleCalls++;
return;
}
while (queue.length > 0) {
const count = descriptors.write(${channel.tx}, queue[0]);
if (count === null) return;
served++;
if (count < queue[0].length) queue[0] = queue[0].subarray(count);
else queue.shift();
}
${done}`;
  const handler = program.handler(
    draw.pick(['onWritable', 'flush', 'sendQueued', 'drainQueue']),
    'readiness, watch',
    body,
  );
  program.add(`const outlet = reactor.watch(${channel.tx}, ${parked}, ${handler.ref});`);
  program.every(
    draw.int(25, 70),
    'publish',
    `queue.push(Buffer.alloc(${bytes}, 66));\noutlet.interest = WRITABLE;`,
  );
  program.atEnd('outlet.close();');
  closeChannel(program, channel);
  return kindOf(channel.kind);
}

/** Connects by hand, hears of it as writable, and goes on asking for it. */
function afterConnect(program, moment) {
  const { draw, clean } = program;
  addProof(program);
  program.use('underloop', 'listen', 'nativeKernel');
  const isUnix = draw.chance(0.4);
  const place = isUnix ? `{ path: '\\0hub-' + process.pid }` : '{ port: 0 }';
  const family = isUnix ? "'unix'" : '4';
  const trigger = draw.pick(['level', 'level', 'edge']);
  const options =
    trigger === 'edge' && program.poller === 'epoll' ? `{ ...${place}, trigger: 'edge' }` : place;
  const kernel = draw.pick(['nativeKernel', 'reactor.kernel']);
  program.add(`const hub = listen(reactor, ${options}, {
data(connection, buffer, start, end) {
connection.write(buffer, start, end);
},
});
const hello = Buffer.alloc(${draw.int(5, 300)}, 67);
let fd = -1;
let client = null;
let connected = false;`);
  const after = clean ? 'READABLE' : draw.pick(['READABLE | WRITABLE', 'WRITABLE | READABLE']);
  const body = `if (!connected) {
connected = true;
nativeKernel.sendBytes(fd, hello, 0, hello.length);
watch.interest = ${after};
return;
}
if ((readiness & READABLE) === 0) {
idleCalls++;
return;
}
if (${kernel}.recv(fd, 0, 4096) > 0) served++;`;
  const handler = program.handler(draw.pick(['onClient', 'onUpstream', 'onLink']), 'readiness, watch', body);
  program.add(`function hangUp() {
client?.close();
if (fd >= 0) nativeKernel.close(fd);
client = null;
fd = -1;
}
function dialHub() {
hangUp();
connected = false;
fd = nativeKernel.socket(${family});
nativeKernel.connect(fd, hub.address);
client = reactor.watch(fd, WRITABLE, ${handler.ref});
}`);
  if (moment.repeated) {
    program.every(draw.int(350, 450), 'redial', 'dialHub();');
    program.add('dialHub();');
  } else program.later(moment.delayMs, 'begin', 'dialHub();');
  program.every(
    draw.int(30, 80),
    'say',
    'if (connected) nativeKernel.sendBytes(fd, hello, 0, hello.length);',
  );
  program.atEnd('hangUp();');
  return isUnix ? 'unix' : 'tcp';
}

/** Sends at a limited rate, and asks whether it can write while it may not. */
function rateLimited(program, moment) {
  const { draw, clean } = program;
  const channel = addChannel(program, draw.pick([...OUTWARD, 'eventfd']));
  addProof(program);
  program.use('underloop', 'NONE');
  addDrain(program, channel);
  const bytes = channel.kind === 'eventfd' ? 8 : draw.int(8, 600);
  const portion = draw.int(1, 6);
  program.add(`let tokens = ${draw.int(1, 20)};`);
  program.add(
    channel.kind === 'eventfd'
      ? 'const parcel = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);'
      : `const parcel = Buffer.alloc(${bytes}, 68);`,
  );
  const body = `if (tokens === 0) {
idleCalls++;
${clean ? 'watch.interest = NONE;' : ''}
return;
}
if (descriptors.write(${channel.tx}, parcel) === null) return;
tokens--;
served++;`;
  const handler = program.handler(
    draw.pick(['sendNext', 'onRoom', 'pace', 'emit']),
    'readiness, watch',
    body,
  );
  program.add(`const throttle = reactor.watch(${channel.tx}, NONE, ${handler.ref});`);
  program.every(
    draw.int(90, 220),
    'refill',
    `tokens += ${portion};\n${clean ? 'throttle.interest = WRITABLE;' : ''}`,
  );
  program.later(moment.delayMs, 'begin', 'throttle.interest = WRITABLE;');
  program.atEnd('throttle.close();');
  closeChannel(program, channel);
  return kindOf(channel.kind);
}

/** Rearms a oneshot for both, whatever there is to do. */
function rearmed(program, moment) {
  const { draw, clean } = program;
  const channel = addChannel(program, draw.pick(BOTH_WAYS));
  addProof(program);
  const reader = drawReader(program, channel, 2048);
  const both =
    moment.kind === 'at-once'
      ? 'READABLE | WRITABLE'
      : `${moment.test('served')} ? READABLE | WRITABLE : READABLE`;
  const body = `if ((readiness & READABLE) === 0) idleCalls++;
else {
const count = ${reader.read()};
if (${reader.some('count')}) served++;
}
watch.interest = ${clean ? 'READABLE' : both};`;
  const handler = program.handler(draw.pick(['onceReady', 'onTurn', 'stepIo']), 'readiness, watch', body);
  program.add(
    `const single = reactor.watch(${channel.rx}, READABLE, ${handler.ref}, { trigger: 'oneshot' });`,
  );
  program.every(
    draw.int(20, 50),
    'feed',
    `descriptors.write(${channel.tx}, Buffer.alloc(${draw.int(1, 500)}));`,
  );
  program.atEnd('single.close();');
  closeChannel(program, channel);
  return kindOf(channel.kind);
}

/** Wants to hear when the reader has gone, and asks for WRITABLE to hear it. */
function liveness(program, moment) {
  const { draw, clean } = program;
  const channel = addChannel(program, draw.pick(['pipe', 'fifo', 'socketpair']));
  addProof(program);
  program.use('underloop', 'ERROR', 'HANGUP', 'PRIORITY', 'READ_CLOSED');
  addDrain(program, channel);
  program.add('let gone = false;\nlet guard = null;');
  const body = `if ((readiness & (ERROR | HANGUP | READ_CLOSED)) !== 0) {
gone = true;
watch.close();
return;
}
idleCalls++;`;
  const handler = program.handler(
    draw.pick(['onReaderGone', 'onPeerLost', 'checkReader']),
    'readiness, watch',
    body,
  );
  program.later(
    moment.delayMs,
    'begin',
    `guard = reactor.watch(${channel.tx}, ${clean ? 'PRIORITY' : 'WRITABLE'}, ${handler.ref});`,
  );
  program.every(
    draw.int(20, 60),
    'log',
    `if (!gone && descriptors.write(${channel.tx}, Buffer.alloc(${draw.int(10, 300)})) !== null) served++;`,
  );
  program.atEnd('guard?.close();');
  closeChannel(program, channel);
  return kindOf(channel.kind);
}

/** Sends on time, and asks all the while until the time has come. */
function heartbeat(program, moment) {
  const { draw, clean } = program;
  const channel = addChannel(program, draw.pick(OUTWARD));
  addProof(program);
  program.use('underloop', 'NONE');
  addDrain(program, channel);
  const periodMs = draw.int(60, 180);
  program.add(`let nextMs = 0;\nconst beat = Buffer.alloc(${draw.int(1, 64)}, 69);`);
  const wait = clean
    ? 'watch.interest = NONE;\nreactor.setTimer(nextMs - reactor.now(), () => {\nif (!watch.closed) watch.interest = WRITABLE;\n});'
    : '';
  const body = `if (reactor.now() < nextMs) {
idleCalls++;
${wait}
return;
}
if (descriptors.write(${channel.tx}, beat) !== null) served++;
nextMs = reactor.now() + ${periodMs};`;
  const handler = program.handler(draw.pick(['sendBeat', 'onBeat', 'keepAlive']), 'readiness, watch', body);
  program.add(`const pulse = reactor.watch(${channel.tx}, NONE, ${handler.ref});`);
  program.later(moment.delayMs, 'begin', 'pulse.interest = WRITABLE;');
  program.atEnd('pulse.close();');
  closeChannel(program, channel);
  return kindOf(channel.kind);
}

export const writeInterestLeftOn = {
  pollers: ['epoll', 'poll', 'select'],
  templates: [both, afterFlush, afterConnect, rateLimited, rearmed, liveness, heartbeat],
  needsEpoll: [rearmed],
};
