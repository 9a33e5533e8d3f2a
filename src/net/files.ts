// What reads and writes for connections that are no sockets: pipes and terminals have read(2) and write(2) instead.

import { EIO } from '../kernel/errno.js';
import type { Kernel } from '../kernel/kernel.js';

/**
 * The calls that a connection makes, as read(2) and write(2). There is no half to end (the whole descriptor is closed) and
 * no pending error to ask for. What only sockets have stays as it is, and refuses.
 */
class FileKernel {
  readonly buffer: Uint8Array;
  constructor(private readonly kernel: Kernel) {
    this.buffer = kernel.buffer;
  }
  recv(fd: number, start: number, length: number): number {
    const count = this.kernel.read(fd, start, length);
    // A terminal without its other side: the master of a pty says so when the last slave has gone, pty(7).
    return count === EIO ? 0 : count;
  }
  send(fd: number, start: number, length: number): number {
    return this.kernel.write(fd, this.buffer, start, length);
  }
  sendBytes(fd: number, bytes: Uint8Array, start: number, length: number): number {
    return this.kernel.write(fd, bytes, start, length);
  }
  sendPieces(fd: number, pieces: readonly Uint8Array[], count: number, start: number, end: number): number {
    return this.kernel.writePieces(fd, pieces, count, start, end);
  }
  shutdown(): number {
    return 0;
  }
  getOption(): number {
    return 0;
  }
  setOption(fd: number, ...rest: [Parameters<Kernel['setOption']>[1], number]): number {
    return this.kernel.setOption(fd, ...rest);
  }
  close(fd: number): number {
    return this.kernel.close(fd);
  }
}

const made = new WeakMap<Kernel, Kernel>();

/** One per kernel. It has what connections call, and no more. */
export function fileKernel(kernel: Kernel): Kernel {
  let files = made.get(kernel);
  if (files === undefined) made.set(kernel, (files = new FileKernel(kernel) as unknown as Kernel));
  return files;
}
