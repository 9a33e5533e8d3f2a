// Everything that can be said about the source without running it: `npm run check`. Each step prints one line, and its
// output only when it failed. --fix lets the formatters write first; --json=FILE leaves the results for a program.
import { spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import * as os from 'node:os';
import * as path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { findNodeDir, findTools, ROOT } from './install.js';

const require = createRequire(import.meta.url);
const REACTOR_LINES_MAX = 330;
const REACTOR_COLUMNS_MAX = 110;
/** Anything longer is a recorded file, not a source. */
const SOURCE_BYTES_MAX = 4 * 1024 * 1024;

/** Resolves to what the command printed if it failed, to undefined if it went well. */
function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks = [];
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    child.stderr.on('data', (chunk) => chunks.push(chunk));
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code) => {
      resolve(code === 0 ? undefined : Buffer.concat(chunks).toString().trim() || `exit code ${code}`);
    });
  });
}

/** A development dependency's command, run by this very node. */
function runTool(name, args) {
  return run(process.execPath, [fs.realpathSync(path.join(ROOT, 'node_modules', '.bin', name)), ...args]);
}

/** Every file that is, or is about to be, in the repository; undefined outside a work tree of git. */
function projectFiles() {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const { status, stdout } = spawnSync('git', args, {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) return undefined;
  return [...new Set(stdout.split('\0'))].filter(
    (file) => file !== '' && fs.existsSync(path.join(ROOT, file)),
  );
}

function read(file) {
  return fs.readFileSync(path.join(ROOT, file), 'utf8');
}

/** The C and C++ files below a folder, but for what has been built there. */
function cFiles(folder, pattern) {
  if (!fs.existsSync(path.join(ROOT, folder))) return [];
  const names = fs.readdirSync(path.join(ROOT, folder), { recursive: true }).map(String);
  return names
    .filter((name) => pattern.test(name) && !name.startsWith('build/'))
    .map((name) => `${folder}/${name}`);
}

async function clangFormat(args) {
  const files = [...cFiles('native', /\.(cc|h)$/), ...cFiles('bench/limit', /\.[ch]$/)];
  const output = await runTool('clang-format', [...args, '--fno-color-diagnostics', ...files]);
  // It complains of every blank in its own three lines; which files to format is enough.
  const unformatted = new Set(output?.match(/^\S+(?=:\d+:\d+: error: code should be clang-formatted)/gm));
  return unformatted.size > 0 ? `${[...unformatted].join('\n')}\nRun npm run format.` : output;
}

/** The warnings of every C and C++ source, as errors, without making an object file. */
async function compileNative() {
  const { variables: native } = JSON.parse(read('native/sources.json'));
  const { compiler } = findTools();
  if (!compiler) return 'no C++ compiler';
  const sources = [...native.underloop_sources];
  const args = [...native.underloop_cxx_flags, '-Werror', '-fsyntax-only', '-Inative'];
  args.push(...native.underloop_defines.map((name) => `-D${name}`));
  args.push('-isystem', path.join(findNodeDir(), 'include', 'node'));
  args.push('-isystem', require('node-addon-api').include_dir);
  let kqueueInclude = process.platform === 'linux' ? undefined : 'native';
  if (process.platform === 'linux') {
    sources.push(...native.underloop_sources_epoll, ...native.underloop_sources_prebuild);
    args.push('-DUNDERLOOP_HAVE_EPOLL');
    // Linux has no kqueue header; the one that the tests bring along will do.
    const header = projectFiles()?.find((file) => file.endsWith('/sys/event.h'));
    if (header) kqueueInclude = path.dirname(path.dirname(header));
  }
  if (kqueueInclude) {
    sources.push(...native.underloop_sources_kqueue);
    args.push('-DUNDERLOOP_HAVE_KQUEUE', `-I${kqueueInclude}`);
  }

  const [program, ...rest] = compiler.split(' ').filter(Boolean);
  const commands = sources.map((source) => [...args, source]);
  const argsC = ['-x', 'c', '-std=gnu11', '-Wall', '-Wextra', '-Werror', '-fsyntax-only'];
  if (process.platform === 'linux')
    commands.push(...cFiles('bench/limit', /\.c$/).map((file) => [...argsC, file]));
  const failures = [];
  const worker = async () => {
    for (let command = commands.shift(); command !== undefined; command = commands.shift()) {
      const output = await run(program, [...rest, ...command]);
      if (output !== undefined) failures.push(output);
    }
  };
  await Promise.all(Array.from({ length: os.availableParallelism() }, worker));
  return failures.length > 0 ? failures.join('\n') : undefined;
}

/** Public symbols without documentation, and links in it that lead nowhere, as typedoc finds them. */
async function checkDocumentation() {
  const args = ['--emit', 'none', '--logLevel', 'Warn', '--treatWarningsAsErrors'];
  const output = await runTool('typedoc', args);
  const lines = stripVTControlCharacters(output ?? '').split('\n');
  const complaints = lines.filter((line) => line !== '' && !/Found \d+ errors? and \d+ warning/.test(line));
  return complaints.length > 0 ? complaints.join('\n') : undefined;
}

/** A source that is listed nowhere is compiled nowhere. */
function checkSourcesListed() {
  const listed = Object.values(JSON.parse(read('native/sources.json')).variables).flat();
  const files = fs.readdirSync(path.join(ROOT, 'native')).filter((name) => name.endsWith('.cc'));
  const missing = files.map((name) => `native/${name}`).filter((name) => !listed.includes(name));
  return missing.map((name) => `${name} is not in native/sources.json`);
}

/** Ranges in the manifest, or addresses in the lockfile, make an installation depend on the day or on the machine. */
function checkPins() {
  const { dependencies, devDependencies } = JSON.parse(read('package.json'));
  const ranges = Object.entries({ ...dependencies, ...devDependencies })
    .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    .map(([name, version]) => `package.json: ${name} is "${version}", not one exact version`);
  const addresses = /"resolved": "http[^"]*"/.exec(read('package-lock.json'))?.[0];
  return addresses ? [...ranges, `package-lock.json: ${addresses} names a registry`] : ranges;
}

