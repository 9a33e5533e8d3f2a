// What comes into a recorded program past the recording is found here and named: once per kind, with the line that asked.
// By functions put in front of the runtime's own, and not by async_hooks: a hook makes each promise dearer, and with one the
// runtime aborts where a TLS socket reads within a callback of ours (its check that no asynchronous scope is open).

import { createRequire, syncBuiltinESMExports } from 'node:module';
import { fileURLToPath } from 'node:url';
import { stackLines } from '../step/stack-lines.js';

const require = createRequire(import.meta.url);

/** Frames of this package are not the program's. */
const OWN_FOLDER = new URL('../', import.meta.url).href;
const ownPath = fileURLToPath(OWN_FOLDER);
/** Of this package, what asks for something that is on the tape already, or is no input of the program's. */
const TAPED_FOLDERS = ['kernel/', 'replay/'].flatMap((name) => [OWN_FOLDER + name, ownPath + name]);

type AnyFunction = (...args: unknown[]) => unknown;
type Holder = Record<string, AnyFunction | undefined>;

interface Kind {
  readonly kind: string;
  /** Where the functions stand. */
  readonly holder: () => object;
  readonly names: readonly string[];
}

const of =
  (module: string, ...path: string[]) =>
  (): object => {
    let found = require(module) as Record<string, object>;
    for (const name of path) found = found[name] as Record<string, object>;
    return found;
  };

const FILE = 'a file by node:fs';
const FILE_NAMES = [
  'readFile',
  'open',
  'readdir',
  'stat',
  'lstat',
  'access',
  'realpath',
  'readlink',
  'mkdtemp',
];
const SYNC_NAMES = ['readSync', 'fstatSync', 'existsSync', ...FILE_NAMES.map((name) => `${name}Sync`)];
const WORK = 'work on a thread of the runtime';

/** Entry points, by what a reader knows them as. */
const KINDS: readonly Kind[] = [
  {
    kind: FILE,
    holder: of('node:fs'),
    names: [...FILE_NAMES, ...SYNC_NAMES, 'read', 'exists', 'watch', 'watchFile'],
  },
  { kind: FILE, holder: of('node:fs', 'promises'), names: [...FILE_NAMES, 'watch'] },
  { kind: 'a connection of node:net', holder: of('node:net', 'Socket', 'prototype'), names: ['connect'] },
  { kind: 'a server of node:net', holder: of('node:net', 'Server', 'prototype'), names: ['listen'] },
  {
    kind: 'a socket of node:dgram',
    holder: of('node:dgram', 'Socket', 'prototype'),
    names: ['bind', 'send'],
  },
  { kind: 'a request of the runtime', holder: () => globalThis, names: ['fetch'] },
  {
    kind: 'a name looked up by node:dns',
    holder: of('node:dns'),
    names: ['lookup', 'lookupService', 'resolve', 'resolve4', 'resolve6', 'reverse'],
  },
  {
    kind: 'a name looked up by node:dns',
    holder: of('node:dns', 'promises'),
    names: ['lookup', 'lookupService', 'resolve', 'resolve4', 'resolve6', 'reverse'],
  },
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
  { kind: 'a worker thread', holder: of('node:worker_threads'), names: ['Worker', 'MessageChannel'] },
  { kind: 'another thread', holder: () => Atomics, names: ['wait', 'waitAsync'] },
  {
    kind: 'a timer of node:timers/promises',
    holder: of('node:timers/promises'),
    names: ['setTimeout', 'setImmediate', 'setInterval'],
  },
  { kind: 'a timer of the runtime', holder: () => AbortSignal, names: ['timeout'] },
  {
    kind: 'random bytes',
    holder: of('node:crypto'),
    names: [
      'randomBytes',
      'randomInt',
      'randomFill',
      'randomFillSync',
      'generateKeyPair',
      'generateKeyPairSync',
    ],
  },
  { kind: 'random bytes', holder: () => globalThis.crypto, names: ['getRandomValues'] },
  { kind: WORK, holder: of('node:crypto'), names: ['pbkdf2', 'scrypt', 'hkdf'] },
  {
    kind: WORK,
    holder: of('node:zlib'),
    names: [
      'gzip',
      'gunzip',
      'deflate',
      'inflate',
      'brotliCompress',
      'brotliDecompress',
      'createGzip',
      'createGunzip',
    ],
  },
  {
    kind: 'the clock or a figure of the process',
    holder: () => process,
    names: [
      'hrtime',
      'memoryUsage',
      'cpuUsage',
      'resourceUsage',
      'uptime',
      'constrainedMemory',
      'availableMemory',
    ],
  },
  {
    kind: 'a figure of the system',
    holder: of('node:os'),
    names: ['freemem', 'loadavg', 'uptime', 'cpus', 'networkInterfaces'],
  },
];

