// The functions by which something comes into a program past the reactor and the tape, by what a reader knows them as.

import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

export interface Kind {
  readonly kind: string;
  /** Where the functions stand. Functions that are not there in this version of the runtime are left out. */
  readonly holder: () => object;
  readonly names: readonly string[] | RegExp;
  /** The runtime calls them, too, where nothing comes in: the program itself must be the caller. */
  readonly direct?: boolean;
}

const of =
  (module: string, ...path: string[]) =>
  (): object => {
    let found = require(module) as Record<string, object>;
    for (const name of path) found = found[name] as Record<string, object>;
    return found;
  };
const global = (): object => globalThis;

const FILE = 'a file by node:fs';
/** What gives something back, in all three forms. */
const READS =
  'access|exists|fstat|glob|lstat|mkdtemp|open|opendir|read|readdir|readFile|readlink|readv|realpath|stat|statfs';
/** What gives back only that it is done, and when: not with Sync. */
const WRITES =
  'appendFile|chmod|chown|close|copyFile|cp|fchmod|fchown|fdatasync|fsync|ftruncate|futimes|lchown|link|lutimes|mkdir|rename|' +
  'rm|rmdir|symlink|truncate|unlink|utimes|write|writeFile|writev';
const STREAMS =
  'createReadStream|createWriteStream|openAsBlob|ReadStream|unwatchFile|watch|watchFile|WriteStream';

const NAME = 'a name looked up by node:dns';
const NAME_CALLS = /^(?:lookup|lookupService|Resolver|resolve\w*|reverse)$/;
const RANDOM = 'random bytes';
const WORK = 'work on a thread of the runtime';
const CHANNEL = 'a channel for messages';
const FIGURE = 'the clock or a figure of the process';

export const KINDS: readonly Kind[] = [
  {
    kind: FILE,
    holder: of('node:fs'),
    names: new RegExp(`^(?:(?:${READS})(?:Sync)?|${WRITES}|${STREAMS})$`),
  },
  { kind: FILE, holder: of('node:fs', 'promises'), names: /./ },
  { kind: 'a connection of node:net', holder: of('node:net', 'Socket', 'prototype'), names: ['connect'] },
  { kind: 'a server of node:net', holder: of('node:net', 'Server', 'prototype'), names: ['listen'] },
  {
    kind: 'a socket of node:dgram',
    holder: of('node:dgram', 'Socket', 'prototype'),
    names: ['bind', 'send'],
  },
  { kind: 'a request of the runtime', holder: global, names: ['fetch', 'WebSocket', 'EventSource'] },
  { kind: NAME, holder: of('node:dns'), names: NAME_CALLS },
  { kind: NAME, holder: of('node:dns', 'promises'), names: NAME_CALLS },
  {
    kind: 'a child process',
    holder: of('node:child_process'),
    names: ['spawn', 'exec', 'execFile', 'fork', 'spawnSync', 'execSync', 'execFileSync'],
  },
  {
    kind: "HTTP/2, whose dates are the runtime's own",
    holder: of('node:http2'),
    names: ['createServer', 'createSecureServer'],
  },
  {
    kind: 'TLS, whose keys are random',
    holder: of('node:tls'),
    names: ['connect', 'TLSSocket', 'createServer'],
  },
  { kind: 'a worker thread', holder: of('node:worker_threads'), names: ['Worker'] },
  {
    kind: CHANNEL,
    holder: of('node:worker_threads'),
    names: ['MessageChannel', 'BroadcastChannel', 'receiveMessageOnPort'],
  },
  { kind: CHANNEL, holder: global, names: ['MessageChannel', 'BroadcastChannel'] },
  { kind: 'another thread', holder: () => Atomics, names: ['wait', 'waitAsync'] },
  {
    kind: 'a timer of node:timers/promises',
    holder: of('node:timers/promises'),
    names: ['setTimeout', 'setImmediate', 'setInterval'],
  },
  {
    kind: 'a timer of node:timers/promises',
    holder: of('node:timers/promises', 'scheduler'),
    names: ['wait', 'yield'],
  },
  { kind: 'a timer of the runtime', holder: () => AbortSignal, names: ['timeout'] },
  {
    kind: RANDOM,
    holder: of('node:crypto'),
    names:
      /^(?:random(?!UUID$)\w+|pseudoRandomBytes|getRandomValues|generate(?:Key|KeyPair|Prime)(?:Sync)?|create(?:DiffieHellman\w*|ECDH|Sign)|getDiffieHellman|sign|publicEncrypt)$/,
  },
  { kind: RANDOM, holder: () => globalThis.crypto, names: ['getRandomValues'] },
  { kind: WORK, holder: of('node:crypto'), names: ['argon2', 'checkPrime', 'hkdf', 'pbkdf2', 'scrypt'] },
  {
    kind: WORK,
    holder: () => Object.getPrototypeOf(globalThis.crypto.subtle) as object,
    names: /^(?!constructor$)/,
  },
  {
    kind: WORK,
    holder: of('node:zlib'),
    names:
      /^(?:create\w+|[A-Z]\w+|gzip|gunzip|unzip|(?:de|in)flate(?:Raw)?|(?:brotli|zstd)(?:C|Dec)ompress)$/,
  },
  { kind: WORK, holder: global, names: ['CompressionStream', 'DecompressionStream'] },
  {
    kind: WORK,
    holder: () => Reflect.get(globalThis, 'WebAssembly'),
    names: ['compile', 'compileStreaming', 'instantiate', 'instantiateStreaming'],
    direct: true,
  },
  {
    kind: 'a realm of node:vm, whose date and random numbers are its own',
    holder: of('node:vm'),
    names: ['createContext', 'runInNewContext'],
    direct: true,
  },
  {
    kind: 'a realm of node:vm, whose date and random numbers are its own',
    holder: of('node:vm', 'Script', 'prototype'),
    names: ['runInNewContext'],
  },
  {
    kind: FIGURE,
    holder: () => process,
    names: [
      'hrtime',
      'memoryUsage',
      'cpuUsage',
      'threadCpuUsage',
      'resourceUsage',
      'uptime',
      'constrainedMemory',
      'availableMemory',
    ],
  },
  {
    kind: FIGURE,
    holder: () => performance,
    names: ['mark', 'measure', 'timerify', 'eventLoopUtilization', 'toJSON'],
  },
  {
    kind: FIGURE,
    holder: of('node:perf_hooks'),
    names: ['monitorEventLoopDelay', 'PerformanceObserver', 'eventLoopUtilization', 'timerify'],
  },
  { kind: FIGURE, holder: of('node:v8'), names: /^getHeap/ },
  {
    kind: 'a figure of the system',
    holder: of('node:os'),
    names: ['freemem', 'loadavg', 'uptime', 'cpus', 'networkInterfaces'],
  },
  { kind: 'the standard input', holder: of('node:tty'), names: ['ReadStream'] },
];
