// Sees to it that the native addon is there: run by `npm install`, and by `npm run build:native` with --force.
// A fitting prebuild or an up-to-date build is left alone; otherwise node-gyp compiles one, with headers that are
// already on this machine. Plain JavaScript, so that it runs before anything has been compiled.
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import * as os from 'node:os';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

const BUILD = path.join(ROOT, 'build');
const ADDON = path.join(BUILD, 'Release', 'underloop_native.node');
/** Written after a build: its age is the moment the build began, its text what the build was configured with. */
const STAMP = path.join(BUILD, 'underloop.json');
const KQUEUE_PREFIX = process.env['UNDERLOOP_KQUEUE_PREFIX'] || '';
const NODE_MINIMUM = [20, 19];
const OUTPUT_LINES_MAX = 40;
const require = createRequire(import.meta.url);

/** A failure that the user can mend: its message is printed as it stands, without a stack. */
class Refusal extends Error {}

const TOOLS_REMEDY = {
  linux:
    'On Debian or Ubuntu run "sudo apt-get install g++ make python3", on Fedora "sudo dnf install gcc-c++ make ' +
    'python3", on Alpine "apk add g++ make python3 linux-headers"',
  darwin: 'On macOS run "xcode-select --install", which brings all three',
  freebsd: 'On FreeBSD run "pkg install gmake python3"; the compiler is part of the base system',
};

function checkPlatform() {
  if (!(process.platform in TOOLS_REMEDY)) {
    throw new Refusal(
      `underloop does not run on ${process.platform}: it waits in the kernel by epoll or kqueue, which Linux, macOS ` +
        'and FreeBSD have. On Windows use it inside WSL 2 (run "wsl --install", then install Node.js and underloop ' +
        'there); elsewhere use one of the three systems, or a container.',
    );
  }
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [majorMin, minorMin] = NODE_MINIMUM;
  if (major < majorMin || (major === majorMin && minor < minorMin)) {
    throw new Refusal(
      `underloop needs Node.js ${majorMin}.${minorMin} or newer, and this is ${process.versions.node}. Install a ` +
        'current release from https://nodejs.org or with your version manager (for example "nvm install --lts"), ' +
        'then run npm install again.',
    );
  }
}

function modifiedMs(file) {
  return fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs;
}

/** When the newest of the files that the addon is made from was changed. */
function sourcesModifiedMs() {
  const native = path.join(ROOT, 'native');
  const files = fs.readdirSync(native, { recursive: true }).map((name) => path.join(native, String(name)));
  const sources = files.filter((file) => /\.(cc|h|json|gypi)$/.test(file));
  return Math.max(...[path.join(ROOT, 'binding.gyp'), ...sources].map((file) => modifiedMs(file) ?? 0));
}

/** In a process of its own, so that a broken binary cannot take the installer down. */
function loads(addon) {
  return (
    spawnSync(process.execPath, ['-e', 'require(process.argv[1])', addon], { stdio: 'ignore' }).status === 0
  );
}

function buildIsCurrent() {
  const addonModifiedMs = modifiedMs(ADDON);
  if (addonModifiedMs === undefined) return false;
  let kqueuePrefix = '';
  try {
    kqueuePrefix = JSON.parse(fs.readFileSync(STAMP, 'utf8')).kqueuePrefix;
  } catch {
    // A build made by node-gyp itself has no stamp: the binary's own age stands in.
  }
  const builtMs = modifiedMs(STAMP) ?? addonModifiedMs;
  return builtMs >= sourcesModifiedMs() && kqueuePrefix === KQUEUE_PREFIX && loads(ADDON);
}

/** Whether a prebuild for this machine is there, loads, and is no older than its sources. */
export function prebuildFits() {
  if (KQUEUE_PREFIX !== '' || process.env['npm_config_build_from_source']) return false;
  let prebuild;
  try {
    process.env['PREBUILDS_ONLY'] = '1'; // read by node-gyp-build when it is loaded
    prebuild = require('node-gyp-build').path(ROOT);
  } catch {
    return false;
  }
  // In a work tree the sources may have moved on. In an installed package they cannot, and unpacking leaves
  // the files with times that mean nothing.
  const isWorkTree = fs.existsSync(path.join(ROOT, '.git'));
  if (isWorkTree && (modifiedMs(prebuild) ?? 0) < sourcesModifiedMs()) return false;
  return loads(prebuild);
}