interface Frames {
  /** Of the program's own code: `server.js:12`; null: there is only the runtime's. */
  readonly program: string | null;
  /** Who called the function that was replaced. */
  readonly caller: string;
  /** It was called by another that was replaced (Node 24: readFileSync calls openSync), which has been looked at. */
  readonly nested: boolean;
}

const FRAMES_MAX = 60;
const thisPath = fileURLToPath(import.meta.url);

function look(from: AnyFunction): Frames {
  const places = stackLines(FRAMES_MAX, from).map(placeOf);
  const others = places.filter((place) => place !== '' && !place.startsWith('node:'));
  // Where none of the program's is on the stack, this package asks for it on the program's behalf: a pool that starts a worker.
  const own = others.find((place) => !isOurs(place)) ?? others.at(0);
  return {
    program: own === undefined ? null : shown(own),
    caller: places.find((place) => place !== '') ?? '',
    nested: others.some((place) => place.startsWith(import.meta.url) || place.startsWith(thisPath)),
  };
}

/** `file:///a/b.js:1:2`, `/a/b.js:1:2` or `node:fs:3:4` of one line of a stack. */
function placeOf(line: string): string {
  return /\(?((?:file:|node:|\/)[^()]*:\d+:\d+)\)?$/.exec(line)?.[1] ?? '';
}
const isOurs = (place: string): boolean => place.startsWith(OWN_FOLDER) || place.startsWith(ownPath);

function shown(place: string): string {
  const [, where = place, line = ''] = /^(.*):(\d+):\d+$/.exec(place) ?? [];
  return `${where.startsWith('file:') ? fileURLToPath(where) : where}:${line}`;
}

/** The loader of modules reads files, and the runtime prints: that is no input of the program's. */
const NOT_INPUTS = ['node:internal/modules', 'node:internal/bootstrap', ...TAPED_FOLDERS];

/** Tells of inputs that no replay can give again. `ours` is true while the recorder itself asks for one. */
export class Uncovered {
  private readonly known = new Set<string>();

  constructor(
    private readonly tell: (kind: string, where: string) => void,
    private readonly ours: () => boolean,
  ) {}

  start(): void {
    for (const { kind, holder, names } of KINDS) {
      const place = holder() as Holder;
      for (const name of names) {
        const own = place[name];
        if (typeof own !== 'function') continue;
        const value = this.around(own, kind, name);
        Object.defineProperty(place, name, { value, configurable: true, writable: true, enumerable: true });
      }
    }
    this.watchInput();
    syncBuiltinESMExports();
  }

  /** The message of another process: `kind` was met, and nobody of the program's asked for it. */
  met(kind: string): void {
    this.found(kind, 'the process that started it');
  }

  private around(own: AnyFunction, kind: string, name: string): AnyFunction {
    const seen = (from: AnyFunction): void => this.seen(kind, name, from);
    const known = this.known;
    // A proxy: what is called may be a class, and has properties of its own (hrtime.bigint).
    const proxy: AnyFunction = new Proxy(own, {
      apply: function apply(target, self: unknown, args: unknown[]): unknown {
        if (!known.has(kind)) seen(apply as AnyFunction);
        return Reflect.apply(target, self, args);
      },
      construct: function construct(target, args: unknown[], newTarget): object {
        if (!known.has(kind)) seen(construct as AnyFunction);
        return Reflect.construct(target, args, newTarget === proxy ? target : newTarget) as object;
      },
      get: function get(target, property, receiver): unknown {
        if (property === 'bigint' && !known.has(kind)) seen(get as AnyFunction);
        return Reflect.get(target, property, receiver);
      },
    });
    return proxy;
  }

  private watchInput(): void {
    const found = Object.getOwnPropertyDescriptor(process, 'stdin');
    const get = found?.get?.bind(process);
    if (get === undefined) return;
    const seen = (from: AnyFunction): void => this.seen('the standard input', 'process.stdin', from);
    Object.defineProperty(process, 'stdin', {
      configurable: true,
      enumerable: true,
      get: function stdin(): unknown {
        seen(stdin);
        return get();
      },
    });
  }

  private seen(kind: string, name: string, from: AnyFunction): void {
    if (this.ours()) return;
    const { program, caller, nested } = look(from);
    if (program === null || nested || NOT_INPUTS.some((place) => caller.startsWith(place))) return;
    this.found(kind, `${program} (${name})`);
  }

  private found(kind: string, where: string): void {
    if (this.known.has(kind)) return;
    this.known.add(kind);
    this.tell(kind, where);
  }
}
