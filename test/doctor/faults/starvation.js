// The mistake starvation: many short pieces of work in a row, of one source, and nobody else has a turn meanwhile.

import { addChannel, drawReader, kindOf, openPair } from './channels.js';

const TICK_MS = 20;

/**
 * The neighbour: a timer that is to fire every 20 ms, and tells by how much it was late and how many pieces ran in between.
 * `work()` is one piece, of `pieceMs`.
 */
function addNeighbour(program, pieceMs) {
  program.add(`let checksum = 1;
let pieces = 0;
let piecesAtTick = 0;
let longestRun = 0;
let latestMs = 0;
let dueMs = reactor.now() + ${TICK_MS};
function work() {
pieces++;
const untilMs = performance.now() + ${pieceMs};
while (performance.now() < untilMs) checksum = (Math.imul(checksum, 31) + 7) | 0;
}
function tick() {
latestMs = Math.max(latestMs, reactor.now() - dueMs);
longestRun = Math.max(longestRun, pieces - piecesAtTick);
piecesAtTick = pieces;
dueMs = reactor.now() + ${TICK_MS};
reactor.setTimer(${TICK_MS}, tick);
}
reactor.setTimer(${TICK_MS}, tick);`);
  program.proves(
    `longestRun * ${pieceMs} >= 110 && latestMs >= 100`,
    `pieces, longestRun, inARowMs: longestRun * ${pieceMs}, latestMs`,
  );
}

function drawWork(draw) {
  const pieceMs = draw.pick([0.25, 0.4, 0.6]);
  const burstMs = draw.int(260, 420);
  return { pieceMs, pieces: Math.ceil(burstMs / pieceMs) };
}

/** Bursts come by this: one, or several with pauses between. */
function addBursts(program, moment, burst) {
  const { draw } = program;
  program.add(`let bursts = 0;\nfunction beginBurst() {\nbursts++;\n${burst}\n}`);
  if (moment.repeated) program.every(draw.int(600, 700), 'again', 'beginBurst();');
  program.later(moment.delayMs, 'begin', 'beginBurst();');
}

function closeChannel(program, channel, watch) {
  program.atEnd(`${watch}.close();\ndescriptors.close(${channel.rx});\ndescriptors.close(${channel.tx});`);
}

/** A channel on which a byte asks for a batch of work; `body` runs when it has come. */
function addRequests(program, moment, name, body) {
  const { draw } = program;
  program.use('underloop', 'READABLE');
  const channel = addChannel(
    program,
    draw.pick(['pipe', 'fifo', 'socketpair', 'tcp', 'unix', 'udp', 'eventfd']),
  );
  const reader = drawReader(program, channel, 64);
  const trigger = program.poller === 'epoll' ? draw.pick(['level', 'edge', 'oneshot']) : 'level';
  const rearm = trigger === 'oneshot' ? 'requests.interest = READABLE;' : '';
  const handler = program.handler(
    name,
    '',
    `while (${reader.some('takeOne()')}) {
${body}
}
${rearm}`,
  );
  program.add(`function takeOne() {\nreturn ${reader.read()};\n}`);
  const option = trigger === 'level' ? '' : `, { trigger: '${trigger}' }`;
  program.add(`const requests = reactor.watch(${channel.rx}, READABLE, ${handler.ref}${option});`);
  addBursts(program, moment, `descriptors.write(${channel.tx}, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]));`);
  closeChannel(program, channel, 'requests');
  return kindOf(channel.kind);
}

/** A request becomes hundreds of tasks, all queued at once. */
function postedFlood(program, moment) {
  const { draw, clean } = program;
  const pieceMs = draw.pick([0.4, 0.5, 0.6]);
  const count = draw.int(450, 510); // a turn runs 512 tasks of a kind at most
  addNeighbour(program, pieceMs);
  const queue = draw.pick(['post', 'defer']);
  const task = draw.pick(['runJob', 'indexEntry', 'renderTile', 'rebuildRow']);
  program.add('let jobsLeft = 0;');
  program.add(
    clean
      ? `function ${task}() {\nwork();\nif (--jobsLeft > 0) reactor.${queue}(${task});\n}`
      : `function ${task}() {\nwork();\n}`,
  );
  program.alsoNamed(task);
  const body = clean
    ? `jobsLeft += ${count};\nreactor.${queue}(${task});`
    : `for (let i = 0; i < ${count}; i++) reactor.${queue}(${task});`;
  return addRequests(program, moment, draw.pick(['onRequest', 'onQuery', 'onImport']), body);
}

