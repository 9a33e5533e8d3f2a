// The mistake edge-not-drained: an edge-triggered descriptor of which something is left unread, and nobody is told again.

import { addChannel, drawReader, kindOf } from './channels.js';

const STREAMS = ['pipe', 'fifo', 'socketpair', 'tcp', 'unix'];
const names = ['onReadable', 'takeRequests', 'onInput', 'consume', 'receive', 'onOrders', 'pull'];

/**
 * The peer: it sends some messages at once, waits until they are handled, and sends the next. Beside it a clock that counts
 * how long the loop idled while something sent was not handled.
 */
function addPeer(program, moment, channel, { big, message }) {
  const { draw } = program;
  const paceMs = draw.int(15, 40);
  const retryMs = draw.int(450, 650);
  program.add(`let sent = 0;\nlet handled = 0;\nlet calls = 0;\nlet batches = 0;\nlet lastSentMs = 0;`);
  program.add(message);
  const send = channel.isDatagram
    ? `for (let i = 0; i < count; i++) descriptors.write(${channel.tx}, messageOf(i, count));`
    : `descriptors.write(${channel.tx}, Buffer.concat(Array.from({ length: count }, (_, i) => messageOf(i, count))));`;
  const retry = moment.repeated ? `if (reactor.now() - lastSentMs < ${retryMs}) return;` : 'return;';
  program.every(
    paceMs,
    'sendBatch',
    `if (sent > handled) {
${retry}
}
batches++;
const count = sent > handled ? 1 : ${moment.test('batches')} ? ${big} : 1;
sent += count;
lastSentMs = reactor.now();
${send}`,
  );
  addIdleClock(program);
}

function addIdleClock(program) {
  program.add(`let idleTicks = 0;
let longestIdleTicks = 0;
let callsSeen = 0;
function look() {
idleTicks = sent > handled && calls === callsSeen ? idleTicks + 1 : 0;
callsSeen = calls;
longestIdleTicks = Math.max(longestIdleTicks, idleTicks);
reactor.setTimer(40, look);
}
look();`);
  program.proves('longestIdleTicks >= 6', 'sent, handled, calls, stalledMs: longestIdleTicks * 40');
}

function fixedMessages(bytes) {
  return `function messageOf(index) {\nreturn Buffer.alloc(${bytes}, 97 + (index % 26));\n}`;
}

function watchIt(program, channel, handler) {
  const trigger = "{ trigger: 'edge' }";
  program.use('underloop', 'READABLE');
  const name = program.draw.pick(['watch', 'subscription', 'registration', 'watching']);
  program.add(`const ${name} = reactor.watch(${channel.rx}, READABLE, ${handler.ref}, ${trigger});`);
  program.atEnd(`${name}.close();`);
  program.atEnd(`descriptors.close(${channel.rx});`);
  program.atEnd(`descriptors.close(${channel.tx});`);
}

function sizes(draw) {
  const bytes = draw.pick([16, 48, 128, 256, 500]);
  return { bytes, big: draw.int(4, 14), read: bytes * draw.int(1, 3) };
}

/** Reads once for each report. */
function oneRead(program, moment) {
  const { draw, clean } = program;
  const channel = addChannel(program, draw.pick([...STREAMS, 'udp', 'unix-datagram']));
  const { bytes, big, read } = sizes(draw);
  const most = channel.kind === 'unix-datagram' ? Math.min(big, 8) : big;
  addPeer(program, moment, channel, { big: most, message: fixedMessages(bytes) });
  const reader = drawReader(program, channel, channel.isDatagram ? 2048 : read);
  const take = 'handled += count / ' + bytes + ';';
  const body = clean
    ? `calls++;
for (let count = ${reader.read()}; ${reader.some('count')}; count = ${reader.read()}) {
${take}
}`
    : `calls++;
const count = ${reader.read()};
if (${reader.some('count')}) {
${take}
}`;
  watchIt(program, channel, program.handler(draw.pick(names), '', body));
  return kindOf(channel.kind);
}

