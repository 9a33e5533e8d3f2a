// What comes into a recorded program past the recording is found here and named: once per kind, with the line that asked.
// By functions put in front of the runtime's own, and not by async_hooks: a hook makes each promise dearer, and with one the
// runtime aborts where a TLS socket reads within a callback of ours (its check that no asynchronous scope is open).

import { syncBuiltinESMExports } from 'node:module';
import { fileURLToPath } from 'node:url';
import { stackLines } from '../step/stack-lines.js';
import { KINDS, type Kind } from './uncovered-kinds.js';

/** Frames of this package are not the program's. */
const OWN_FOLDER = new URL('../', import.meta.url).href;
const ownPath = fileURLToPath(OWN_FOLDER);
/** Of this package, what asks for something that is on the tape already, or is no input of the program's. */
const TAPED_FOLDERS = ['kernel/', 'replay/'].flatMap((name) => [OWN_FOLDER + name, ownPath + name]);

type AnyFunction = (...args: unknown[]) => unknown;

interface Found {
  readonly get?: () => unknown;
  readonly configurable?: boolean;
}

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
const NOT_INPUTS = [
  'node:internal/modules',
  'node:internal/bootstrap',
  'node:internal/source_map',
  ...TAPED_FOLDERS,
];
/** Functions of a function: process.hrtime.bigint(), process.memoryUsage.rss(). */
const INNER: ReadonlySet<string | symbol> = new Set(['bigint', 'rss']);

/** Tells of inputs that no replay can give again. `ours` is true while the recorder itself asks for one. */
export class Uncovered {
  private readonly known = new Set<string>();

  constructor(
    private readonly tell: (kind: string, where: string) => void,
    private readonly ours: () => boolean,
  ) {}

  start(): void {
    for (const kind of KINDS) this.cover(kind);
    this.watchInput();
    syncBuiltinESMExports();
  }

  /** `kind` was met, and nobody of the program's asked for it. */
  met(kind: string, where: string): void {
    this.found(kind, where);
  }

  private cover({ kind, holder, names, direct = false }: Kind): void {
    const place = holder();
    const all =
      names instanceof RegExp ? Reflect.ownKeys(place).filter((name) => typeof name === 'string') : names;
    for (const name of all) {
      if (names instanceof RegExp && !names.test(name)) continue;
      const put = (value: unknown): void =>
        void Object.defineProperty(place, name, {
          value,
          configurable: true,
          writable: true,
          enumerable: true,
        });
      const wrapped = (own: unknown): unknown =>
        typeof own === 'function' ? this.around(own as AnyFunction, kind, name, direct) : own;
      const found = Object.getOwnPropertyDescriptor(place, name) as Found | undefined;
      const { get, configurable = true } = found ?? {};
      if (!configurable) continue;
      if (get === undefined) {
        const own = Reflect.get(place, name) as unknown;
        if (typeof own === 'function') put(wrapped(own));
        continue;
      }
      // The runtime loads it when somebody asks for it, and so do we.
      const made = (): unknown => {
        const value = wrapped(Reflect.apply(get, place, []));
        put(value);
        return value;
      };
      Object.defineProperty(place, name, { get: made, set: put, configurable: true, enumerable: true });
    }
  }

  private around(own: AnyFunction, kind: string, name: string, direct: boolean): AnyFunction {
    const seen = (from: AnyFunction): void => this.seen(kind, name, from, direct);
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
        if (INNER.has(property) && !known.has(kind)) seen(get as AnyFunction);
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

  private seen(kind: string, name: string, from: AnyFunction, direct = false): void {
    if (this.ours()) return;
    const { program, caller, nested } = look(from);
    if (program === null || nested || NOT_INPUTS.some((place) => caller.startsWith(place))) return;
    if (direct && caller.startsWith('node:')) return;
    this.found(kind, `${program} (${name})`);
  }

  private found(kind: string, where: string): void {
    if (this.known.has(kind)) return;
    this.known.add(kind);
    this.tell(kind, where);
  }
}