function hasHeaders(nodeDir) {
  return ['node_api.h', 'common.gypi'].every((name) =>
    fs.existsSync(path.join(nodeDir, 'include', 'node', name)),
  );
}

/** Whether the headers in a folder are those of the Node.js that runs here, up to the minor version. */
function headersMatch(nodeDir) {
  let text;
  try {
    text = fs.readFileSync(path.join(nodeDir, 'include', 'node', 'node_version.h'), 'utf8');
  } catch {
    return false;
  }
  const number = (name) => new RegExp(`^#define ${name} (\\d+)`, 'm').exec(text)?.[1];
  const [major, minor] = process.versions.node.split('.');
  return number('NODE_MAJOR_VERSION') === major && number('NODE_MINOR_VERSION') === minor;
}

/** Leaves a file alone that is already so, for make compiles everything anew when a header's time has changed. */
function writeIfChanged(file, text) {
  if (!fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== text) fs.writeFileSync(file, text);
}

/** The layout that node-gyp expects of --nodedir, made of the Node-API headers alone: the addon needs no others. */
function makeHeaders() {
  const nodeDir = path.join(BUILD, 'headers');
  const include = path.join(nodeDir, 'include', 'node');
  fs.mkdirSync(include, { recursive: true });
  const { include_dir: from } = require('node-api-headers');
  const config = { target_defaults: {}, variables: { host_arch: process.arch, target_arch: process.arch } };
  writeIfChanged(path.join(include, 'config.gypi'), `${JSON.stringify(config, null, 2)}\n`);
  const headers = fs.readdirSync(from).filter((name) => name.endsWith('.h'));
  for (const file of [
    path.join(ROOT, 'native', 'common.gypi'),
    ...headers.map((name) => path.join(from, name)),
  ]) {
    writeIfChanged(path.join(include, path.basename(file)), fs.readFileSync(file, 'utf8'));
  }
  return nodeDir;
}

/** A folder with include/node/, found without any download: what was configured, what is installed, or one made here. */
export function findNodeDir() {
  const configured = process.env['npm_config_nodedir'];
  if (configured && hasHeaders(configured)) return path.resolve(configured);
  const beside = path.dirname(path.dirname(process.execPath));
  if (hasHeaders(beside) && headersMatch(beside)) return beside;
  return makeHeaders();
}

function runs(command, args) {
  const [program, ...rest] = command.split(' ').filter(Boolean);
  if (program === undefined) return false;
  return spawnSync(program, [...rest, ...args], { stdio: 'ignore' }).status === 0;
}

/** The tools of a build, by running each: a name in the PATH may be a stub, as on a Mac without the developer tools. */
export function findTools() {
  const env = process.env;
  const wanted = [env['npm_config_python'], env['NODE_GYP_FORCE_PYTHON'], env['PYTHON'], 'python3', 'python'];
  const isPython3 = ['-c', 'import sys; sys.exit(sys.version_info < (3, 8))'];
  return {
    compiler: [env['CXX'], 'c++', 'g++', 'clang++'].find((name) => name && runs(name, ['--version'])),
    make: [env['MAKE'], process.platform === 'freebsd' ? 'gmake' : 'make'].find(
      (name) => name && runs(name, ['-v']),
    ),
    python: wanted.find((name) => name && runs(name, isPython3)),
  };
}

function checkTools() {
  const tools = findTools();
  const missing = [];
  if (!tools.compiler) missing.push('no C++ compiler (tried $CXX, c++, g++, clang++)');
  if (!tools.make) missing.push(process.platform === 'freebsd' ? 'no gmake' : 'no make');
  if (!tools.python)
    missing.push('no Python 3.8 or newer (tried npm_config_python, $PYTHON, python3, python)');
  if (missing.length > 0) {
    throw new Refusal(
      `underloop has no prebuilt addon for this machine and cannot compile one: there is ${missing.join(', and ')}. ` +
        `${TOOLS_REMEDY[process.platform]}; then run npm install again.`,
    );
  }
  return tools;
}

