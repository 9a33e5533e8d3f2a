// The mistake blocked-handler: one call into the program keeps the loop for a quarter of a second. Where it is called from.

import { addChannel, drawReader, kindOf } from './channels.js';
import { cpu } from './blocked-cpu.js';
import { gc } from './blocked-gc.js';
import { runqueue } from './blocked-runqueue.js';
import { syscall } from './blocked-syscall.js';

const names = ['onRequest', 'onOrder', 'handleMessage', 'onReport', 'handleForm', 'onUpload', 'onTicket'];

/** What the program itself measures of a call: time, CPU time, time in the run queue; and of all calls the longest. */
function addAccount(program) {
  program.add(`let worst = { wallMs: 0, cpuMs: 0, delayMs: 0, atMs: 0 };
function account() {
const [cpu, delay] = readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ');
return { atMs: performance.now(), cpuMs: Number(cpu) / 1e6, delayMs: Number(delay) / 1e6 };
}
function note(before) {
const after = account();
const wallMs = after.atMs - before.atMs;
if (wallMs <= worst.wallMs) return;
const cpuMs = after.cpuMs - before.cpuMs;
worst = { wallMs, cpuMs, delayMs: after.delayMs - before.delayMs, atMs: before.atMs };
}`);
}

function onWatch(program, { name, body }) {
  const { draw } = program;
  program.use('underloop', 'READABLE', 'descriptors');
  const kind = draw.pick(['pipe', 'fifo', 'socketpair', 'tcp', 'unix', 'udp', 'eventfd', 'timerfd']);
  const trigger = program.poller === 'epoll' ? draw.pick(['level', 'edge', 'oneshot']) : 'level';
  const periodMs = draw.int(45, 80);
  let channel;
  if (kind === 'timerfd') {
    channel = { kind, rx: 'clock', tx: null, isSocket: false };
    program.add(`const clock = descriptors.timerFd(${periodMs}, ${periodMs});`);
  } else channel = addChannel(program, kind);
  const reader = drawReader(program, channel, 512);
  const rearm = trigger === 'oneshot' ? 'watch.interest = READABLE;' : '';
  // All of it is read, so that the edge trigger is served too.
  const read = `let count = 0;\nwhile (${reader.some(reader.read())}) count++;\nif (count === 0) {\n${rearm}\nreturn;\n}`;
  const handler = program.handler(name, 'readiness, watch', `${read}\n${body}\n${rearm}`);
  const option = trigger === 'level' ? '' : `, { trigger: '${trigger}' }`;
  program.add(`const busyWatch = reactor.watch(${channel.rx}, READABLE, ${handler.ref}${option});`);
  if (channel.tx !== null)
    program.every(
      periodMs,
      'trigger',
      `descriptors.write(${channel.tx}, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]));`,
    );
  program.atEnd(`busyWatch.close();\ndescriptors.close(${channel.rx});`);
  if (channel.tx !== null) program.atEnd(`descriptors.close(${channel.tx});`);
  return kindOf(kind);
}

function onConnection(program, { name, body }) {
  const { draw } = program;
  program.use('underloop', 'connect', 'listen');
  const isUnix = draw.chance(0.4);
  const trigger = program.poller === 'epoll' ? draw.pick(['level', 'edge']) : 'level';
  const flush = draw.pick(['now', 'turn']);
  const handler = program.handler(
    name,
    'connection, buffer, start, end',
    `${body}\nconnection.write(buffer, start, end);`,
  );
  program.alsoNamed('data');
  const place = isUnix ? `path: '\\0work-' + process.pid` : 'port: 0';
  const to = isUnix ? 'path: service.address.path' : 'port: service.address.port';
  program.add(`const service = listen(reactor, { ${place}, trigger: '${trigger}', flush: '${flush}' }, { data: ${handler.ref} });
const customer = connect(reactor, { ${to} }, {});`);
  program.every(
    draw.int(45, 80),
    'trigger',
    `if (!customer.connecting) customer.write('${draw.pick(['a', 'job', 'please'])}');`,
  );
  program.atEnd('customer.close();\nservice.close();');
  return isUnix ? 'unix' : 'tcp';
}

function onOpen(program, { name, body }) {
  const { draw } = program;
  program.use('underloop', 'connect', 'listen');
  const isUnix = draw.chance(0.4);
  const handler = program.handler(name, 'connection', `${body}\nconnection.end();`);
  program.alsoNamed('open');
  const place = isUnix ? `path: '\\0entry-' + process.pid` : 'port: 0';
  const to = isUnix ? 'path: service.address.path' : 'port: service.address.port';
  program.add(`const service = listen(reactor, { ${place} }, { open: ${handler.ref} });`);
  program.every(draw.int(60, 90), 'trigger', `connect(reactor, { ${to} }, {});`);
  program.atEnd('service.close();');
  return isUnix ? 'unix' : 'tcp';
}

