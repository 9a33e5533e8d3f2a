// A kernel that tells an observer each call with its arguments and result. Used only when somebody listens.

import type { Observer } from '../reactor/observer.js';
import type { Kernel } from './kernel.js';
import { RARE_CALLS } from './rare-calls.js';

type Method = (...args: unknown[]) => unknown;

/** Calls that are told through an array made for each. Those of the hot path stand in {@link ObservedKernel}. */
const told = [...RARE_CALLS, 'sendPieces', 'read', 'write', 'writePieces'] as const;

const numberOr = (value: unknown, otherwise: number): number =>
  typeof value === 'number' ? value : otherwise;

/** The calls of the hot path, told without making anything: their arguments are put into an array that is used again. */
class ObservedKernel {
  readonly name: string;
  readonly buffer: Uint8Array;
  readonly pollerKinds: Kernel['pollerKinds'];
  private readonly one: [number] = [0];
  private readonly three: [number, number, number] = [0, 0, 0];
  private readonly four: [number, Uint8Array, number, number];
  private readonly five: [number, Uint8Array, Int32Array, number, number];

  constructor(
    private readonly kernel: Kernel,
    private readonly observer: Observer,
  ) {
    this.name = kernel.name;
    this.buffer = kernel.buffer;
    this.pollerKinds = kernel.pollerKinds;
    this.four = [0, kernel.buffer, 0, 0];
    this.five = [0, kernel.buffer, new Int32Array(), 0, 0];
  }

  // The clock and the poller are not told: the reactor tells what they say itself.
  now(): number {
    return this.kernel.now();
  }
  openPoller(kind: Parameters<Kernel['openPoller']>[0]): ReturnType<Kernel['openPoller']> {
    return this.kernel.openPoller(kind);
  }

  recv(fd: number, start: number, length: number): number {
    const result = this.kernel.recv(fd, start, length);
    this.tellThree('recv', result, fd, start, length);
    return result;
  }
  send(fd: number, start: number, length: number): number {
    const result = this.kernel.send(fd, start, length);
    this.tellThree('send', result, fd, start, length);
    return result;
  }
  sendBytes(fd: number, bytes: Uint8Array, start: number, length: number): number {
    const result = this.kernel.sendBytes(fd, bytes, start, length);
    const args = this.four;
    args[0] = fd;
    args[1] = bytes;
    args[2] = start;
    args[3] = length;
    this.observer.call('sendBytes', args, result, fd, start, length);
    args[1] = this.buffer; // keeps the caller's bytes no longer than they are of use
    return result;
  }
  get datagrams(): Kernel['datagrams'] {
    return this.kernel.datagrams;
  }
  receiveDatagrams(fd: number, count: number, bytesMax: number): number {
    const result = this.kernel.receiveDatagrams(fd, count, bytesMax);
    this.tellThree('receiveDatagrams', result, fd, count, bytesMax);
    return result;
  }
  sendDatagrams(fd: number, bytes: Uint8Array, table: Int32Array, first: number, count: number): number {
    const result = this.kernel.sendDatagrams(fd, bytes, table, first, count);
    const args = this.five;
    args[0] = fd;
    args[1] = bytes;
    args[2] = table;
    args[3] = first;
    args[4] = count;
    this.observer.call('sendDatagrams', args, result, fd, first, count);
    return result;
  }
  accept(fd: number): number {
    return this.tellOne('accept', this.kernel.accept(fd), fd);
  }
  close(fd: number): number {
    return this.tellOne('close', this.kernel.close(fd), fd);
  }

  private tellOne(name: string, result: number, fd: number): number {
    this.one[0] = fd;
    this.observer.call(name, this.one, result, fd, 0, 0);
    return result;
  }
  private tellThree(name: string, result: number, fd: number, a: number, b: number): void {
    const args = this.three;
    args[0] = fd;
    args[1] = a;
    args[2] = b;
    this.observer.call(name, args, result, fd, a, b);
  }
}

/** A kernel with the same results whose calls are told to `observer` after they were made. */
export function observedKernel(kernel: Kernel, observer: Observer): Kernel {
  const observed = new ObservedKernel(kernel, observer) as ObservedKernel & Record<string, unknown>;
  for (const name of told) {
    const method: Method = (...args) => {
      // Called on the kernel, for it may keep private state that only it may reach.
      const result = (kernel[name] as Method)(...args);
      observer.call(name, args, result, numberOr(args[0], -1), numberOr(args[1], 0), numberOr(args[2], 0));
      return result;
    };
    observed[name] = method;
  }
  return observed as unknown as Kernel;
}
