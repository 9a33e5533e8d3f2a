// Runs the native code under the sanitizers: `native` its unit tests (plain, address, thread), `addon` the test suite on
// an addon built with them. Linux and GCC only. --json=FILE leaves the results for a program; what stands behind -- goes to vitest.
import { spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { findTools, ROOT } from './install.js';
import { EXCLUDED_FROM_ADDRESS, NAMES_NOT_RUN_WITH_THREAD, RUN_WITH_THREAD } from './sanitized-tests.js';
import { readReports } from './sanitizer-reports.js';

const BUILD_MINUTES_MAX = 10;
const UNIT_TEST_MINUTES_MAX = 10;
const SUITE_MINUTES_MAX = 15;
const OUTPUT_LINES_MAX = 60;
const REPORT_LINES_MAX = 40;
/** Of a test, beside vitest's 30 s: sanitized code is several times as slow. */
const TEST_MS_MAX = 120_000;

/** How our code is named in a stack: its sources, and what is built of them. */
const OUR_CODE = ['native', 'build', 'test/native'].map((folder) => `${path.join(ROOT, folder)}${path.sep}`);

/** What the user can mend: printed as it stands, without a stack. */
class Refusal extends Error {}

const results = [];

function record(name, passed, failures = []) {
  results.push({ name, passed, failures });
  for (const failure of failures) console.log(`FAILED  ${name}: ${failure}`);
}

/** Resolves to exit code (null: killed) and output; `isShown` prints it as it comes. */
function run(command, args, { env = process.env, minutesMax = 1, isShown = false } = {}) {
  return new Promise((resolve, reject) => {
    const timeout = minutesMax * 60_000;
    const child = spawn(command, args, { cwd: ROOT, env, timeout, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
        if (isShown) process.stdout.write(text);
      });
    }
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

const lastLines = (text, count) => text.trimEnd().split('\n').slice(-count).join('\n');
const buildFolder = (variant) => path.join(ROOT, 'build', variant);

function checkTools() {
  const runs = (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0;
  const missing = ['cmake', 'ctest'].filter((name) => !runs(name));
  if (!findTools().compiler) missing.push('a C++ compiler');
  if (missing.length > 0) {
    throw new Refusal(
      `the unit tests and sanitized builds need ${missing.join(' and ')}: on Debian or Ubuntu run ` +
        '"apt-get install g++ make cmake doctest-dev".',
    );
  }
}

/** `targets`: none are all. */
async function build(variant, definitions, targets = []) {
  const sanitizer = variant === 'plain' ? '' : variant;
  const settings = [`-DUNDERLOOP_SANITIZE=${sanitizer}`, ...definitions];
  const jobs = String(os.availableParallelism());
  for (const args of [
    ['-S', '.', '-B', buildFolder(variant), `-DNODE_EXECUTABLE=${process.execPath}`, ...settings],
    ['--build', buildFolder(variant), '--parallel', jobs, ...targets.flatMap((name) => ['--target', name])],
  ]) {
    const { code, output } = await run('cmake', args, { minutesMax: BUILD_MINUTES_MAX });
    if (code !== 0)
      throw new Refusal(`cmake ${args.join(' ')} failed:\n${lastLines(output, OUTPUT_LINES_MAX)}`);
  }
}

// ---- Unit tests -----------------------------------------------------------------------------------------------------

async function testUnits(variant) {
  await build(variant, [
    '-DUNDERLOOP_UNIT_TESTS=ON',
    `-DUNDERLOOP_ADDON=${variant === 'plain' ? 'OFF' : 'ON'}`,
  ]);
  const report = path.join(buildFolder(variant), 'ctest.xml');
  fs.rmSync(report, { force: true });
  const args = ['--test-dir', buildFolder(variant), '--output-on-failure', '--output-junit', report];
  const { code, output } = await run('ctest', args, { minutesMax: UNIT_TEST_MINUTES_MAX });
  const cases = fs.existsSync(report) ? fs.readFileSync(report, 'utf8').split('<testcase ').slice(1) : [];
  let passed = 0;
  const failures = [];
  for (const one of cases) {
    const name = /name="([^"]*)"/.exec(one)[1];
    // doctest counts its own cases; the others are one program each.
    const counted = /test cases:\s+(\d+) \|\s+(\d+) passed \|\s+(\d+) failed/.exec(one);
    if (one.includes('status="run"')) passed += counted ? Number(counted[2]) : 1;
    else failures.push(counted ? `${name}: ${counted[3]} of ${counted[1]} test cases` : name);
  }
  if (code !== 0) console.log(lastLines(output, OUTPUT_LINES_MAX));
  if (failures.length === 0 && (code !== 0 || passed === 0)) failures.push(`ctest ended with ${code}`);
  record(`unit tests (${variant})`, passed, failures);
}

// ---- The addon in the runtime ---------------------------------------------------------------------------------------

/** An environment in which every node process is sanitized, and every other program at least undisturbed. */
function sanitizedEnvironment(variant, folder) {
  const runtime = variant === 'address' ? 'libasan.so' : 'libtsan.so';
  const [compiler, ...rest] = findTools().compiler.split(' ').filter(Boolean);
  const library = spawnSync(compiler, [...rest, `-print-file-name=${runtime}`], {
    encoding: 'utf8',
  }).stdout.trim();
  if (process.platform !== 'linux' || !path.isAbsolute(library)) {
    throw new Refusal(
      `an addon with sanitizers is loaded by preloading ${runtime}, which ${compiler} does not have here: it needs ` +
        'Linux and GCC. On Debian or Ubuntu run "apt-get install g++".',
    );
  }
  const log = (name) => `log_path=${path.join(folder, 'log', name)}`;
  fs.mkdirSync(path.join(folder, 'log'), { recursive: true });
  fs.mkdirSync(path.join(folder, 'options'), { recursive: true });
  // A file for each name of a program (%b): node's own has the log, and looks for leaks. Those end nothing: Node leaks at
  // process.exit() too, so that the logs alone tell whether it was us. Whatever else is found aborts the process.
  const optionsOfNode = {
    address: `detect_leaks=1:exitcode=0:abort_on_error=1:handle_sigill=1:detect_stack_use_after_return=1:${log('address')}`,
    thread: `report_bugs=1:exitcode=0:halt_on_error=0:history_size=4:die_after_fork=0:${log('thread')}`,
  };
  fs.writeFileSync(path.join(folder, 'options', path.basename(process.execPath)), optionsOfNode[variant]);
  const perProgram = `include_if_exists=${path.join(folder, 'options', '%b')}`;
  return {
    ...process.env,
    LD_PRELOAD: library,
    ASAN_OPTIONS: `detect_leaks=0:${perProgram}`,
    TSAN_OPTIONS: `report_bugs=0:${perProgram}`,
    // node-gyp-build looks here for build/Release/*.node, in children too.
    UNDERLOOP_PREBUILD: buildFolder(variant),
    UNDERLOOP_HANG_MS: String(TEST_MS_MAX - 10_000), // of a test's program: test/lifecycle/child.ts
  };
}

/** What the title of the report of each deliberate fault begins with. */
const FAULTS = {
  address: {
    'heap overflow': 'heap-buffer-overflow',
    'use after free': 'heap-use-after-free',
    leak: 'leak',
    'signed overflow': 'ILL', // undefined behaviour is a trap there: see CMakeLists.txt
  },
  thread: { 'data race': 'data race' },
};

/** That this very environment, in a child of a child, reports a deliberate fault; and that children load the sanitized addon. */
async function checkThatItReports(variant, folder) {
  const release = path.join(buildFolder(variant), 'build', 'Release');
  const inner = (code) =>
    `require('node:child_process').execFileSync(process.execPath, ['-e', ${JSON.stringify(code)}], { stdio: 'inherit' })`;
  for (const [fault, title] of Object.entries(FAULTS[variant])) {
    const own = path.join(folder, fault.replaceAll(' ', '-'));
    const code = `require(${JSON.stringify(path.join(buildFolder(variant), 'test', 'native', 'underloop_faults.node'))})(${JSON.stringify(fault)})`;
    await run(process.execPath, ['-e', inner(code)], { env: sanitizedEnvironment(variant, own) });
    const isReported = readReports(path.join(own, 'log'), OUR_CODE).some(
      (report) => report.isOurs && report.title.startsWith(title),
    );
    const problem = isReported ? [] : ['the deliberate fault was not reported'];
    record(`sanitizers really report: ${fault} in the runtime`, isReported ? 1 : 0, problem);
  }
  const env = sanitizedEnvironment(variant, path.join(folder, 'loads'));
  const code = `import('./dist/index.js').then(() => console.log(require('node:fs').readFileSync('/proc/self/maps', 'utf8')))`;
  const { output } = await run(process.execPath, ['-e', inner(code)], { env });
  const isLoaded = output.includes(path.join(release, 'underloop_native.node'));
  record(
    `a child's child loads the addon with ${variant}`,
    isLoaded ? 1 : 0,
    isLoaded ? [] : [lastLines(output, 3)],
  );
}

async function testAddon(variant, vitestArguments) {
  await build(variant, ['-DUNDERLOOP_UNIT_TESTS=ON'], ['underloop_native', 'underloop_faults']);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `underloop-${variant}-`));
  await checkThatItReports(variant, folder);

  const env = sanitizedEnvironment(variant, folder);
  const report = path.join(folder, 'vitest.json');
  const args = [path.join(ROOT, 'node_modules', 'vitest', 'vitest.mjs'), 'run'];
  args.push(`--testTimeout=${TEST_MS_MAX}`, `--hookTimeout=${TEST_MS_MAX}`);
  // Tests that hold times against a bound may need another go, slow as sanitized code is. A report counts at any go.
  args.push('--retry=2');
  // vitest leaves one core to itself; half of the time of most files is waiting.
  args.push(`--maxWorkers=${os.availableParallelism()}`);
  args.push('--reporter=default', '--reporter=json', `--outputFile.json=${report}`);
  if (variant === 'address') args.push(...EXCLUDED_FROM_ADDRESS.flatMap(([files]) => ['--exclude', files]));
  else args.push('--testNamePattern', `^(?!${NAMES_NOT_RUN_WITH_THREAD.join('|')})`);
  const isWhole = vitestArguments.length === 0;
  args.push(...(isWhole && variant === 'thread' ? RUN_WITH_THREAD : vitestArguments));
  const { code } = await run(process.execPath, args, { env, minutesMax: SUITE_MINUTES_MAX, isShown: true });

  const tests = fs.existsSync(report) ? JSON.parse(fs.readFileSync(report, 'utf8')).testResults : [];
  const all = tests.flatMap(({ assertionResults }) => assertionResults);
  const failed = all.filter(({ status }) => !['passed', 'skipped', 'todo'].includes(status));
  const failures = failed.map(({ fullName }) => fullName);
  if (code !== 0 && failures.length === 0) failures.push(`vitest ended with ${code}`);
  record(`tests with ${variant}`, all.filter(({ status }) => status === 'passed').length, failures);

  // In the logs also stands what a child reported that was expected to die.
  // Leaks stand there of programs that tests start: vitest ends its own processes by a signal, and those look for none.
  const reports = readReports(path.join(folder, 'log'), OUR_CODE);
  const ours = reports.filter((one) => one.isOurs);
  for (const { file, text } of ours)
    console.log(`${file}:${text.split('\n').slice(0, REPORT_LINES_MAX).join('\n')}\n`);
  console.log(
    `${variant}: ${ours.length} reports of ours, ${reports.length - ours.length} of the runtime's own not counted`,
  );
  record(
    `no report with ${variant}`,
    ours.length === 0 ? 1 : 0,
    ours.map(({ file, title }) => `${file}: ${title}`),
  );
  if (ours.length === 0) fs.rmSync(folder, { recursive: true });
  else console.log(`The logs are in ${path.join(folder, 'log')}`);
}

