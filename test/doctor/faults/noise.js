// What goes on beside the mistake and is none: other connections, timers, datagrams, promises. Each stands in a block.

/** Lines to and fro between a client and a server of the reactor. */
function echo(program, id) {
  const { draw } = program;
  program.use('underloop', 'connect as connectTo', 'listen as listenOn');
  const trigger = program.poller === 'epoll' ? draw.pick(['level', 'edge']) : 'level';
  const flush = draw.pick(['now', 'turn']);
  const clients = draw.int(1, 4);
  program.add(`const echo${id} = listenOn(reactor, { port: 0, trigger: '${trigger}', flush: '${flush}' }, {
data(connection, buffer, start, end) {
connection.write(buffer, start, end);
},
});
for (let i = 0; i < ${clients}; i++) {
connectTo(reactor, { port: echo${id}.address.port }, {
open(connection) {
connection.write(Buffer.alloc(${draw.int(1, 600)}, 120));
},
data(connection, buffer, start, end) {
const answer = Buffer.from(buffer.subarray(start, end));
reactor.setTimer(${draw.int(5, 40)}, () => {
if (!connection.closed) connection.write(answer);
});
},
});
}`);
}

function timers(program, id) {
  const { draw } = program;
  program.add(`let beats${id} = 0;
function beat${id}() {
beats${id}++;
reactor.setTimer(${draw.int(4, 30)}, beat${id});
}
beat${id}();`);
}

function pings(program, id) {
  const { draw } = program;
  program.use('underloop', 'datagram as datagramOn');
  program.add(`const pong${id} = datagramOn(reactor, { port: 0 }, {
message(socket, buffer, start, end, sender) {
socket.send(buffer, sender, start, end);
},
});
const ping${id} = datagramOn(reactor, { to: { host: '127.0.0.1', port: pong${id}.address.port } }, {});
function pingAgain${id}() {
ping${id}.send(Buffer.alloc(${draw.int(1, 300)}));
reactor.setTimer(${draw.int(8, 40)}, pingAgain${id});
}
pingAgain${id}();`);
}

function sleeper(program, id) {
  const { draw } = program;
  program.use('underloop/async', 'sleep as sleepOn');
  program.add(`async function doze${id}() {
for (;;) await sleepOn(reactor, ${draw.int(5, 40)});
}
doze${id}().catch(() => null);`);
}

/** A channel that is read to its end, edge-triggered, with WRITABLE asked for all the time, as edge-triggered programs do. */
function edgeReader(program, id) {
  const { draw } = program;
  const isEdge = program.poller === 'epoll';
  program.use('underloop', 'READABLE', 'WRITABLE', 'descriptors');
  const interest = isEdge ? 'READABLE | WRITABLE' : 'READABLE';
  program.add(`const [end${id}, start${id}] = descriptors.socketPair();
const room${id} = Buffer.alloc(${draw.pick([256, 1024])});
const both${id} = reactor.watch(end${id}, ${interest}, function readToEnd(readiness) {
if ((readiness & READABLE) === 0) return;
while (descriptors.read(end${id}, room${id}) !== null);
}${isEdge ? ", { trigger: 'edge' }" : ''});
function fill${id}() {
descriptors.write(start${id}, Buffer.alloc(${draw.int(1, 3000)}));
reactor.setTimer(${draw.int(10, 50)}, fill${id});
}
fill${id}();`);
  program.atEnd(`both${id}.close();\ndescriptors.close(end${id});\ndescriptors.close(start${id});`);
}

/** A reader that is slower than its writer, and a writer that waits for it: full buffers, and nothing wrong. */
function backpressure(program, id) {
  const { draw } = program;
  program.use('underloop', 'socketPair as pairOf');
  program.add(`const fast${id} = pairOf(reactor, {
data(connection) {
connection.pause();
reactor.setTimer(${draw.int(10, 40)}, () => connection.resume());
},
}, {
drain(connection) {
connection.write(Buffer.alloc(${draw.int(200, 500)} * 1000));
},
})[1];
fast${id}.write(Buffer.alloc(500_000));`);
}

/** A timerfd, read each time. */
function clock(program, id) {
  const { draw } = program;
  program.use('underloop', 'READABLE', 'descriptors');
  program.add(`const clock${id} = descriptors.timerFd(${draw.int(5, 20)}, ${draw.int(10, 40)});
const expirations${id} = Buffer.alloc(8);
const clockWatch${id} = reactor.watch(clock${id}, READABLE, () => void descriptors.read(clock${id}, expirations${id}));`);
  program.atEnd(`clockWatch${id}.close();\ndescriptors.close(clock${id});`);
}

/** Handlers that take some milliseconds, which is no fault. */
function someWork(program, id) {
  const { draw } = program;
  program.add(`let sum${id} = 0;
function add${id}() {
const untilMs = performance.now() + ${draw.int(1, 5)};
while (performance.now() < untilMs) sum${id}++;
reactor.setTimer(${draw.int(40, 120)}, add${id});
}
add${id}();`);
}

/** Connections that open and close, some of them by the hand of a neighbour in the same batch. */
function comings(program, id) {
  const { draw } = program;
  program.use('underloop', 'socketPair as pairOf');
  program.add(`function comeAndGo${id}() {
const first = pairOf(reactor, {});
const second = pairOf(reactor, {
data() {
first[0].close();
first[1].close();
},
});
first[1].write('a');
second[1].write('b');
reactor.setTimer(${draw.int(10, 40)}, () => {
second[0].close();
second[1].close();
comeAndGo${id}();
});
}
comeAndGo${id}();`);
}

/** Node's own timers and promises. */
function nodeTimers(program, id) {
  const { draw } = program;
  program.add(`const interval${id} = setInterval(async () => {
await null;
}, ${draw.int(5, 40)});`);
  program.atEnd(`clearInterval(interval${id});`);
}

const all = [echo, timers, pings, sleeper, edgeReader, backpressure, clock, someWork, comings, nodeTimers];
/** Those that open no descriptor once they are there. */
const quiet = [timers, sleeper, edgeReader, clock, nodeTimers, echo];

/**
 * Adds some of it. `few`: only what needs no new descriptors and hardly any time. `isStill`: nothing that goes on opening
 * descriptors, which would get the number of one that the program has closed.
 */
export function addNoise(program, { few = false, isStill = false } = {}) {
  const { draw } = program;
  const chosen = draw.some(few ? quiet : all, few ? draw.int(0, 2) : draw.int(0, 4));
  chosen.filter((add) => !(isStill && add === comings)).forEach((add, i) => add(program, i + 1));
}
