// The bar of record and replay, as a program: node test/replay/bar.js [--messages N] [--replays N] [--changes N] [--back EVENT]
// A program of about a million events, replayed many times to one state hash; changed programs, each reported at the first event
// that differs, which an account of its own (logger.js) confirms; and how long one step back takes.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { record, replay } from '../../dist/replay/run.js';
import { ReplaySession } from '../../dist/replay/session.js';
import { changed } from './changes.js';

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '90000' },
    replays: { type: 'string', default: '100' },
    changes: { type: 'string', default: '100' },
    back: { type: 'string', default: '100000' },
  },
});
const [messages, replays, changes, backAt] = [
  values.messages,
  values.replays,
  values.changes,
  values.back,
].map(Number);
const program = (name) => fileURLToPath(new URL(`programs/${name}`, import.meta.url));
const index = (folder) => new URL(`../../dist/${folder}index.js`, import.meta.url).href;
const folder = mkdtempSync(join(tmpdir(), 'underloop-bar-'));
const failures = [];
const fail = (text) => {
  failures.push(text);
  console.log(`FAILED: ${text}`);
};
const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
const silent = { onOutput: () => {} };

async function many() {
  if (messages === 0) return;
  const file = join(folder, 'load.rec');
  const { code, extent, summary } = await record({
    script: program('load.js'),
    args: [String(messages), '200'],
    file,
    bytesMax: 2 ** 32,
    imports: [],
    version: '0.0.0',
    ...silent,
  });
  console.log(
    `recorded ${extent.events} events, ${extent.bytes} bytes; exit status ${code}; not covered: ${summary.uncovered.length}`,
  );
  const times = [];
  const hashes = new Set();
  let same = 0;
  for (let i = 0; i < replays; i++) {
    const begun = performance.now();
    const { verdict, circumstances } = await replay({ file });
    times.push(circumstances.elapsedMs);
    void begun;
    if (verdict?.type === 'same' && verdict.events === extent.events) same++;
    else fail(`replay ${i}: ${JSON.stringify(verdict)}`);
    hashes.add(verdict?.stateHash);
  }
  console.log(
    `replayed ${same} of ${replays} times the same, with ${hashes.size} state hash(es): ${[...hashes].join(' ')}; ` +
      `one takes ${seconds(median(times))} (${seconds(Math.min(...times))} to ${seconds(Math.max(...times))})`,
  );
  if (hashes.size > 1) fail('there are several state hashes');
  await back(file);
}

/** Milliseconds from `back` to the hold. */
async function back(file) {
  const session = new ReplaySession(file, { event: backAt, input: 'ignore' });
  const held = () =>
    new Promise((resolve) => {
      const hear = (message) => {
        if (message.type !== 'held') return;
        session.off('message', hear);
        resolve(message);
      };
      session.on('message', hear);
    });
  let place = (await held()).replay;
  const times = [];
  for (let i = 0; i < 5; i++) {
    const begun = performance.now();
    const next = held();
    session.send({ do: 'back', count: 1 });
    const before = place;
    place = (await next).replay;
    times.push(performance.now() - begun);
    if (place.item !== before.item - 1) fail(`one step back from item ${before.item} came to ${place.item}`);
  }
  await session.stop();
  console.log(`one step back at event ${backAt}: ${times.map(seconds).join(', ')}`);
  if (median(times) > 2000) fail('one step back takes more than 2 s');
}

/** The lines of the account of one replay. */
async function account(file, script) {
  const log = join(folder, 'account.txt');
  writeFileSync(log, '');
  const { verdict } = await replay({
    file,
    script,
    imports: [new URL('logger.js', import.meta.url).href],
    environment: { LOGGER_FILE: log },
  });
  const lines = readFileSync(log, 'utf8').split('\n');
  lines.pop();
  return { verdict, lines };
}

/** The first place at which two lists differ; the end of the shorter one if they do not before. */
function firstDifference(one, two) {
  let at = 0;
  while (at < one.length && at < two.length && one[at] === two[at]) at++;
  return at;
}

async function change() {
  const templates = [];
  for (const [name, args] of [
    ['echo.js', ['3']],
    ['async.js', []],
    ['datagrams.js', []],
    ['reactors.js', []],
    ['descriptors.js', []],
    ['load.js', ['60', '6']],
  ]) {
    const source = readFileSync(program(name), 'utf8').replaceAll(
      /'(\.\.\/){3}dist\/(\w*\/?)index\.js'/g,
      (_all, _up, sub) => `'${index(sub)}'`,
    );
    const script = join(folder, name.replace('.js', '.mjs'));
    const file = join(folder, `${name}.rec`);
    writeFileSync(script, source);
    const { code } = await record({
      script,
      args,
      file,
      bytesMax: 2 ** 30,
      imports: [],
      version: '0.0.0',
      ...silent,
    });
    const original = await account(file, script);
    if (code !== 0 || original.verdict?.type !== 'same' || original.lines.length < 20)
      fail(`${name}: ${JSON.stringify(original.verdict)}`);
    templates.push({ name, source, file, lines: original.lines });
  }
  const met = { reported: 0, equal: 0, kinds: {} };
  for (let seed = 1; met.reported < changes && seed < changes * 6; seed++) {
    const template = templates[seed % templates.length];
    const made = changed(template.source, seed);
    if (made === null) continue;
    const script = join(folder, `change-${seed}.mjs`);
    writeFileSync(script, made.text);
    if (spawnSync(process.execPath, ['--check', script]).status !== 0) continue;
    const { verdict, lines } = await account(template.file, script);
    const at = firstDifference(template.lines, lines);
    const what = `seed ${seed}, ${template.name}:${made.line} (${made.name})`;
    if (verdict?.type === 'same') {
      if (at !== lines.length || at !== template.lines.length)
        fail(`${what}: said to be the same, and differs at line ${at + 1}`);
      met.equal++;
      continue;
    }
    if (verdict?.type !== 'differs') {
      fail(`${what}: ${JSON.stringify(verdict)}`);
      continue;
    }
    // The account was written before the comparison: its last line is the first that differs, and none follows. Or what differs is
    // no call and is told of nobody (a date, the output): then it has all lines up to there, and no other.
    const last = lines.length - 1;
    const exact = at === last || at === lines.length;
    if (!exact)
      fail(
        `${what}: the account differs at line ${at + 1} of ${lines.length}: ${lines[at]}; ${JSON.stringify(verdict)}`,
      );
    met.reported++;
    met.kinds[made.name] = (met.kinds[made.name] ?? 0) + 1;
    rmSync(script);
  }
  console.log(
    `${met.reported} changed programs were reported at the first event that differs; ${met.equal} changes changed nothing, and were said to be the same`,
  );
  console.log(JSON.stringify(met.kinds));
  if (met.reported < changes) fail(`only ${met.reported} changes were found`);
}

try {
  await many();
  if (changes > 0) await change();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(failures.length === 0 ? 'all bars are met' : `${failures.length} failures`);
process.exitCode = failures.length === 0 ? 0 : 1;