/** Gives up after so many reads, for fairness, and leaves nobody to go on. */
function boundedReads(program, moment) {
  const { draw, clean } = program;
  const channel = addChannel(program, draw.pick([...STREAMS, 'udp']));
  const bytes = draw.pick([32, 100, 300]);
  const most = draw.int(2, 4);
  const big = most * draw.int(2, 4) + 1;
  addPeer(program, moment, channel, { big, message: fixedMessages(bytes) });
  const reader = drawReader(program, channel, bytes);
  const name = draw.pick(names);
  program.add(`const READS_MAX = ${most};`);
  const goOn = clean ? `reactor.post(() => ${name}Again());` : '';
  const body = `calls++;
for (let reads = 0; reads < READS_MAX; reads++) {
const count = ${reader.read()};
if (!(${reader.some('count')})) return;
handled += count / ${bytes};
}
${goOn}`;
  const handler = program.handler(name, '', body);
  if (clean) program.add(`function ${name}Again() {\n${handler.call('')};\n}`);
  watchIt(program, channel, handler);
  return kindOf(channel.kind);
}

/** Looks away while it is busy with the last message, and does not look again afterwards. */
function busyFlag(program, moment) {
  const { draw, clean } = program;
  const channel = addChannel(program, draw.pick([...STREAMS, 'udp', 'unix-datagram']));
  const bytes = draw.pick([24, 64, 200]);
  const busyMs = draw.int(20, 45);
  program.add(`let sent = 0;\nlet handled = 0;\nlet calls = 0;\nlet batches = 0;\nlet busy = false;`);
  program.add(`const request = Buffer.alloc(${bytes}, 113);`);
  program.add(`function send() {\nsent++;\ndescriptors.write(${channel.tx}, request);\n}`);
  program.every(
    draw.int(60, 90),
    'sendBatch',
    `if (sent > handled) return;
batches++;
send();
if (${moment.repeated ? 'batches > 2' : moment.test('batches')}) reactor.setTimer(${Math.floor(busyMs / 3)}, send);`,
  );
  addIdleClock(program);
  const reader = drawReader(program, channel, 4096);
  const name = draw.pick(['onRequest', 'onCommand', 'takeWork', 'onJob']);
  const readAll = `for (let count = ${reader.read()}; ${reader.some('count')}; count = ${reader.read()}) handled += count / ${bytes};`;
  const later = draw.chance(0.5)
    ? `reactor.setTimer(${busyMs}, rest);`
    : `resting = setTimeout(rest, ${busyMs});`;
  if (later.startsWith('resting')) {
    program.add('let resting = null;');
    program.atEnd('clearTimeout(resting);');
  }
  const handler = program.handler(
    name,
    '',
    `calls++;\nif (busy) return;\n${readAll}\nbusy = true;\n${later}`,
  );
  program.add(`function rest() {\nbusy = false;\n${clean ? readAll : ''}\n}`);
  watchIt(program, channel, handler);
  return kindOf(channel.kind);
}

/** Takes one frame, header and body, and leaves those behind it. */
function oneFrame(program, moment) {
  const { draw, clean } = program;
  const channel = addChannel(program, draw.pick(STREAMS));
  const bytes = draw.pick([20, 77, 300, 900]);
  program.use('underloop', 'descriptors');
  const message = `function messageOf(index) {
const frame = Buffer.alloc(4 + ${bytes}, 97);
frame.writeUInt32BE(${bytes}, 0);
return frame;
}`;
  addPeer(program, moment, channel, { big: draw.int(3, 9), message });
  program.add(`const header = Buffer.alloc(4);\nconst payload = Buffer.alloc(${bytes});`);
  const loop = clean ? 'while' : 'if';
  const body = `calls++;
${loop} (descriptors.read(${channel.rx}, header) === 4) {
descriptors.read(${channel.rx}, payload, 0, header.readUInt32BE(0));
handled++;
}`;
  watchIt(program, channel, program.handler(draw.pick(['onFrame', 'readFrame', 'onPacket']), '', body));
  return kindOf(channel.kind);
}

