// Results that a stepper puts into the next system calls: a kernel seam in front of another, made only for a stepper.

import { constants } from 'node:os';
import { argumentError, checkFd, checkInteger } from '../errors.js';
import type { Kernel } from '../kernel/kernel.js';
import { RARE_CALLS } from '../kernel/rare-calls.js';
import type { Observer } from './observer.js';

export const CALLS = [
  'socket',
  'accept',
  'connect',
  'recv',
  'send',
  'shutdown',
  'setOption',
  'getOption',
  'receiveDatagrams',
  'sendDatagrams',
] as const;

/** The calls that can get a result of a stepper's. `send` stands for both ways of sending. */
export type InjectableCall = (typeof CALLS)[number];

/** A transfer that is cut short. */
export interface ShortTransfer {
  /** Bytes that the call transfers at most. */
  readonly bytesMax: number;
}

/** A negative errno; or, for recv and send, a bound of the bytes that this call transfers. */
export type InjectedResult = number | ShortTransfer;

interface Injection {
  readonly call: InjectableCall;
  readonly result: InjectedResult;
  readonly fd: number | undefined;
}

/** What has been asked for and not happened yet, oldest first. */
export class Injections {
  private readonly waiting: Injection[] = [];

  add(call: InjectableCall, result: InjectedResult, fd?: number): void {
    if (!CALLS.includes(call)) throw argumentError('call', `one of ${CALLS.join(', ')}`, call);
    if (fd !== undefined) checkFd('fd', fd);
    if (typeof result === 'number') checkInteger('result', result, -4095, -1);
    else if (call !== 'recv' && call !== 'send') throw argumentError('result', 'a negative errno', result);
    else checkInteger('result.bytesMax', result.bytesMax, 1, 2 ** 31 - 1);
    this.waiting.push({ call, result, fd });
  }

  /** Whether there is one for this call. */
  waitsFor(call: InjectableCall, fd: unknown): boolean {
    return this.find(call, fd) >= 0;
  }
  private find(call: InjectableCall, fd: unknown): number {
    return this.waiting.findIndex((one) => one.call === call && (one.fd === undefined || one.fd === fd));
  }

  /** The oldest one for this call, which is thereby used up. */
  take(call: InjectableCall, fd: unknown): InjectedResult | undefined {
    const at = this.find(call, fd);
    return at < 0 ? undefined : this.waiting.splice(at, 1)[0]?.result;
  }
}

type Method = (...args: unknown[]) => unknown;

/**
 * A kernel whose calls give what `injections` says, and else what `observed` gives. `real` is the same kernel without the
 * observer, which is told of an injected result as if the system had given it.
 */
export function injectable(
  real: Kernel,
  observed: Kernel,
  observer: Observer | null,
  injections: Injections,
): Kernel {
  const { name, buffer, pollerKinds } = real;
  const methods: Record<string, Method> = {};
  // Those that can be injected are covered below.
  const others = ['now', 'openPoller', 'close', 'read', 'write', 'writePieces', ...RARE_CALLS] as const;
  for (const other of others) methods[other] = (...args) => (observed[other] as Method)(...args);
  const cover = (method: 'sendBytes' | InjectableCall, call: InjectableCall): void => {
    methods[method] = (...args) => {
      const injected = injections.take(call, args[0]);
      if (injected === undefined) return (observed[method] as Method)(...args);
      let result: unknown = injected;
      if (typeof injected !== 'number') {
        const length = Math.min(args.at(-1) as number, injected.bytesMax);
        result = (real[method] as Method)(...args.slice(0, -1), length);
      }
      const [a, b] = [args.at(-2), args.at(-1)].map((value) => (typeof value === 'number' ? value : 0));
      observer?.call(
        method,
        args,
        result,
        args[0] as number,
        args.length > 1 ? a : 0,
        args.length > 1 ? b : 0,
      );
      // The native kernel never shows an EINTR: it makes the call again.
      return result === -constants.errno.EINTR ? (observed[method] as Method)(...args) : result;
    };
  };
  for (const call of CALLS) cover(call, call);
  cover('sendBytes', 'send');
  // A result for `send` waits: then the first piece goes alone, as a socket with little room would take it.
  methods['sendPieces'] = (fd, pieces, count, start, end) => {
    const [first] = pieces as readonly Uint8Array[];
    const stop = count === 1 ? (end as number) : first.length;
    return injections.waitsFor('send', fd)
      ? methods['sendBytes'](fd, first, start, stop - (start as number))
      : (observed.sendPieces as Method)(fd, pieces, count, start, end);
  };
  const datagrams = { get: () => real.datagrams }; // made only when somebody asks for it
  return Object.defineProperty(
    { name, buffer, pollerKinds, ...methods },
    'datagrams',
    datagrams,
  ) as unknown as Kernel;
}
