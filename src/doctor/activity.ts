// Hears what the program does with descriptors by its own means: fs.readSync, descriptors.read, nativeKernel.recv, close.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { binding } from '../binding.js';
import { nativeKernel } from '../kernel/native.js';

/** Told after reads and writes, before closes. */
export interface ActivityListener {
  read(fd: number, count: number): void;
  wrote(fd: number, count: number): void;
  closing(fd: number): void;
  accepted(fd: number, result: number): void;
}

type Anything = (this: unknown, ...args: unknown[]) => unknown;
type Methods = Record<string, Anything>;
type Tell = (fd: number, result: unknown) => void;

/** What an asynchronous call moves is not known yet: that there was one is what counts. */
const ASKED = 1;

/**
 * Puts a function that tells before (or after) each of these calls whose first argument is a descriptor. They go on as
 * before: same arguments, same results, same errors.
 */
function wrap(object: Methods, name: string, tell: Tell, before = false): void {
  const original = object[name] as Anything | undefined;
  if (typeof original !== 'function') return;
  const wrapped: Anything = function (...args) {
    const fd = args[0];
    if (before && typeof fd === 'number') tell(fd, ASKED);
    const result = original.apply(this, args);
    if (!before && typeof fd === 'number') tell(fd, result);
    return result;
  };
  Object.defineProperty(wrapped, 'name', { value: original.name });
  Object.defineProperty(wrapped, 'length', { value: original.length });
  // fs.read and others carry a promisified form of their own.
  for (const symbol of Object.getOwnPropertySymbols(original))
    Object.defineProperty(
      wrapped,
      symbol,
      Object.getOwnPropertyDescriptor(original, symbol) as PropertyDescriptor,
    );
  object[name] = wrapped;
}

/** From now on, and for this thread, the listener is told. Called once, before the program begins. */
export function listenToActivity(listener: ActivityListener): void {
  const count = (result: unknown): number => (typeof result === 'number' ? result : ASKED);
  const read: Tell = (fd, result) => listener.read(fd, count(result));
  const wrote: Tell = (fd, result) => listener.wrote(fd, count(result));
  const closing: Tell = (fd) => listener.closing(fd);

  const files = fs as unknown as Methods;
  for (const name of ['readSync', 'readvSync', 'read', 'readv', 'readFileSync']) wrap(files, name, read);
  for (const name of ['writeSync', 'writevSync', 'write', 'writev', 'writeFileSync', 'appendFileSync'])
    wrap(files, name, wrote);
  for (const name of ['closeSync', 'close']) wrap(files, name, closing, true);
  syncBuiltinESMExports();

  // The native kernel keeps the addon's own functions, and descriptors.ts asks for them at each call: both are told.
  const addon = binding as unknown as Methods;
  const kernel = nativeKernel as unknown as Methods;
  for (const object of [addon, kernel]) {
    for (const name of ['read', 'recv']) wrap(object, name, read);
    for (const name of ['write', 'send', 'sendBytes', 'sendPieces', 'writePieces']) wrap(object, name, wrote);
    wrap(object, 'close', closing, true);
  }
  wrap(kernel, 'accept', (fd, result) => listener.accepted(fd, count(result)));
}
