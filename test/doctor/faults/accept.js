// The mistake accept-emfile: no descriptor is left, the connection stays in the queue, and accepting is tried again at once.

/** The server's address, a socket that listens there, and how many descriptors are left when it gets tight. */
function addServer(program) {
  const { draw } = program;
  program.use('underloop', 'nativeKernel', 'READABLE');
  const isUnix = draw.chance(0.35);
  const address = isUnix
    ? `{ family: 'unix', path: '\\0front-' + process.pid }`
    : `{ family: 4, host: '127.0.0.1', port: 0 }`;
  const family = isUnix ? "'unix'" : '4';
  const kernel = draw.pick(['nativeKernel', 'reactor.kernel']);
  program.add(`const family = ${family};
const listening = nativeKernel.socket(family);
nativeKernel.bind(listening, ${address});
nativeKernel.listen(listening, ${draw.int(32, 200)});
const where = nativeKernel.localAddress(listening);
let accepted = 0;
let refusals = 0;
const guests = [];
const callers = [];`);
  addLimit(program);
  program.proves('refusals >= 500', 'accepted, refusals');
  return { accept: `${kernel}.accept(listening)` };
}

/** Lowers this process's own limit of descriptors; only `spare` more than are open now. */
function addLimit(program) {
  const spare = program.draw.int(24, 48);
  program.use('node:child_process', 'spawnSync');
  program.use('node:fs', 'closeSync', 'openSync', 'readdirSync');
  program.use('node:os', 'constants as os');
  program.add(`const EMFILE = -os.errno.EMFILE;
const held = [];
function lowerLimit() {
const open = readdirSync('/proc/self/fd').length;
spawnSync('prlimit', ['--pid', String(process.pid), '--nofile=' + (open + ${spare})]);
}
function openAll() {
for (;;) {
try {
held.push(openSync('/dev/null'));
} catch {
return;
}
}
}
function releaseAll() {
for (const fd of held.splice(0)) closeSync(fd);
}`);
  program.atEnd('releaseAll();');
}

/**
 * What brings it about: at some moment callers connect and wait in the queue, and files are opened until none is left.
 * With `repeated`, they are given back, and it comes again.
 */
function addShortage(program, moment) {
  const { draw } = program;
  const count = draw.int(1, 6);
  program.add('lowerLimit();');
  program.add(`function shortage() {
for (let i = 0; i < ${count}; i++) {
const fd = nativeKernel.socket(family);
if (fd < 0) break;
nativeKernel.connect(fd, where);
callers.push(fd);
}
openAll();
}`);
  if (moment.repeated) {
    program.add(`let rounds = 0;
function round() {
rounds++;
if (rounds % 2 === 1) shortage();
else releaseAll();
}`);
    program.every(draw.int(180, 260), 'nextRound', 'round();');
  } else program.later(moment.delayMs, 'begin', 'shortage();');
  program.atEnd('for (const fd of [...callers, ...guests]) nativeKernel.close(fd);');
}

/** A caller now and then while all is well. */
function addVisitors(program) {
  program.every(
    program.draw.int(40, 90),
    'visit',
    `if (held.length > 0) return;
for (const fd of callers.splice(0)) nativeKernel.close(fd);
for (const fd of guests.splice(0)) nativeKernel.close(fd);
const fd = nativeKernel.socket(family);
if (fd < 0) return;
nativeKernel.connect(fd, where);
callers.push(fd);`,
  );
}

function watchDoor(program, handler, options = '') {
  program.add(`const door = reactor.watch(listening, READABLE, ${handler.ref}${options});`);
  program.atEnd('door.close();\nnativeKernel.close(listening);');
}

const rest = `door.interest = NONE;
reactor.setTimer(100, () => {
if (!door.closed) door.interest = READABLE;
});`;

const names = ['onCaller', 'acceptNext', 'onIncoming', 'takeCaller', 'receiveGuest'];

/** Takes every error for "nobody waits any more". */
function takenForEmpty(program, moment) {
  const { draw, clean } = program;
  const { accept } = addServer(program);
  program.use('underloop', 'NONE');
  const loop = draw.chance(0.5);
  const onError = `if (fd === EMFILE) {
refusals++;
${clean ? rest : ''}
}
if (fd < 0) return;
accepted++;
guests.push(fd);`;
  const body = loop
    ? `for (;;) {\nconst fd = ${accept};\n${onError}\n}`
    : `const fd = ${accept};\n${onError}`;
  watchDoor(program, program.handler(draw.pick(names), '', body));
  addShortage(program, moment);
  addVisitors(program);
  return 'listener';
}

