// A kernel that tells an observer each call with its arguments and result. Used only when somebody listens.

import type { Observer } from '../reactor/observer.js';
import type { Kernel } from './kernel.js';

type Method = (...args: unknown[]) => unknown;

/** The calls that are told. The clock and the poller are not: the reactor tells their results itself. */
const told = [
  'socket',
  'bind',
  'listen',
  'accept',
  'connect',
  'recv',
  'send',
  'sendBytes',
  'shutdown',
  'close',
  'setOption',
  'getOption',
  'localAddress',
  'peerAddress',
  'socketPair',
  'openReserve',
] as const;

/** A kernel with the same results whose calls are told to `observer` after they were made. */
export function observedKernel(kernel: Kernel, observer: Observer): Kernel {
  const methods: Record<string, Method> = {};
  for (const name of told) {
    const method = (kernel[name] as Method).bind(kernel);
    methods[name] = (...args) => {
      const result = method(...args);
      observer.call(name, args, result);
      return result;
    };
  }
  // Bound, for a kernel may keep private state that only it may reach.
  methods['now'] = kernel.now.bind(kernel);
  methods['openPoller'] = kernel.openPoller.bind(kernel) as Method;
  const { name, buffer, pollerKinds } = kernel;
  return { name, buffer, pollerKinds, ...methods } as unknown as Kernel;
}
