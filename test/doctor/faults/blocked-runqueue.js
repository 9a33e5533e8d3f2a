// What has no core to run on: blocked-handler with the cause runqueue.

/** The proof: of the longest call, the time in which the thread wanted to run and did not. */
function addProof(program) {
  program.proves('worst.delayMs >= 110 && worst.delayMs > 0.5 * worst.wallMs', 'worst, handled');
}

/** `crunch(ms)`: so much CPU time, measured before anybody else wants the core. */
function addCrunch(program) {
  program.add(`let crumbs = 1;
function grind(count) {
for (let i = 0; i < count; i++) crumbs = (Math.imul(crumbs, 69069) + i) | 0;
}
function measureGrind() {
grind(2e6);
const before = process.cpuUsage();
grind(2e7);
const { user, system } = process.cpuUsage(before);
return (2e7 / (user + system)) * 1000;
}
const countPerMs = measureGrind();
function crunch(ms) {
grind(countPerMs * ms);
}`);
}

/** Keeps to the first core that it may use, as those do that it starts afterwards. */
function addPin(program) {
  program.use('node:child_process', 'spawn', 'spawnSync');
  program.use('node:fs', 'readFileSync');
  program.add(`const core = /Cpus_allowed_list:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1];
spawnSync('taskset', ['-cp', core, String(process.pid)]);`);
}

/** Its own helpers compete with it, and it has made itself the least important. */
function niced(program, moment) {
  addProof(program);
  const { draw, clean } = program;
  addCrunch(program);
  const nice = draw.int(10, 14);
  const hogs = draw.int(2, 3);
  const delayS = (moment.delayMs / 1000 + 0.1).toFixed(2);
  program.use('node:os', 'setPriority');
  program.add('const helpers = [];');
  if (!clean) {
    addPin(program);
    program.add(`const job = 'sleep ${delayS}; exec timeout 1.1 sh -c "while :; do :; done"';
for (let i = 0; i < ${hogs}; i++) helpers.push(spawn('sh', ['-c', job], { stdio: 'ignore' }));
setPriority(${nice});`);
  } else program.add('setPriority(0);');
  program.atEnd('for (const helper of helpers) helper.kill();');
  return { blocking: 'crunch(14);', repaired: 'crunch(14);', blocksMax: 12 };
}

/** More threads that compute than there are cores for them. */
function threads(program, moment) {
  addProof(program);
  const { draw, clean } = program;
  addCrunch(program);
  const count = draw.int(5, 7);
  program.use('node:worker_threads', 'Worker');
  program.add('const workers = [];');
  if (!clean) {
    addPin(program);
    program.add(`const code = 'const untilMs = performance.now() + 1300; while (performance.now() < untilMs);';
setTimeout(startAll, ${moment.delayMs});`);
  } else program.add("const code = '0';\nsetTimeout(startAll, 30);");
  program.add(`function startAll() {
for (let i = 0; i < ${clean ? 1 : count}; i++) workers.push(new Worker(code, { eval: true, execArgv: [] }));
}`);
  program.atEnd('for (const worker of workers) void worker.terminate();');
  return { blocking: 'crunch(50);', repaired: 'crunch(12);', blocksMax: 8 };
}

/** Hundreds of passwords for the thread pool, whose threads stand on the same core. */
function pooled(program, moment) {
  addProof(program);
  const { draw, clean } = program;
  addCrunch(program);
  program.use('node:crypto', 'pbkdf2');
  const count = draw.int(12, 18);
  program.add('let hashed = 0;');
  if (!clean) addPin(program);
  const rounds = clean ? 1000 : 150_000;
  program.add(`function hashAll() {
for (let i = 0; i < ${count}; i++) pbkdf2('password', 'salt', ${rounds}, 32, 'sha256', () => hashed++);
}
setTimeout(hashAll, ${moment.delayMs});`);
  return { blocking: 'crunch(60);', repaired: 'crunch(12);', blocksMax: 8 };
}

/** Compresses beside it, several times, on the one core that it has left for itself. */
function compressors(program, moment) {
  addProof(program);
  const { draw, clean } = program;
  addCrunch(program);
  program.add('const helpers = [];');
  const count = draw.int(5, 7);
  const delayS = (moment.delayMs / 1000 + 0.1).toFixed(2);
  if (!clean) {
    addPin(program);
    program.add(`const job = 'sleep ${delayS}; exec timeout 1.2 gzip -9';
for (let i = 0; i < ${count}; i++) {
const command = job + ' < /dev/zero > /dev/null';
helpers.push(spawn('sh', ['-c', command], { stdio: 'ignore' }));
}`);
  }
  program.atEnd('for (const helper of helpers) helper.kill();');
  return { blocking: 'crunch(50);', repaired: 'crunch(12);', blocksMax: 8 };
}

export const runqueue = [niced, threads, compressors, pooled];
