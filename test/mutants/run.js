// `npm run test:mutants`: applies each mutant to a copy of the project and demands that exactly its tests fail.

import { parseArgs } from 'node:util';
import { mutants } from './catalogue.js';
import { endAll } from './command.js';
import { judge, runTests } from './verdict.js';
import { Workspace } from './workspace.js';

const HELP = `Usage: npm run test:mutants -- [options]

Applies one-line changes to a copy of the project, one at a time, each of which puts a hard problem back
(docs/hard-problems.md), and runs the test files that guard it. A mutant is killed when the tests that it names
fail and no others in these files do.

  --only <text>  only those with this in their name or problem; may be repeated
  --list         name them, and do nothing else
  --json         print the results as JSON, and the progress on standard error
  --help         this text

The exit code is 0 when every mutant was killed; 1 when one survives, does not apply or does not compile, or when a
test fails without any mutant; 2 for wrong options; 130 when interrupted.`;
/** All files at once, without a mutant. */
const BASELINE_MS_MAX = 600_000;
/** What the tests of a mutant may take, beside some times what they take without it. Those that hang are ended then. */
const TESTS_MS_MAX = 20_000;
const SLOWER_MAX = 4;

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string', multiple: true, default: [] },
        list: { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
    return values;
  } catch (error) {
    console.error(`${error.message}\n\n${HELP}`);
    process.exit(2);
  }
}

const options = readOptions();
const say = options.json ? console.error : console.log;
const wanted = mutants.filter(
  ({ name, problem }) =>
    options.only.length === 0 || options.only.some((text) => `${name} ${problem}`.includes(text)),
);
const seconds = (startMs) => `${((performance.now() - startMs) / 1000).toFixed(1)} s`;

async function tryMutant(workspace, mutant, baselineMs) {
  const startMs = performance.now();
  let result;
  try {
    await workspace.apply(mutant);
    const files = Object.keys(mutant.fails);
    const usualMs = files.reduce((sum, file) => sum + (baselineMs[file] ?? 0), 0);
    result = judge(mutant, await runTests(workspace, files, TESTS_MS_MAX + SLOWER_MAX * usualMs));
  } catch (error) {
    result = { killed: false, reasons: [error.message], fallen: 0, hung: 0 };
  } finally {
    workspace.restore();
  }
  const { killed, fallen, hung, reasons } = result;
  const how =
    hung > 0 ? `${fallen} tests fail, ${hung} of them by hanging or crashing` : `${fallen} tests fail`;
  say(`${killed ? 'killed  ' : 'SURVIVED'}  ${mutant.name}: ${how} (${seconds(startMs)})`);
  for (const reason of reasons) say(`          ${reason}`);
  return {
    name: mutant.name,
    problem: mutant.problem,
    ...result,
    seconds: (performance.now() - startMs) / 1000,
  };
}

function printTable(results) {
  const problems = new Map(results.map(({ problem }) => [problem, []]));
  for (const result of results) problems.get(result.problem).push(result);
  say('');
  for (const [problem, its] of problems) {
    say(`${its.every(({ killed }) => killed) ? 'guarded    ' : 'NOT GUARDED'}  ${problem}`);
    for (const { name, killed, fallen } of its) {
      say(`               ${killed ? 'killed  ' : 'survived'}  ${name} (${fallen} tests)`);
    }
  }
}

async function main() {
  const startMs = performance.now();
  const workspace = new Workspace();
  const interrupt = () => {
    endAll();
    workspace.remove();
    process.exit(130);
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  const results = [];
  const baseline = { passed: 0, faults: [] };
  try {
    say(`${wanted.length} mutants; building a copy of the project in ${workspace.root}`);
    await workspace.prepare();
    say(`built (${seconds(startMs)})`);
    const files = [...new Set(wanted.flatMap(({ fails }) => Object.keys(fails)))].sort();
    const baselineStartMs = performance.now();
    const { failed, hung, broken, passed, ms } = await runTests(workspace, files, BASELINE_MS_MAX);
    say(
      `without a mutant: ${passed.length} tests pass in ${files.length} files (${seconds(baselineStartMs)})`,
    );
    for (const [file, took] of Object.entries(ms)
      .sort((a, b) => b[1] - a[1])
      .slice(0, 3)) {
      say(`  ${file}: ${(took / 1000).toFixed(1)} s`);
    }
    baseline.passed = passed.length;
    baseline.faults = [...failed, ...hung, ...broken];
    for (const fault of baseline.faults) say(`FAILS WITHOUT A MUTANT: ${fault}`);
    for (const mutant of wanted) results.push(await tryMutant(workspace, mutant, ms));
  } finally {
    workspace.remove();
  }
  const killed = results.filter((result) => result.killed).length;
  const survived = results.length - killed;
  printTable(results);
  if (options.json) console.log(JSON.stringify({ baseline, results, killed, survived }, null, 2));
  say(`\n${results.length} mutants in ${seconds(startMs)}`);
  say(`${killed} killed, ${survived} survived`);
  process.exitCode = survived > 0 || baseline.faults.length > 0 ? 1 : 0;
}

if (options.help) console.log(HELP);
else if (options.list) for (const { name, problem } of wanted) console.log(`${name}: ${problem}`);
else if (wanted.length === 0) {
  console.error(`no mutant has ${options.only.join(' or ')} in its name; --list names them`);
  process.exitCode = 2;
} else await main();