/** Throws, somebody notes it, and the next turn throws again. */
function thrown(program, moment) {
  const { draw, clean } = program;
  program.reactorOption('onError: () => {\nerrors++;\n}');
  program.before('let errors = 0;');
  const { accept } = addServer(program);
  program.use('underloop', 'NONE');
  const body = `const fd = ${accept};
if (fd === EMFILE) {
refusals++;
${clean ? rest : ''}
throw new Error('accept: EMFILE');
}
if (fd < 0) return;
accepted++;
guests.push(fd);`;
  watchDoor(program, program.handler(draw.pick(names), '', body));
  addShortage(program, moment);
  addVisitors(program);
  return 'listener';
}

/** A oneshot that is rearmed whatever accept() said. */
function rearmed(program, moment) {
  const { draw, clean } = program;
  const { accept } = addServer(program);
  const again = clean
    ? `if (fd === EMFILE) reactor.setTimer(120, () => {
if (!door.closed) door.interest = READABLE;
});
else door.interest = READABLE;`
    : 'door.interest = READABLE;';
  const body = `const fd = ${accept};
if (fd === EMFILE) refusals++;
if (fd >= 0) {
accepted++;
guests.push(fd);
}
${again}`;
  watchDoor(program, program.handler(draw.pick(names), '', body), ", { trigger: 'oneshot' }");
  addShortage(program, moment);
  addVisitors(program);
  return 'listener';
}

/** Edge-triggered, so it queues itself to try again, and does so without a pause. */
function retried(program, moment) {
  const { draw, clean } = program;
  const { accept } = addServer(program);
  const name = draw.pick(names);
  const soon = draw.pick([
    'reactor.post(retry)',
    'reactor.defer(retry)',
    'reactor.setTimer(0, retry)',
    'setImmediate(retry)',
  ]);
  const body = `for (;;) {
const fd = ${accept};
if (fd === EMFILE) {
refusals++;
${clean ? 'reactor.setTimer(100, retry)' : soon};
return;
}
if (fd < 0) return;
accepted++;
guests.push(fd);
}`;
  const handler = program.handler(name, '', body);
  program.alsoNamed('retry');
  program.add(`function retry() {\nif (!door.closed) ${handler.call('')};\n}`);
  watchDoor(program, handler, ", { trigger: 'edge' }");
  addShortage(program, moment);
  addVisitors(program);
  return 'listener';
}

/** Never closes whom it has accepted: callers come and go, and one day none is accepted any more. */
function leaked(program, moment) {
  const { draw, clean } = program;
  const { accept } = addServer(program);
  const greet = draw.chance(0.5);
  program.add("const greeting = Buffer.from('220 ready\\r\\n');");
  const body = `for (let i = 0; i < 16; i++) {
const fd = ${accept};
if (fd === EMFILE) refusals++;
if (fd < 0) return;
accepted++;
${greet ? 'nativeKernel.sendBytes(fd, greeting, 0, greeting.length);' : ''}
${clean ? 'nativeKernel.close(fd);' : 'guests.push(fd);'}
}`;
  watchDoor(program, program.handler(draw.pick(names), '', body));
  program.add('lowerLimit();');
  program.every(
    moment.kind === 'at-once' ? 2 : draw.int(6, 10),
    'visit',
    `for (const fd of callers.splice(0)) nativeKernel.close(fd);
const fd = nativeKernel.socket(family);
if (fd < 0) return;
nativeKernel.connect(fd, where);
callers.push(fd);`,
  );
  program.atEnd('for (const fd of [...callers, ...guests]) nativeKernel.close(fd);');
  return 'listener';
}

/** The library's listener rests by itself; its handler puts a new one in its place, at once. */
function reopened(program, moment) {
  const { draw, clean } = program;
  program.use('underloop', 'connect', 'listen');
  addLimit(program);
  program.add(`let refusals = 0;
let accepted = 0;
let listener = null;
const server = {
open() {
accepted++;
},
acceptError() {
refusals++;
${clean ? '' : 'listener.close();\nserve();'}
},
};
function serve() {
listener = listen(reactor, { port }, server);
}
let port = 0;
serve();
port = listener.address.port;
let tight = false;
function call() {
try {
connect(reactor, { port }, { close: () => tight && reactor.setTimer(1, call) });
} catch {
reactor.setTimer(5, call);
}
}`);
  program.proves('refusals >= 150', 'accepted, refusals');
  program.add('lowerLimit();');
  const callers = draw.int(1, 4);
  program.later(
    moment.delayMs,
    'begin',
    `tight = true;\nfor (let i = 0; i < ${callers}; i++) call();\nopenAll();`,
  );
  program.namelessHandler();
  program.atEnd('tight = false;');
  return 'listener';
}

export const acceptEmfile = {
  pollers: ['epoll', 'poll', 'select'],
  templates: [takenForEmpty, thrown, rearmed, retried, leaked, reopened],
  needsEpoll: [rearmed, retried],
};