/** Hundreds of timers that are due at the same moment. */
function timerFlood(program, moment) {
  const { draw, clean } = program;
  const pieceMs = draw.pick([0.4, 0.6]);
  const count = draw.int(420, 500);
  addNeighbour(program, pieceMs);
  const name = draw.pick(['expire', 'checkSession', 'pollSensor', 'retryOne']);
  const delayMs = draw.int(20, 60);
  const handler = program.handler(name, '', 'work();');
  const spread = clean ? `${delayMs} + i * 2` : `${delayMs}`;
  addBursts(
    program,
    { ...moment, repeated: false },
    `for (let i = 0; i < ${count}; i++) reactor.setTimer(${spread}, ${handler.ref});`,
  );
  return null;
}

/** Reads small records until nothing is left of a long backlog. */
function drainAll(program, moment) {
  const { draw, clean } = program;
  program.use('underloop', 'READABLE');
  const channel = addChannel(program, draw.pick(['pipe', 'fifo', 'socketpair', 'tcp', 'unix', 'udp']));
  const pieceMs = draw.pick([0.25, 0.4]);
  const record = draw.pick([8, 12, 16]); // so small that a send buffer takes them all
  const count = channel.kind === 'udp' ? 150 : draw.int(800, 1000);
  addNeighbour(program, channel.kind === 'udp' ? pieceMs * 4 : pieceMs);
  const reader = drawReader(program, channel, record);
  const name = draw.pick(['onRecords', 'readAll', 'onSamples', 'absorb']);
  const most = clean ? ` && taken < ${draw.int(8, 16)}` : '';
  const trigger = program.poller === 'epoll' ? draw.pick(['level', 'edge']) : 'level';
  const again = clean && trigger === 'edge' ? 'if (more) reactor.post(() => goOn());' : '';
  const body = `let more = true;
for (let taken = 0; more${most}; taken++) {
const count = ${reader.read()};
more = ${reader.some('count')};
if (more) work();
}
${again}`;
  const handler = program.handler(name, '', body);
  if (again !== '') program.add(`function goOn() {\n${handler.call('')};\n}`);
  const option = trigger === 'level' ? '' : ", { trigger: 'edge' }";
  program.add(`const flood = reactor.watch(${channel.rx}, READABLE, ${handler.ref}${option});`);
  const send =
    channel.kind === 'udp'
      ? `for (let i = 0; i < ${count}; i++) descriptors.write(${channel.tx}, Buffer.alloc(${record}));`
      : `descriptors.write(${channel.tx}, Buffer.alloc(${count * record}));`;
  addBursts(program, moment, send);
  closeChannel(program, channel, 'flood');
  return kindOf(channel.kind);
}

/** Another process writes as fast as it can, and the handler reads as long as something comes. */
function childFlood(program, moment) {
  const { draw, clean } = program;
  program.use('underloop', 'READABLE', 'descriptors');
  program.use('node:child_process', 'spawn');
  program.use('node:fs', 'openSync', 'closeSync');
  const pieceMs = draw.pick([0.3, 0.5]);
  addNeighbour(program, pieceMs);
  const isFifo = draw.chance(0.5);
  const chunk = draw.pick([512, 1024, 2048]);
  const bytes = draw.int(700, 900) * chunk;
  const opened = openPair(program, isFifo ? 'fifo' : 'pipe');
  program.add(`const [stream, end] = ${opened};\nconst chunk = Buffer.alloc(${chunk});`);
  const name = draw.pick(['onOutput', 'readChild', 'onDump']);
  const most = clean ? ` && taken < ${draw.int(8, 16)}` : '';
  const body = `let more = true;
for (let taken = 0; more${most}; taken++) {
const count = descriptors.read(stream, chunk);
more = count !== null && count > 0;
if (more) work();
}`;
  const handler = program.handler(name, '', body);
  program.add(`const output = reactor.watch(stream, READABLE, ${handler.ref});`);
  const pauseS = (moment.delayMs / 1000).toFixed(2);
  program.add(`const blocking = openSync('/proc/self/fd/' + end, 'w');
const dump = 'sleep ${pauseS}; head -c ${bytes} /dev/zero';
const child = spawn('sh', ['-c', dump], { stdio: ['ignore', blocking, 'ignore'] });
closeSync(blocking);
child.unref();`);
  program.atEnd('output.close();\ndescriptors.close(stream);\ndescriptors.close(end);');
  return 'pipe';
}

