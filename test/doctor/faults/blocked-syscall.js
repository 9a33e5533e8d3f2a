// What sleeps in a system call: blocked-handler with the cause syscall.

/** The proof: of the longest call, the time in which the thread neither ran nor wanted to. */
function addProof(program) {
  program.add(`function asleepMs() {
return worst.wallMs - worst.cpuMs - worst.delayMs;
}`);
  program.proves(
    'asleepMs() >= 110 && asleepMs() > 0.6 * (worst.wallMs - worst.delayMs)',
    'worst, asleepMs: asleepMs(), handled',
  );
}

function drawSeconds(draw) {
  return (draw.int(22, 38) / 100).toFixed(2);
}

/** Runs a program and waits for it. */
function commanded(program) {
  addProof(program);
  const { draw } = program;
  const seconds = drawSeconds(draw);
  const way = draw.pick(['spawnSync', 'execFileSync', 'execSync']);
  program.use('node:child_process', way);
  const call = way === 'execSync' ? `execSync('sleep ${seconds}')` : `${way}('sleep', ['${seconds}'])`;
  return { blocking: `${call};`, repaired: `setTimeout(() => null, ${Number(seconds) * 1000});` };
}

/** Reads a FIFO into which somebody will write in a while. */
function awaitedFifo(program) {
  addProof(program);
  const { draw } = program;
  const seconds = drawSeconds(draw);
  program.use('node:child_process', 'execFileSync', 'spawn');
  program.use('node:fs', 'mkdtempSync', 'rmSync');
  program.use('node:os', 'tmpdir');
  program.use('node:path', 'join');
  program.add(`const folder = mkdtempSync(join(tmpdir(), 'answers-'));
const fifo = join(folder, 'answer');
execFileSync('mkfifo', [fifo]);
const answer = 'for i in 1 2 3 4 5 6; do sleep ${seconds}; echo done > ' + fifo + '; done';
let writer = null;`);
  program.atEnd('writer?.kill();\nrmSync(folder, { recursive: true });');
  program.add(`function ask() {
writer ??= spawn('sh', ['-c', answer], { stdio: 'ignore' });
}`);
  return {
    blocking: `ask();\nreadFileSync(fifo);`,
    repaired: 'setTimeout(() => (writer ??= null), 200);',
    blocksMax: draw.int(2, 3),
  };
}

/** Waits for a word in shared memory. */
function waited(program) {
  addProof(program);
  const ms = program.draw.int(220, 380);
  program.add('const lock = new Int32Array(new SharedArrayBuffer(4));');
  return {
    blocking: `Atomics.wait(lock, 0, 0, ${ms});`,
    repaired: `reactor.setTimer(${ms}, () => lock.fill(0));`,
  };
}

/** Asks another server over a socket that blocks. */
function blockingClient(program) {
  addProof(program);
  const ms = program.draw.int(220, 360);
  program.use('underloop/blocking', 'connect as connectBlocking');
  program.use('underloop', 'connect as connectUpstream');
  program.use('node:worker_threads', 'Worker');
  program.add(`const code = [
"const { createServer } = require('node:net');",
"const { parentPort } = require('node:worker_threads');",
"const server = createServer((socket) => socket.on('error', () => null).on('data', () => setTimeout(() => socket.end('ok'), ${ms})));",
"server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));",
].join(' ');
const upstream = new Worker(code, { eval: true, execArgv: [] });
const upstreamPort = await new Promise((resolve) => upstream.once('message', resolve));
upstream.unref();`);
  program.atEnd('void upstream.terminate();');
  return {
    blocking: `const link = connectBlocking({ port: upstreamPort });
link.write(Buffer.from('?'));
link.readExactly(2);
link.close();`,
    repaired: `connectUpstream(reactor, { port: upstreamPort }, {
open(connection) {
connection.write('?');
},
});`,
  };
}

/** Waits with a poller of its own, in the middle of the loop. */
function innerPoller(program) {
  addProof(program);
  const ms = program.draw.int(220, 360);
  program.use('underloop', 'EVENT_STRIDE', 'Poller', 'READABLE', 'descriptors');
  program.add(`const inner = new Poller();
const alarm = descriptors.eventFd();
inner.add(alarm, READABLE);
const found = new Int32Array(8 * EVENT_STRIDE);`);
  program.atEnd('inner.close();\ndescriptors.close(alarm);');
  return { blocking: `inner.wait(found, ${ms});`, repaired: 'inner.wait(found, 0);' };
}

export const syscall = [commanded, waited, blockingClient, innerPoller, awaitedFifo];