/** A message that cannot be read throws in the middle of it all. */
function thrown(program, moment) {
  const { draw, clean } = program;
  const channel = addChannel(program, draw.pick([...STREAMS, 'udp', 'unix-datagram']));
  const bytes = draw.pick([16, 40, 120]);
  const big = draw.int(4, 8);
  const message = `function messageOf(index, count) {\nreturn Buffer.alloc(${bytes}, count > 1 && index === 1 ? 0 : 97);\n}`;
  program.add('let rejected = 0;');
  program.reactorOption('onError: () => {\nrejected++;\n}');
  addPeer(program, moment, channel, { big, message });
  const reader = drawReader(program, channel, bytes);
  program.add(`function parse(first) {\nhandled++;\nif (first === 0) throw new Error('malformed');\n}`);
  const parse = `parse(${reader.at(0)});`;
  const guarded = clean ? `try {\n${parse}\n} catch {\nrejected++;\n}` : parse;
  const body = `calls++;
for (;;) {
const count = ${reader.read()};
if (!(${reader.some('count')})) return;
${guarded}
}`;
  watchIt(program, channel, program.handler(draw.pick(['onRecord', 'onMessage', 'ingest']), '', body));
  return kindOf(channel.kind);
}

/** Accepts one connection per report. */
function oneAccept(program, moment) {
  const { draw, clean } = program;
  program.use('underloop', 'nativeKernel', 'descriptors', 'READABLE');
  const isUnix = draw.chance(0.4);
  const address = isUnix
    ? `{ family: 'unix', path: '\\0entry-' + process.pid }`
    : `{ family: 4, host: '127.0.0.1', port: 0 }`;
  const family = isUnix ? "'unix'" : '4';
  const kernel = draw.pick(['nativeKernel', 'reactor.kernel']);
  const big = draw.int(3, 8);
  program.add(`const listening = nativeKernel.socket(${family});
nativeKernel.bind(listening, ${address});
nativeKernel.listen(listening, 64);
const where = nativeKernel.localAddress(listening);
const open = [];
let sent = 0;
let handled = 0;
let calls = 0;
let batches = 0;`);
  program.every(
    draw.int(25, 60),
    'dial',
    `if (sent > handled) return;
batches++;
const count = ${moment.repeated ? 'batches > 2' : moment.test('batches')} ? ${big} : 1;
for (let i = 0; i < count; i++) {
const fd = nativeKernel.socket(${family});
nativeKernel.connect(fd, where);
open.push(fd);
sent++;
}`,
  );
  addIdleClock(program);
  const serve = `const fd = ${kernel}.accept(listening);
if (fd < 0) return;
handled++;
nativeKernel.close(fd);
nativeKernel.close(open.shift());`;
  const body = clean ? `calls++;\nfor (;;) {\n${serve}\n}` : `calls++;\n${serve}`;
  const handler = program.handler(draw.pick(['onConnection', 'acceptOne', 'welcome']), '', body);
  program.add(`const entry = reactor.watch(listening, READABLE, ${handler.ref}, { trigger: 'edge' });`);
  program.atEnd(
    'entry.close();\nnativeKernel.close(listening);\nfor (const fd of open) nativeKernel.close(fd);',
  );
  return 'listener';
}

/** Believes that an end of line is the end of what has come. */
function endOfLine(program, moment) {
  const { draw, clean } = program;
  const channel = addChannel(program, draw.pick(STREAMS));
  const bytes = draw.pick([32, 64, 80]);
  const message = `function messageOf(index) {
const line = Buffer.alloc(${bytes}, 97 + (index % 26));
line[${bytes} - 1] = 10;
return line;
}`;
  addPeer(program, moment, channel, { big: draw.int(3, 12), message });
  const reader = drawReader(program, channel, bytes);
  const stop = clean ? '' : `if (${reader.at('count - 1')} === 10) break;`;
  const body = `calls++;
for (let count = ${reader.read()}; ${reader.some('count')}; count = ${reader.read()}) {
handled += count / ${bytes};
${stop}
}`;
  watchIt(program, channel, program.handler(draw.pick(['onLine', 'readLine', 'onText']), '', body));
  return kindOf(channel.kind);
}

export const edgeNotDrained = {
  pollers: ['epoll'],
  templates: [oneRead, boundedReads, busyFlag, oneFrame, thrown, oneAccept, endOfLine],
};