/** Lines that are there already are awaited one after another: reactions of promises, without a turn between. */
function awaitedLines(program, moment) {
  const { draw, clean } = program;
  const { pieceMs } = drawWork(draw);
  const count = Math.ceil(draw.int(260, 400) / pieceMs);
  addNeighbour(program, pieceMs);
  const isUnix = draw.chance(0.4);
  const place = isUnix ? `{ path: '\\0lines-' + process.pid }` : '{ port: 0 }';
  program.use('underloop/async', 'listen as listenAsync');
  program.use('underloop', 'connect');
  const yieldNow = clean
    ? `if (++lines % 10 === 0) await new Promise((resolve) => reactor.post(resolve));`
    : '';
  program.namelessHandler();
  const to = isUnix ? '{ path: server.address.path }' : '{ port: server.address.port }';
  const name = draw.pick(['readLines', 'session', 'converse']);
  program.add(`let lines = 0;
const server = listenAsync(reactor, ${place});
async function ${name}(connection) {
try {
for (;;) {
const line = await connection.readUntil('\\n');
if (line.length === 0) return;
work();
${yieldNow}
}
} catch {
connection.close();
}
}`);
  program.add(`async function acceptAll() {
for (let one = await server.accept(); one !== null; one = await server.accept()) void ${name}(one);
}
void acceptAll();
const client = connect(reactor, ${to}, {});`);
  addBursts(
    program,
    moment,
    `client.write('${draw.pick(['GET a', 'PUT key value', 'x'])}\\n'.repeat(${count}));`,
  );
  program.atEnd('client.close();\nserver.close();');
  return isUnix ? 'unix' : 'tcp';
}

/** Steps that queue the next by process.nextTick, or by a promise. */
function tickChain(program, moment) {
  const { draw, clean } = program;
  const { pieceMs, pieces } = drawWork(draw);
  addNeighbour(program, pieceMs);
  const next = draw.pick(['process.nextTick(step)', 'queueMicrotask(step)', 'Promise.resolve().then(step)']);
  program.add(`let stepsLeft = 0;
function step() {
work();
if (--stepsLeft > 0) ${clean ? 'reactor.post(step)' : next};
}`);
  program.alsoNamed('step');
  const kind = addRequests(
    program,
    moment,
    draw.pick(['onBatch', 'startScan', 'onReindex']),
    `stepsLeft = ${pieces};\nstep();`,
  );
  program.namelessHandler(); // it has returned long before
  return kind;
}

/** Serves everybody who waits to be accepted before it lets go. */
function acceptFlood(program, moment) {
  const { draw, clean } = program;
  program.use('underloop', 'READABLE', 'nativeKernel');
  const pieceMs = draw.pick([1, 1.5]);
  addNeighbour(program, pieceMs);
  const isUnix = draw.chance(0.4);
  const address = isUnix
    ? `{ family: 'unix', path: '\\0door-' + process.pid }`
    : `{ family: 4, host: '127.0.0.1', port: 0 }`;
  const family = isUnix ? "'unix'" : '4';
  const count = draw.int(200, 260);
  program.add(`const listening = nativeKernel.socket(${family});
nativeKernel.bind(listening, ${address});
nativeKernel.listen(listening, 400);
const where = nativeKernel.localAddress(listening);
const callers = [];`);
  const most = clean ? ` && taken < ${draw.int(4, 8)}` : '';
  const body = `let more = true;
for (let taken = 0; more${most}; taken++) {
const fd = nativeKernel.accept(listening);
more = fd >= 0;
if (!more) return;
work();
nativeKernel.close(fd);
}`;
  const handler = program.handler(draw.pick(['onConnections', 'acceptAll', 'admit']), '', body);
  program.add(`const door = reactor.watch(listening, READABLE, ${handler.ref});`);
  addBursts(
    program,
    moment,
    `for (const fd of callers.splice(0)) nativeKernel.close(fd);
for (let i = 0; i < ${count}; i++) {
const fd = nativeKernel.socket(${family});
nativeKernel.connect(fd, where);
callers.push(fd);
}`,
  );
  program.atEnd(
    'door.close();\nnativeKernel.close(listening);\nfor (const fd of callers) nativeKernel.close(fd);',
  );
  return 'listener';
}

export const starvation = {
  pollers: ['epoll', 'poll', 'select'],
  templates: [postedFlood, timerFlood, drainAll, childFlood, awaitedLines, tickChain, acceptFlood],
};
