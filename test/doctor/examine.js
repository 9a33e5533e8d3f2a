// The doctor's examination: programs with one known mistake each, and programs without any. `--help` says how.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { EXIT, interruptible } from '../../dist/cli/exit.js';
import { generate } from './faults/index.js';
import { FOUND_LEAST, judgeClean, judgeFault, summarize } from './judge.js';
import { ROOT, runAlone, runDoctor, writeProgram } from './programs.js';

const FOREIGN = path.join(import.meta.dirname, 'foreign');
/** Runs of a program that did not prove what it is to prove: the machine was too busy for it. */
const TRIES_MAX = 3;
/** Time in the run queue from which on a machine is too busy to judge a program without a mistake by. */
const BUSY_MS = 100;
/** Of a call that blocked for another cause: what may be waiting for a core, for the cause to be plain. */
const DELAY_SHARE = 0.35;

const HELP = `Examines 'underloop doctor' with programs of which the mistake is known.

usage: node test/doctor/examine.js [options]
  --seeds LIST    programs made from these seeds, such as 0-249 or 3,7,20-29 (0-249 if nothing else is asked for)
  --clean N       twins without the mistake, of N seeds among them
  --foreign       programs written by hand, in test/doctor/foreign/
  --class ID      only those of one class
  --jobs N        so many at a time (default 1: timings are part of what is judged)
  --self-check    without the doctor: does each program prove its own mistake, and each twin that it has none?
  --json FILE     all results
  --show SEED     prints a program; with --clean 1 its twin
  --help          this text

A program that does not prove its mistake, because the machine is busy, is run again, ${TRIES_MAX} times at most, and then counts
for nobody; more than 5% of those is a failure. Where a call that blocks has waited for a core as well, three times in a row,
that cause is right too. The programs are left in build/doctor/.

exit status: 0 at least ${FOUND_LEAST * 100}% found, and nothing found in what is clean; 1 not so; 2 usage; 130 interrupted
`;

class UsageError extends Error {}

function seedsOf(text) {
  return text.split(',').flatMap((part) => {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
    if (first === undefined || Number(last) < Number(first) || Number(last) > 1e6)
      throw new UsageError(`--seeds: ${part} is neither a number nor a range such as 0-249`);
    return Array.from({ length: Number(last) - Number(first) + 1 }, (_, i) => Number(first) + i);
  });
}

function readOptions() {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        seeds: { type: 'string' },
        clean: { type: 'string' },
        foreign: { type: 'boolean', default: false },
        class: { type: 'string' },
        jobs: { type: 'string', default: '1' },
        'self-check': { type: 'boolean', default: false },
        json: { type: 'string' },
        show: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(error.message);
  }
  for (const name of ['clean', 'jobs', 'show']) {
    if (values[name] !== undefined && !/^\d+$/.test(values[name]))
      throw new UsageError(`--${name}: a whole number`);
  }
  const onlyOthers = values.foreign || values.clean !== undefined;
  return {
    ...values,
    seeds: values.seeds === undefined ? (onlyOthers ? [] : seedsOf('0-249')) : seedsOf(values.seeds),
    cleanOf: values.seeds === undefined ? seedsOf('0-249') : seedsOf(values.seeds),
    clean: Number(values.clean ?? 0),
    jobs: Math.max(Number(values.jobs), 1),
    isAlone: values['self-check'],
  };
}

function foreignCases() {
  const list = path.join(FOREIGN, 'expected.json');
  if (!existsSync(list)) throw new UsageError('--foreign: test/doctor/foreign/expected.json is not there');
  return Object.entries(JSON.parse(readFileSync(list, 'utf8'))).map(([name, expected]) => ({
    name,
    kind: expected === null ? 'clean' : 'fault',
    expected: expected === null ? null : { cause: null, handler: null, ...expected },
    file: path.join(FOREIGN, name),
  }));
}

function casesOf({ seeds, clean, cleanOf, foreign, class: id }) {
  const twins = Array.from(
    { length: Math.min(clean, cleanOf.length) },
    (_, i) => cleanOf[Math.floor((i * cleanOf.length) / Math.min(clean, cleanOf.length))],
  );
  const make = (seed, kind) => {
    const { text, expected } = generate(seed, { clean: kind === 'clean' });
    const name = kind === 'clean' ? `clean-${seed}` : `seed-${seed}`;
    return { name, kind, seed, expected, text };
  };
  const made = [...seeds.map((seed) => make(seed, 'fault')), ...twins.map((seed) => make(seed, 'clean'))];
  const all = [...made, ...(foreign ? foreignCases() : [])];
  return id === undefined ? all : all.filter(({ expected }) => expected?.class === id);
}

/** A call that blocked for another cause, and for a good part of its time waited for a core as well. */
function isMixed({ expected }, { proof }) {
  const worst = proof?.evidence.worst;
  if (worst === undefined || expected.cause === 'runqueue') return false;
  return worst.delayMs > DELAY_SHARE * worst.wallMs;
}

/** Whether this run can be judged: the program has shown what it is, and nobody else has made it look otherwise. */
function isProven({ kind }, { proof, findings, code }) {
  if (proof === null) return code !== 0 || findings !== undefined; // nothing to go by, so judged as it is
  if (kind === 'fault') return proof.fault;
  const waitedForCore =
    findings?.some(({ cause }) => cause === 'runqueue') && proof.evidence.runDelayMs >= BUSY_MS;
  return !proof.fault && !waitedForCore;
}

