// The mistake stale-readiness: a descriptor is closed, its registration is not, and readiness of what is gone goes on coming.

import { drawReader, kindOf, openPair } from './channels.js';

const names = ['onInput', 'onMessage', 'onBytes', 'takeInput', 'onPeer'];

/**
 * Sessions on a channel: opened, used for some messages, closed. `session.tx` sends; `endSession(closing)` is the moment.
 * `keep`: what else holds the open file.
 */
function addSessions(program, moment, { kind, keep, options = '', name }) {
  const { draw, clean } = program;
  program.use('underloop', 'READABLE', 'descriptors');
  const opened = openPair(program, kind);
  const channel = { kind, rx: 'session.rx', isSocket: !['pipe', 'fifo', 'eventfd'].includes(kind) };
  const reader = drawReader(program, channel, 512);
  program.add(`let session = null;
let received = 0;
let lateCalls = 0;`);
  const body = `if (session.closed) lateCalls++;
try {
if (${reader.some(reader.read())}) received++;
} catch {
return;
}`;
  const handler = program.handler(name, '', body);
  const holder = keep === 'child' ? 'null' : keep === 'duplicate' ? 'descriptors.duplicate(rx)' : '-1';
  program.add(`function openSession() {
const [rx, tx] = ${opened};
session = { rx, tx, holder: ${holder}, watch: null, closed: false };
session.watch = reactor.watch(rx, READABLE, ${handler.ref}${options});
${keep === 'child' ? "session.holder = spawn('sleep', ['3'], { stdio: [rx, 'ignore', 'ignore'] });" : ''}
}
function endSession() {
${clean ? 'session.watch.close();' : ''}
descriptors.close(session.rx);
session.closed = true;
}
function forgetSession() {
session.watch.close();
if (!session.closed) descriptors.close(session.rx);
descriptors.close(session.tx);
${keep === 'child' ? 'session.holder.kill();' : keep === 'duplicate' ? 'descriptors.close(session.holder);' : ''}
session = null;
}
openSession();`);
  if (keep === 'child') program.use('node:child_process', 'spawn');
  const periodMs = draw.int(8, 25);
  program.every(
    periodMs,
    'send',
    `if (session === null${keep === 'nobody' ? ' || session.closed' : ''}) return;
descriptors.write(session.tx, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]));`,
  );
  if (moment.repeated) {
    program.add('let rounds = 0;');
    program.every(
      draw.int(200, 260),
      'nextRound',
      `rounds++;
if (rounds % 2 === 1) endSession();
else {
forgetSession();
openSession();
}`,
    );
  } else program.later(moment.delayMs + 60, 'hangUp', 'endSession();');
  program.atEnd('if (session !== null) forgetSession();');
}

/** A duplicate keeps the open file in the epoll set: it is reported for ever, to a handler whose descriptor is gone. */
function duplicated(program, moment) {
  const { draw } = program;
  const kind = draw.pick(['pipe', 'fifo', 'socketpair', 'tcp', 'unix', 'udp', 'unix-datagram', 'eventfd']);
  addSessions(program, moment, { kind, keep: 'duplicate', name: draw.pick(names) });
  program.proves('lateCalls >= 200', 'received, lateCalls');
  return kindOf(kind);
}

/** The same, edge-triggered: it is told of each message that it can no longer read. */
function duplicatedEdge(program, moment) {
  const { draw } = program;
  const kind = draw.pick(['pipe', 'socketpair', 'tcp', 'unix', 'eventfd']);
  addSessions(program, moment, {
    kind,
    keep: 'duplicate',
    options: ", { trigger: 'edge' }",
    name: draw.pick(names),
  });
  program.proves('lateCalls >= 15', 'received, lateCalls');
  return kindOf(kind);
}

/** A child has inherited the open file. */
function inherited(program, moment) {
  const { draw } = program;
  const kind = draw.pick(['pipe', 'socketpair', 'tcp', 'unix']);
  addSessions(program, { ...moment, repeated: false }, { kind, keep: 'child', name: draw.pick(names) });
  program.proves('lateCalls >= 200', 'received, lateCalls');
  return kindOf(kind);
}

/** poll and select know numbers only: a number that is open no more is reported as invalid, in every turn. */
function invalid(program, moment) {
  const { draw } = program;
  const kind = draw.pick(['pipe', 'fifo', 'socketpair', 'tcp', 'unix', 'udp', 'eventfd']);
  addSessions(program, moment, { kind, keep: 'nobody', name: draw.pick(names) });
  program.proves('lateCalls >= 200', 'received, lateCalls');
  return kindOf(kind);
}