/** The reactor is to be read in one sitting. */
function checkReactorSize() {
  const file = 'src/reactor/reactor.ts';
  if (!fs.existsSync(path.join(ROOT, file))) return [];
  const lines = read(file).trimEnd().split('\n');
  const tooLong = lines.flatMap((line, index) =>
    line.length > REACTOR_COLUMNS_MAX
      ? [`${file}:${index + 1} has ${line.length} characters, of ${REACTOR_COLUMNS_MAX}`]
      : [],
  );
  if (lines.length > REACTOR_LINES_MAX)
    tooLong.unshift(`${file} has ${lines.length} lines, of ${REACTOR_LINES_MAX}`);
  return tooLong;
}

/** What is true of one machine only has no place in the repository. */
function checkMachineNames(files) {
  const rules = [
    { what: 'a path of one machine', pattern: /(?<![\w.~-])\/(?:work|root)(?:\/|(?=['"`\s]))/ },
    {
      what: 'a package registry',
      pattern: /\bregistry\.[\w-]+\.\w|\bpypi\.org|\bproxy\.golang\.org|\bindex\.crates\.io/,
    },
  ];
  return files.flatMap((file) => {
    const { size } = fs.lstatSync(path.join(ROOT, file));
    if (size > SOURCE_BYTES_MAX) return [];
    const text = read(file);
    if (text.includes('\0')) return [];
    return text.split('\n').flatMap((line, index) => {
      const rule = rules.find(({ pattern }) => pattern.test(line));
      return rule ? [`${file}:${index + 1} names ${rule.what}: ${line.trim().slice(0, 120)}`] : [];
    });
  });
}

function checkProject() {
  const files = projectFiles();
  const names = files ? checkMachineNames(files) : [];
  const complaints = [...checkSourcesListed(), ...checkPins(), ...checkReactorSize(), ...names];
  return complaints.length > 0 ? complaints.join('\n') : undefined;
}

const isFix = process.argv.includes('--fix');
const jsonFile = process.argv.find((arg) => arg.startsWith('--json='))?.slice('--json='.length);

const steps = [
  ['eslint', () => runTool('eslint', ['.', '--max-warnings=0', ...(isFix ? ['--fix'] : [])])],
  ['prettier', () => runTool('prettier', [isFix ? '--write' : '--check', '--log-level=warn', '.'])],
  ['TypeScript types', () => runTool('tsc', ['--noEmit', '-p', 'tsconfig.json'])],
  ['documentation of the public API', checkDocumentation],
  ['clang-format', () => clangFormat(isFix ? ['-i'] : ['--dry-run', '-Werror'])],
  ['C and C++ warnings', compileNative],
  ['project rules', checkProject],
];

const results = [];
for (const [name, step] of steps) {
  const startedMs = performance.now();
  const output = await step();
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  results.push({ name, passed: output === undefined });
  console.log(`${output === undefined ? 'ok    ' : 'failed'}  ${name} (${seconds} s)`);
  if (output !== undefined) console.log(`${output.replaceAll(/^/gm, '        ')}\n`);
}

const failed = results.filter(({ passed }) => !passed).length;
if (jsonFile) fs.writeFileSync(jsonFile, `${JSON.stringify(results)}\n`);
console.log(`check: ${results.length - failed} ok, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
