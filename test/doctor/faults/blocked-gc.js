// What makes the collector work: blocked-handler with the cause gc.

/** The proof: of the longest call, the part that the collector says it took. */
function addProof(program) {
  program.use('node:perf_hooks', 'PerformanceObserver');
  program.add(`const collections = [];
const collector = new PerformanceObserver((list) => collections.push(...list.getEntries()));
collector.observe({ entryTypes: ['gc'] });
function collectedMs() {
collections.push(...collector.takeRecords());
let sum = 0;
for (const { startTime, duration } of collections) {
if (startTime >= worst.atMs - 1 && startTime <= worst.atMs + worst.wallMs) sum += duration;
}
return sum;
}`);
  program.atEnd('collector.disconnect();\nconst gcMs = collectedMs();');
  program.proves('gcMs >= 110 && gcMs > 0.5 * worst.wallMs', 'worst, gcMs, handled');
}

/** Small objects that live as long as the program: what a full collection has to go through. */
function addHeap(program, count) {
  if (program.clean) {
    program.add('const catalogue = new Float64Array(1000);');
    return;
  }
  program.add(`const catalogue = [];
for (let i = 0; i < ${count}; i++) catalogue.push({ id: i, next: catalogue[i >> 1], tags: [i, i + 1] });`);
}

function exposeGc(program) {
  program.use('node:v8', 'setFlagsFromString');
  program.use('node:vm', 'runInNewContext');
  program.add("setFlagsFromString('--expose-gc');\nconst collect = runInNewContext('gc');");
}

/** Collects by itself after each job, to keep memory small. */
function forced(program) {
  addProof(program);
  exposeGc(program);
  addHeap(program, program.draw.int(400, 600) * 1000);
  const ms = program.draw.int(200, 300);
  return {
    blocking: `do collect();\nwhile (performance.now() - before.atMs < ${ms});`,
    repaired: 'catalogue[0] = catalogue.length;',
  };
}

/** A guard of memory that sees too much of it, and collects until it is less; it never is. */
function guarded(program) {
  addProof(program);
  exposeGc(program);
  addHeap(program, program.draw.int(300, 500) * 1000);
  const tries = program.draw.int(4, 6);
  return {
    blocking: `for (let tries = 0; tries < ${tries} || performance.now() - before.atMs < 180; tries++) {
if (process.memoryUsage().heapUsed < 1e6) break;
collect();
}`,
    repaired: 'catalogue[0] = process.memoryUsage().heapUsed;',
  };
}

/** A list that is built anew, of objects that all survive: each is copied twice before it is old. */
function rebuilt(program) {
  addProof(program);
  const part = program.draw.int(20, 40) * 1000;
  const ms = program.draw.int(260, 340);
  program.add('let index = [];');
  return {
    blocking: `index = [];
do {
for (let i = 0; i < ${part}; i++) index.push([i]);
} while (performance.now() - before.atMs < ${ms});`,
    repaired: 'index = [handled];',
  };
}

/** A window over what came last: everything lives just long enough to be copied. */
function windowed(program) {
  addProof(program);
  const size = program.draw.int(200, 300) * 1000;
  const ms = program.draw.int(260, 340);
  program.add(`const recent = new Array(${program.clean ? 10 : size});\nlet at = 0;`);
  return {
    blocking: `do {
for (let i = 0; i < 20000; i++) {
recent[at] = { value: at };
at = (at + 1) % recent.length;
}
} while (performance.now() - before.atMs < ${ms});`,
    repaired: 'recent[at] = handled;\nat = (at + 1) % recent.length;',
  };
}

export const gc = [forced, rebuilt, guarded, windowed];