async function examine(one, isAlone, signal) {
  const file = one.file ?? writeProgram(one.name, one.text);
  let run = null;
  let tries = 0;
  while (tries < TRIES_MAX && !signal.aborted) {
    tries++;
    run = await (isAlone ? runAlone : runDoctor)(file, signal);
    if (isProven(one, run) && (isAlone || !isMixed(one, run))) break;
  }
  if (signal.aborted) return null;
  const { code, proof, findings, errors, ms } = run;
  const judged = judge(one, run, isAlone);
  const { name, kind, seed, expected } = one;
  return {
    name,
    kind,
    seed,
    expected,
    ...judged,
    tries,
    code,
    ms: Math.round(ms),
    proof,
    findings,
    errors: errors.slice(-2000),
  };
}

function judge(one, run, isAlone) {
  const isClean = one.kind === 'clean';
  if (isAlone) {
    if (run.code !== 0 || run.proof === null) return { verdict: 'failed', extra: [] };
    if (run.proof.fault === isClean) return { verdict: 'unproven', extra: [] };
    return { verdict: isClean ? 'silent' : 'found', extra: [] };
  }
  if (!Array.isArray(run.findings)) return { verdict: 'failed', extra: [] };
  if (!isProven(one, run)) return { verdict: 'unproven', extra: [] };
  if (isClean) return judgeClean(run.findings);
  const { expected } = one;
  return judgeFault(run.findings, expected, isMixed(one, run) ? 'runqueue' : expected.cause);
}

async function examineAll(cases, { jobs, isAlone }, signal) {
  const results = [];
  const waiting = [...cases];
  const startedMs = performance.now();
  const worker = async () => {
    for (let one = waiting.shift(); one !== undefined && !signal.aborted; one = waiting.shift()) {
      const result = await examine(one, isAlone, signal);
      if (result === null) return;
      results.push(result);
      tell(result, results.length, cases.length, startedMs);
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return results;
}

/** Who did not do as expected is told at once; of the others, now and then how many there were. */
function tell({ name, verdict, expected, extra, proof, code, errors }, done, all, startedMs) {
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  if (!['found', 'silent'].includes(verdict)) {
    const wanted =
      expected === null
        ? 'nothing'
        : [expected.class, expected.cause, expected.template].filter(Boolean).join(' ');
    const got = extra
      .map((one) => [one.class, one.cause, one.handler?.name].filter(Boolean).join(' '))
      .join(', ');
    const why =
      verdict === 'failed' ? `exit ${code}: ${errors.trim().split('\n').slice(-3).join(' | ')}` : got;
    process.stderr.write(`${name}: ${verdict} (${wanted}) ${why} ${JSON.stringify(proof)}\n`);
  }
  if (done % 10 === 0 || done === all) process.stderr.write(`${done} of ${all} programs, ${seconds} s\n`);
}

function print({ table, judged, found, share, alarms, isComplete }, isAlone) {
  const columns = isAlone
    ? ['programs', 'found', 'unproven', 'failed']
    : ['programs', 'found', 'missed', 'wrong', 'handler', 'extra', 'unproven', 'failed'];
  const heads = columns.map((column) => (isAlone && column === 'found' ? 'proven' : column).padStart(9));
  process.stdout.write(`${''.padEnd(30)}${heads.join('')}\n`);
  for (const row of table) {
    process.stdout.write(
      `${row.name.padEnd(30)}${columns.map((column) => String(row[column]).padStart(9)).join('')}\n`,
    );
  }
  if (isAlone) return;
  process.stdout.write(
    `found: ${found} of ${judged}, ${(share * 100).toFixed(1)}%; false alarms: ${alarms}\n`,
  );
  if (!isComplete)
    process.stdout.write('too many programs did not prove their mistake: the machine is too busy\n');
}

async function main() {
  const options = readOptions();
  if (options.help) {
    process.stdout.write(HELP);
    return EXIT.ok;
  }
  if (options.show !== undefined) {
    process.stdout.write(generate(Number(options.show), { clean: options.clean > 0 }).text);
    return EXIT.ok;
  }
  if (process.platform !== 'linux')
    throw new UsageError('the programs use /proc and prlimit(1): they run on Linux');
  const signal = interruptible();
  const results = await examineAll(casesOf(options), options, signal);
  const summary = summarize(results);
  print(summary, options.isAlone);
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify({ root: ROOT, summary, results }, null, 1)}\n`);
  if (signal.aborted) return EXIT.interrupted;
  if (options.isAlone) {
    const bad = results.filter(({ verdict }) => !['found', 'silent'].includes(verdict)).length;
    return bad === 0 ? EXIT.ok : EXIT.failed;
  }
  return summary.passed ? EXIT.ok : EXIT.failed;
}

await main().then(
  (status) => (process.exitCode = status),
  (error) => {
    process.stderr.write(`${error instanceof UsageError ? error.message : error.stack}\n`);
    process.exitCode = error instanceof UsageError ? EXIT.usage : EXIT.failed;
  },
);