async function main() {
  const end = process.argv.indexOf('--');
  const [what, ...rest] = process.argv.slice(2, end < 0 ? undefined : end);
  const vitestArguments = end < 0 ? [] : process.argv.slice(end + 1);
  const variants = rest.filter((argument) => ['plain', 'address', 'thread'].includes(argument));
  const jsonFile = rest.find((argument) => argument.startsWith('--json='))?.slice('--json='.length);
  try {
    checkTools();
    if (what === 'native') {
      for (const variant of variants.length > 0 ? variants : ['plain', 'address', 'thread'])
        await testUnits(variant);
    } else if (what === 'addon') {
      for (const variant of variants.length > 0 ? variants : ['address', 'thread'])
        await testAddon(variant, vitestArguments);
    } else {
      throw new Refusal(
        'node scripts/sanitize.js native|addon [plain|address|thread] [--json=FILE] [-- FILTER...]',
      );
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    console.error(`\n${error.message}\n`);
    results.push({ name: `scripts/sanitize.js ${what}`, passed: 0, failures: ['could not run'] });
  }
  const failed = results.flatMap(({ failures }) => failures).length;
  for (const { name, passed, failures } of results)
    console.log(`${name}: ${passed} passed, ${failures.length} failed`);
  if (jsonFile) fs.writeFileSync(jsonFile, `${JSON.stringify(results)}\n`);
  process.exitCode = failed > 0 ? 1 : 0;
}

await main();
