// Calls dictated and calls noted: what the scripted kernel does with a call before and after the simulation answers it.

import type { KernelPoller } from '../poller/poller.js';
import type { DescriptorFacts, Kernel, SocketAddress } from './kernel.js';

type KernelCallName = Exclude<keyof Kernel, 'name' | 'buffer' | 'datagrams' | 'now' | 'pollerKinds'>;
type PollerCallName = Exclude<
  keyof KernelPoller,
  'kind' | 'capabilities' | 'fd' | 'allocateEvents' | 'rawFlags' | 'close'
>;

/** Every call that can be scripted: those of `Kernel` (the clock has its own), and the system calls of its pollers but `close`. */
export type ScriptableCall = KernelCallName | PollerCallName;

/** A result, or a function that is given the call's arguments and may answer; undefined leaves it to the simulation. */
export type ScriptedResult = number | ((args: readonly unknown[]) => number | undefined);

/** One call, as it was made and answered. */
export interface KernelCall {
  /** Which call it was. */
  readonly name: ScriptableCall;
  /** The arguments themselves, not copies: `wait`'s array is the one that the next wait overwrites. */
  readonly args: readonly unknown[];
  /** -errno on failure; what `wake` gives is 0. */
  readonly result: number | string | DescriptorFacts | SocketAddress | KernelPoller;
  /** The poller it was made on; absent for calls of the kernel. */
  readonly poller?: KernelPoller;
}

// Objects, so that the compiler misses none when the interfaces grow. True: the first argument is the descriptor.
const KERNEL_CALLS: Record<KernelCallName, boolean> = {
  openPoller: false,
  socket: false,
  bind: true,
  listen: true,
  accept: true,
  connect: true,
  recv: true,
  send: true,
  sendBytes: true,
  receiveDatagrams: true,
  sendDatagrams: true,
  setMembership: true,
  shutdown: true,
  close: true,
  setOption: true,
  getOption: true,
  localAddress: true,
  peerAddress: true,
  socketPair: false,
  openReserve: false,
  sendPieces: true,
  read: true,
  write: true,
  writePieces: true,
  pipe: false,
  inspect: true,
  adopt: true,
  socketFile: false,
  unlink: false,
};
const POLLER_CALLS: Record<PollerCallName, boolean> = {
  add: true,
  modify: true,
  remove: true,
  wait: false,
  wake: false,
};

type Method = (...args: unknown[]) => KernelCall['result'] | undefined;

/**
 * The scripts and the record of one kernel. It costs nothing until it is used: only then are the methods of the kernel and
 * its pollers covered by ones that come here first.
 */
export class CallBook {
  readonly calls: KernelCall[] = [];
  readonly #kernel: Kernel;
  readonly #scripts = new Map<string, ScriptedResult[]>();
  readonly #listeners = new Set<(call: KernelCall) => void>();
  readonly #note = (call: KernelCall): void => void this.calls.push(call);
  /** Pollers opened before the first use; undefined once the methods are covered. */
  #uncovered: KernelPoller[] | undefined = [];

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  get left(): number {
    return [...this.#scripts.values()].reduce((sum, { length }) => sum + length, 0);
  }

  script(call: ScriptableCall, fd: number | null, results: readonly ScriptedResult[]): void {
    this.#cover();
    const key = `${call} ${fd ?? 'any'}`;
    this.#scripts.set(key, [...(this.#scripts.get(key) ?? []), ...results]);
  }

  listen(listener: (call: KernelCall) => void): () => void {
    this.#cover();
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  record(on: boolean): void {
    if (on) this.listen(this.#note);
    else this.#listeners.delete(this.#note);
  }

  /** A poller was opened: its calls are this book's too. */
  adopt(poller: KernelPoller): void {
    if (this.#uncovered === undefined) this.#coverObject(poller, POLLER_CALLS, poller);
    else this.#uncovered.push(poller);
  }

  #cover(): void {
    const pollers = this.#uncovered;
    if (pollers === undefined) return;
    this.#uncovered = undefined;
    this.#coverObject(this.#kernel, KERNEL_CALLS);
    for (const poller of pollers) this.#coverObject(poller, POLLER_CALLS, poller);
  }

  #coverObject(target: object, names: Record<string, boolean>, poller?: KernelPoller): void {
    for (const [key, takesFd] of Object.entries(names)) {
      const name = key as ScriptableCall;
      const simulate = Reflect.get(target, name) as Method;
      const method: Method = (...args) => {
        const fd = takesFd ? (args[0] as number) : (poller?.fd ?? null);
        const result = this.#dictated(name, fd, args) ?? simulate.apply(target, args);
        const call = { name, args, result: result ?? 0, ...(poller && { poller }) };
        for (const listener of this.#listeners) listener(call);
        return result;
      };
      Object.defineProperty(target, name, { value: method, configurable: true });
    }
  }

  #dictated(name: ScriptableCall, fd: number | null, args: readonly unknown[]): number | undefined {
    for (const key of [`${name} ${fd ?? 'any'}`, `${name} any`]) {
      const result = this.#scripts.get(key)?.shift();
      if (result !== undefined) return typeof result === 'number' ? result : result(args);
    }
    return undefined;
  }
}