function findNodeGyp() {
  const npmsOwn = 'node_modules/npm/node_modules/node-gyp/bin/node-gyp.js';
  const prefix = path.dirname(path.dirname(process.execPath));
  let installed;
  try {
    installed = require.resolve('node-gyp/bin/node-gyp.js');
  } catch {
    // Not a work tree: npm names its own in the environment.
  }
  const candidates = [process.env['npm_config_node_gyp'], installed, path.join(prefix, 'lib', npmsOwn)];
  const found = candidates.find((file) => file && fs.existsSync(file));
  if (!found) {
    throw new Refusal(
      'underloop has no prebuilt addon for this machine and cannot compile one: node-gyp was not found. Install ' +
        'underloop with npm, which carries node-gyp, or add node-gyp to your own project first.',
    );
  }
  return found;
}

function build({ isIncremental }) {
  const startedMs = Date.now();
  const tools = checkTools();
  const nodeGyp = findNodeGyp();
  if (!isIncremental) fs.rmSync(BUILD, { recursive: true, force: true });
  fs.rmSync(STAMP, { force: true });
  const nodeDir = findNodeDir();
  // gyp does not quote it for make: in a folder whose name has spaces the headers made here are named from binding.gyp.
  const nodeDirForGyp = nodeDir.startsWith(`${BUILD}${path.sep}`) ? path.relative(ROOT, nodeDir) : nodeDir;

  const env = {
    ...process.env,
    // node-gyp lets npm_config_* override its arguments, so what was found goes there too.
    npm_config_nodedir: nodeDirForGyp,
    npm_config_python: tools.python,
    npm_config_loglevel: 'error',
    // binding.gyp calls node by name.
    PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env['PATH'] ?? ''}`,
  };
  if (!env.CXX && !runs('g++', ['--version'])) env.CXX = tools.compiler; // make's own default is g++

  const logDir = fs.mkdtempSync(path.join(os.tmpdir(), 'underloop-'));
  const log = path.join(logDir, 'build.log');
  const logFd = fs.openSync(log, 'w'); // one file for both streams keeps their lines in order
  const args = [
    nodeGyp,
    'configure',
    'build',
    '--release',
    `--nodedir=${nodeDirForGyp}`,
    `--python=${tools.python}`,
  ];
  args.push(`--jobs=${os.availableParallelism()}`);
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', logFd, logFd] });
  fs.closeSync(logFd);
  const output = fs.readFileSync(log, 'utf8').trimEnd().split('\n');
  fs.rmSync(logDir, { recursive: true });

  if (status !== 0 || !loads(ADDON)) {
    console.error(output.slice(-OUTPUT_LINES_MAX).join('\n'));
    throw new Refusal(
      `underloop's addon could not be ${status === 0 ? 'loaded after it was compiled' : 'compiled'}: the end of the ` +
        'output stands above. It needs a compiler with C++20 (GCC 10, Clang 12 or newer; $CXX chooses another one). ' +
        `${TOOLS_REMEDY[process.platform]}; then run npm install again.`,
    );
  }
  const started = new Date(startedMs);
  fs.writeFileSync(STAMP, `${JSON.stringify({ kqueuePrefix: KQUEUE_PREFIX, nodeDir })}\n`);
  fs.utimesSync(STAMP, started, started); // so that a source saved during the build counts as newer
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
  console.log(
    `underloop: addon compiled in ${seconds} s with the headers in ${path.join(nodeDir, 'include/node')}`,
  );
}

function main(args) {
  try {
    checkPlatform();
    if (args.includes('--print-nodedir')) console.log(findNodeDir());
    else if (args.includes('--force')) build({ isIncremental: true });
    else if (!buildIsCurrent() && !prebuildFits()) build({ isIncremental: false });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    console.error(`\n${error.message}\n`);
    process.exitCode = 1;
  }
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main(process.argv.slice(2));
}
