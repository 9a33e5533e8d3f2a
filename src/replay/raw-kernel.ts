// The real kernel's own calls, kept aside; and a tape put in front of them for everybody who has that kernel.

import { binding } from '../binding.js';
import type { Kernel } from '../kernel/kernel.js';
import { nativeKernel } from '../kernel/native.js';

type Calls = Record<string, unknown>;

/** Fields and methods of a kernel, but for its constructor. */
function names(kernel: Kernel): string[] {
  const prototype = Object.getPrototypeOf(kernel) as object;
  const all = [...Object.getOwnPropertyNames(kernel), ...Object.getOwnPropertyNames(prototype)];
  return all.filter((name) => name !== 'constructor' && name !== 'datagrams');
}

/** The native kernel as it is now: a copy, which stays as it is when that one is changed. Make it before any change. */
export function keepNativeKernel(): Kernel {
  const kept: Calls = {};
  for (const name of names(nativeKernel)) kept[name] = (nativeKernel as unknown as Calls)[name];
  const read = binding.read.bind(binding);
  kept['read'] = (fd: number, start: number, length: number): number =>
    read(fd, nativeKernel.buffer, start, length);
  Object.defineProperty(kept, 'datagrams', { get: () => nativeKernel.datagrams });
  return kept as unknown as Kernel;
}

/** From here on, whoever calls the native kernel of this copy of the package calls `taped`. */
export function replaceNativeKernel(taped: Kernel): void {
  const target = nativeKernel as unknown as Calls;
  const calls = taped as unknown as Record<string, (...args: unknown[]) => unknown>;
  for (const name of names(nativeKernel)) {
    if (typeof calls[name] !== 'function') continue;
    const value = (...args: unknown[]): unknown => calls[name](...args);
    Object.defineProperty(target, name, { value, configurable: true, writable: true });
  }
}