/** The number is in use again, by somebody else, whose bytes the old handler takes. */
function reused(program, moment) {
  const { draw, clean } = program;
  program.use('underloop', 'READABLE', 'descriptors');
  const kind = draw.pick(['pipe', 'socketpair', 'tcp', 'unix']);
  const opened = openPair(program, kind);
  const next = openPair(program, draw.pick(['pipe', 'socketpair']));
  program.add(`const scratch = Buffer.alloc(1024);
let received = 0;
let stolen = 0;
let kept = 0;
let closed = false;
const [rx, tx] = ${opened};
const [news, newsIn] = ${next};
const copies = [];`);
  const body = `let count = null;
try {
count = descriptors.read(rx, scratch);
} catch {
return;
}
if (count === null) return;
if (closed) stolen += count;
else received += count;`;
  const handler = program.handler(draw.pick(names), '', body);
  program.add(`const watch = reactor.watch(rx, READABLE, ${handler.ref});
function replace() {
${clean ? 'watch.close();' : ''}
descriptors.close(rx);
closed = true;
for (let tries = 0; tries < 60 && !copies.includes(rx); tries++) copies.push(descriptors.duplicate(news));
}`);
  program.every(
    draw.int(8, 20),
    'send',
    `if (!closed) descriptors.write(tx, Buffer.alloc(${draw.int(1, 60)}));`,
  );
  program.every(
    draw.int(10, 20),
    'report',
    `if (closed) descriptors.write(newsIn, Buffer.alloc(${draw.int(1, 80)}));`,
  );
  program.every(
    draw.int(40, 80),
    'collect',
    'const count = closed ? descriptors.read(copies.at(-1), scratch) : null;\nif (count !== null) kept += count;',
  );
  program.later(moment.delayMs + 60, 'change', 'replace();');
  program.proves('stolen >= 5', 'received, stolen, kept');
  program.atEnd(`watch.close();
if (!closed) descriptors.close(rx);
for (const fd of [tx, news, newsIn, ...copies]) descriptors.close(fd);`);
  return kindOf(kind);
}

/** It is opened anew at once, with the same number and a watch of its own; the old one spins, and nobody is called. */
function replaced(program, moment) {
  const { draw, clean } = program;
  program.use('underloop', 'READABLE', 'descriptors');
  const kind = draw.pick(['pipe', 'socketpair', 'tcp', 'unix', 'eventfd']);
  const opened = openPair(program, kind);
  const channel = { kind, rx: 'fd', isSocket: !['pipe', 'eventfd'].includes(kind) };
  const reader = drawReader(program, channel, 256);
  program.add(`let link = null;
let received = 0;
let turnsAtClose = 0;
const old = [];`);
  const handler = program.handler(
    draw.pick(names),
    'readiness, watch',
    `const fd = watch.fd;
try {
if (${reader.some(reader.read('fd'))}) received++;
} catch {
return;
}`,
    { expected: false },
  );
  program.namelessHandler();
  program.add(`function open() {
const [rx, tx] = ${opened};
link = { rx, tx, watch: reactor.watch(rx, READABLE, ${handler.ref}) };
}
function reopen() {
const copy = descriptors.duplicate(link.rx);
descriptors.write(link.tx, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]));
${clean ? 'link.watch.close();' : ''}
descriptors.close(link.rx);
old.push(copy, link.tx);
open();
turnsAtClose = reactor.turnNumber;
}
open();`);
  program.every(
    draw.int(15, 40),
    'send',
    'descriptors.write(link.tx, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]));',
  );
  program.later(moment.delayMs + 60, 'reconnect', 'reopen();');
  program.proves(
    'reactor.turnNumber - turnsAtClose >= 3000',
    'received, turnsSince: reactor.turnNumber - turnsAtClose',
  );
  program.atEnd(`link.watch.close();
descriptors.close(link.rx);
descriptors.close(link.tx);
for (const fd of old) descriptors.close(fd);`);
  return kindOf(kind);
}

/** A connection's own descriptor is closed behind its back, while a duplicate lives. */
function connectionClosed(program, moment) {
  const { draw, clean } = program;
  program.use('underloop', 'adopt', 'descriptors');
  const kind = draw.pick(['socketpair', 'tcp', 'unix', 'pipe']);
  const opened = openPair(program, kind);
  program.add(`let received = 0;
let ends = 0;
let turnsAtClose = reactor.turnNumber;
const [rx, tx] = ${opened};
const copy = descriptors.duplicate(rx);
const connection = adopt(reactor, rx, {
data(connection, buffer, start, end) {
received += end - start;
},
close() {
ends++;
},
});`);
  program.namelessHandler();
  program.add(`function handOver() {
${clean ? 'connection.close();' : 'descriptors.close(connection.fd);'}
turnsAtClose = reactor.turnNumber;
}`);
  program.every(draw.int(10, 30), 'send', `descriptors.write(tx, Buffer.alloc(${draw.int(1, 200)}));`);
  program.later(moment.delayMs + 60, 'begin', 'handOver();');
  program.proves(
    'reactor.turnNumber - turnsAtClose >= 3000',
    'received, ends, turnsSince: reactor.turnNumber - turnsAtClose',
  );
  program.atEnd('descriptors.close(copy);\ndescriptors.close(tx);');
  return kindOf(kind);
}

export const staleReadiness = {
  pollers: ['epoll', 'poll', 'select'],
  templates: [duplicated, invalid, duplicatedEdge, reused, inherited, replaced, connectionClosed],
  needsEpoll: [duplicated, duplicatedEdge, inherited, replaced, connectionClosed],
  needsFlat: [invalid, reused],
};