function onPair(program, { name, body }) {
  const { draw } = program;
  const isPipe = draw.chance(0.5);
  program.use('underloop', isPipe ? 'pipe' : 'socketPair');
  const handler = program.handler(name, '', body);
  program.alsoNamed('data');
  program.add(
    isPipe
      ? `const { reader, writer } = pipe(reactor, { data: ${handler.ref} });`
      : `const [reader, writer] = socketPair(reactor, { data: ${handler.ref} }, {});`,
  );
  program.every(draw.int(45, 80), 'trigger', "writer.write('next');");
  program.atEnd('writer.close();\nreader.close();');
  return isPipe ? 'pipe' : 'socketpair';
}

function onTimer(program, { name, body }) {
  const { draw } = program;
  const handler = program.handler(name, '', body);
  const periodMs = draw.int(45, 80);
  program.add(
    `function again() {\nreactor.setTimer(${periodMs}, again);\nreactor.setTimer(1, ${handler.ref});\n}\nagain();`,
  );
  return null;
}

function onTask(program, { name, body }) {
  const { draw } = program;
  const handler = program.handler(name, '', body);
  const queue = draw.pick(['post', 'defer']);
  program.every(draw.int(45, 80), 'trigger', `reactor.${queue}(${handler.ref});`);
  return null;
}

function onDatagram(program, { name, body }) {
  const { draw } = program;
  program.use('underloop', 'datagram');
  const isUnix = draw.chance(0.4);
  const handler = program.handler(name, 'socket, buffer, start, end, sender', body);
  program.alsoNamed('message');
  const place = isUnix ? `path: '\\0letters-' + process.pid` : 'port: 0';
  const to = isUnix ? '{ path: inbox.address.path }' : "{ host: '127.0.0.1', port: inbox.address.port }";
  program.add(`const inbox = datagram(reactor, { ${place} }, { message: ${handler.ref} });
const outbox = datagram(reactor, { to: ${to} }, {});`);
  program.every(draw.int(45, 80), 'trigger', 'outbox.send(Buffer.alloc(6, 97));');
  program.atEnd('outbox.close();\ninbox.close();');
  return isUnix ? 'unix' : 'udp';
}

function onAsync(program, { name, body }) {
  const { draw } = program;
  program.use('underloop/async', 'listen as listenAsync');
  program.use('underloop', 'connect');
  program.namelessHandler();
  program.add(`async function ${name}(connection) {
for await (const chunk of connection) {
${body}
await connection.write(chunk);
}
}
const service = listenAsync(reactor, { port: 0 });
async function serveOne() {
const connection = await service.accept();
await ${name}(connection).catch(() => null);
}
void serveOne();
const customer = connect(reactor, { port: service.address.port }, {});`);
  program.every(draw.int(45, 80), 'trigger', "if (!customer.connecting) customer.write('more');");
  program.atEnd('customer.close();\nservice.close();');
  return 'tcp';
}

function onBridge(program, { name, body }) {
  const { draw } = program;
  program.use('underloop/node', 'createNet');
  program.namelessHandler();
  const handler = program.handler(name, 'chunk', body, { expected: false });
  program.add(`const net = createNet(reactor);
const service = net.createServer((socket) => {
socket.on('data', ${handler.ref});
socket.on('error', () => null);
});
const customer = new net.Socket();
customer.on('error', () => null);
service.listen(0, '127.0.0.1', () => customer.connect(service.address().port, '127.0.0.1'));`);
  program.every(draw.int(45, 80), 'trigger', "if (customer.readyState === 'open') customer.write('more');");
  program.atEnd('customer.destroy();\nservice.close();');
  return 'tcp';
}

const places = [
  onWatch,
  onConnection,
  onTimer,
  onPair,
  onTask,
  onDatagram,
  onOpen,
  onAsync,
  onBridge,
  onWatch,
];

/** A template for one kind of work: `addWork(program)` gives `{ blocking, repaired }`, texts of statements. */
function template(addWork) {
  function blockedBy(program, moment, turn) {
    const { draw, clean } = program;
    addAccount(program);
    const { blocking, repaired, blocksMax = draw.int(2, 3) } = addWork(program, moment);
    program.add('let handled = 0;\nlet blocks = 0;');
    const body = `handled++;
if (blocks < ${blocksMax} && ${moment.test('handled')}) {
blocks++;
const before = account();
${clean ? repaired : blocking}
note(before);
}`;
    return places[turn % places.length](program, { name: draw.pick(names), body });
  }
  return Object.assign(blockedBy, { label: addWork.name });
}

/** One family of programs per cause. */
export const blockedHandler = Object.fromEntries(
  Object.entries({ cpu, gc, syscall, runqueue }).map(([cause, works]) => [
    cause,
    { pollers: ['epoll', 'poll', 'select'], templates: works.map(template), cause },
  ]),
);
