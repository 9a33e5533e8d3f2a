// Whether the program's standard streams are terminals, and of which size: many programs do other things then. In a replay they
// are pipes, which say what was recorded, and are never full.

import * as tty from 'node:tty';
import { createRequire, syncBuiltinESMExports } from 'node:module';

const require = createRequire(import.meta.url);

/** Columns and rows; null: it is none. */
export type Terminal = readonly [number, number] | null;

/** Of this process's descriptors 0, 1 and 2. */
export function ownTerminals(): Terminal[] {
  const { stdout, stderr } = process;
  const size = (stream: Partial<tty.WriteStream>): Terminal =>
    stream.isTTY === true ? [stream.columns ?? 80, stream.rows ?? 24] : null;
  return [tty.isatty(0) ? [0, 0] : null, size(stdout), size(stderr)];
}

/** What a stream of a terminal can do beside writing. */
const METHODS = [
  'getColorDepth',
  'hasColors',
  'getWindowSize',
  'cursorTo',
  'moveCursor',
  'clearLine',
  'clearScreenDown',
] as const;

/** Has process.stdout, process.stderr and isatty() say what was recorded; `terminals` is empty where nobody knows. */
export function replayTerminals(terminals: readonly Terminal[]): void {
  const [, output = null, errors = null] = terminals;
  for (const [name, terminal] of Object.entries({ stdout: output, stderr: errors })) {
    const { get } = Object.getOwnPropertyDescriptor(process, name) as { get?: () => object };
    if (get === undefined) continue;
    let known: object | null = null;
    Object.defineProperty(process, name, {
      configurable: true,
      enumerable: true,
      get: () => (known ??= asRecorded(Reflect.apply(get, process, []), terminal)),
    });
  }
  const module = require('node:tty') as { isatty: (fd: number) => boolean };
  const own = module.isatty;
  module.isatty = (fd) => (fd >= 0 && fd <= 2 ? (terminals.at(fd) ?? null) !== null : own(fd));
  syncBuiltinESMExports();
}

interface Pipe {
  readonly _handle?: { setBlocking?(blocking: boolean): number } | null;
}

function asRecorded(stream: object, terminal: Terminal): object {
  // A write to a file or a terminal is done when the call returns, and one to a pipe unless it is full.
  (stream as Pipe)._handle?.setBlocking?.(true);
  if (terminal === null) return stream;
  const [columns, rows] = terminal;
  const methods = tty.WriteStream.prototype as unknown as Record<string, unknown>;
  for (const name of METHODS) {
    Object.defineProperty(stream, name, { value: methods[name], configurable: true, writable: true });
  }
  return Object.assign(stream, { isTTY: true, columns, rows });
}
