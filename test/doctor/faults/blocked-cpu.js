// What computes too long: blocked-handler with the cause cpu.

/** The proof: the longest call took its time on the processor. */
function addProof(program) {
  program.proves(
    'worst.cpuMs >= 110 && worst.cpuMs > 0.6 * (worst.wallMs - worst.delayMs)',
    'worst, handled',
  );
}

/** `piece` for so many milliseconds of CPU in one go, or in slices of which none is long. */
function untilDone(program, piece) {
  const ms = program.draw.int(220, 360);
  program.add(`function cpuMs() {
const { user, system } = process.cpuUsage();
return (user + system) / 1000;
}`);
  program.add(`let slicesLeft = 0;
function slice() {
${piece}
if (--slicesLeft > 0) reactor.setTimer(3, slice);
}`);
  return {
    blocking: `const untilMs = cpuMs() + ${ms};
do {
${piece}
} while (cpuMs() < untilMs);`,
    repaired: `if (slicesLeft <= 0) {
slicesLeft = 20;
slice();
}`,
  };
}

function hashing(program) {
  program.use('node:crypto', 'pbkdf2', 'pbkdf2Sync');
  addProof(program);
  const rounds = program.draw.int(8, 14) * 1000;
  program.add("let digest = Buffer.from('secret');");
  const { blocking } = untilDone(program, `digest = pbkdf2Sync(digest, 'salt', ${rounds}, 32, 'sha256');`);
  return {
    blocking,
    repaired: `pbkdf2(digest, 'salt', ${rounds}, 32, 'sha256', (error, key) => (digest = key ?? digest));`,
  };
}

function matching(program) {
  addProof(program);
  const length = program.draw.int(15, 17);
  program.add(`const subject = '${'a'.repeat(length)}!';\nlet matches = 0;`);
  const { blocking } = untilDone(program, 'if (/^(a+)+$/.test(subject)) matches++;');
  return { blocking, repaired: 'if (/^a+$/.test(subject)) matches++;' };
}

function sorting(program) {
  addProof(program);
  const count = program.draw.int(15, 25) * 1000;
  program.add(`const prices = new Float64Array(${count});
let seed = 1;
function shuffle() {
for (let i = 0; i < prices.length; i++) {
seed = (Math.imul(seed, 1103515245) + 12345) | 0;
prices[i] = seed;
}
}`);
  return untilDone(program, 'shuffle();\nprices.sort();');
}

function compressing(program) {
  program.use('node:zlib', 'gzip', 'gzipSync');
  addProof(program);
  const text = program.draw.int(100, 180) * 1000;
  program.add(`const page = Buffer.alloc(${text});
for (let i = 0; i < page.length; i++) page[i] = 97 + ((i * i) % 23);
let packed = 0;`);
  const { blocking } = untilDone(program, 'packed += gzipSync(page).length;');
  return { blocking, repaired: 'gzip(page, (error, bytes) => (packed += bytes?.length ?? 0));' };
}

function counting(program) {
  addProof(program);
  const limit = program.draw.int(8, 14) * 1000;
  program.add(`let primes = 0;
function countPrimes() {
for (let n = 2; n < ${limit}; n++) {
let isPrime = true;
for (let d = 2; d * d <= n; d++) if (n % d === 0) isPrime = false;
if (isPrime) primes++;
}
}`);
  return untilDone(program, 'countPrimes();');
}

function comparing(program) {
  addProof(program);
  const length = program.draw.int(300, 500);
  program.add(`const row = new Int32Array(${length} + 1);
let distance = 0;
function compare() {
for (let j = 0; j <= ${length}; j++) row[j] = j;
for (let i = 1; i <= ${length}; i++) {
let before = row[0];
row[0] = i;
for (let j = 1; j <= ${length}; j++) {
const cost = (i * 7) % 26 === (j * 11) % 26 ? 0 : 1;
const next = Math.min(row[j] + 1, row[j - 1] + 1, before + cost);
before = row[j];
row[j] = next;
}
}
distance += row[${length}];
}`);
  return untilDone(program, 'compare();');
}

export const cpu = [hashing, matching, sorting, compressing, counting, comparing];
