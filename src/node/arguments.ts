// The arguments of connect() and listen() in all their forms, and the checks that node:net makes of them.

import { isIP } from 'node:net';
import {
  argumentTypeError,
  argumentValueError,
  badPort,
  invalidIp,
  missingArguments,
  rangeError,
} from './errors.js';

export type Callback = (...args: unknown[]) => void;
export type Options = Record<string, unknown>;

/** `(options, cb)`, `(port, host, cb)`, `(path, cb)`, `(cb)`, `()`: as options and a callback. */
export function normalizeArguments(args: readonly unknown[]): [Options, Callback | null] {
  const [first, second] = args;
  let options: Options = {};
  if (typeof first === 'object' && first !== null) options = first as Options;
  else if (isPipeName(first)) options = { path: first };
  else if (args.length > 0) {
    options = { port: first };
    if (args.length > 1 && typeof second === 'string') options['host'] = second;
  }
  const last = args.at(-1);
  return [options, typeof last === 'function' ? (last as Callback) : null];
}

function isPipeName(value: unknown): value is string {
  return typeof value === 'string' && toNumber(value) === false;
}

function toNumber(value: unknown): number | false {
  const number = Number(value);
  return number >= 0 ? number : false;
}

/** The backlog of `(port, backlog)` and `(port, host, backlog)`. */
export function backlogOf(args: readonly unknown[]): number {
  return (args.length > 1 && toNumber(args[1])) || (args.length > 2 && toNumber(args[2])) || 0;
}

/** The port as a number. Throws ERR_SOCKET_BAD_PORT. */
export function checkedPort(name: string, port: unknown): number {
  const text = typeof port === 'string' ? port.trim() : port;
  const good =
    (typeof text === 'number' || (typeof text === 'string' && text !== '')) &&
    Number(text) === Number(text) >>> 0;
  if (!good || Number(text) > 0xffff) throw badPort(name, port);
  return Number(text);
}

export function checkNumber(name: string, value: unknown): asserts value is number {
  if (typeof value !== 'number') throw argumentTypeError(name, 'of type number', value);
}

export function checkString(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw argumentTypeError(name, 'of type string', value);
}

export function checkCallback(name: string, value: unknown): asserts value is Callback {
  if (typeof value !== 'function') throw argumentTypeError(name, 'of type function', value);
}

export function checkSignal(signal: unknown): asserts signal is AbortSignal {
  if (typeof signal !== 'object' || signal === null || !('aborted' in signal)) {
    throw argumentTypeError('options.signal', 'an instance of AbortSignal', signal);
  }
}

/** The longest delay of the runtime's timers. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** A duration for the runtime's timers. Throws ERR_OUT_OF_RANGE; too long a one is cut, with its warning. */
export function checkedDelayMs(name: string, delayMs: unknown): number {
  checkNumber(name, delayMs);
  if (delayMs < 0 || !Number.isFinite(delayMs))
    throw rangeError(name, 'a non-negative finite number', delayMs);
  if (delayMs <= TIMER_MS_MAX) return delayMs;
  process.emitWarning(
    `${String(delayMs)} does not fit into a 32-bit signed integer.\nTimer duration was truncated to ${String(TIMER_MS_MAX)}.`,
    'TimeoutOverflowWarning',
  );
  return TIMER_MS_MAX;
}

/** In whole seconds, as setKeepAlive() counts. Throws ERR_INVALID_ARG_TYPE. */
export function keepAliveDelayS(delayMs: unknown): number {
  if (delayMs === undefined) return 0;
  checkNumber('options.keepAliveInitialDelay', delayMs);
  return Math.trunc(Math.max(delayMs, 0) / 1000);
}

/** What connect() is given, checked before anything is done. */
export function checkConnectOptions(options: Options): void {
  const { localAddress, localPort, lookup } = options;
  if (localAddress && (typeof localAddress !== 'string' || isIP(localAddress) === 0))
    throw invalidIp(localAddress);
  if (localPort) checkNumber('options.localPort', localPort);
  const { port } = options;
  if (port !== undefined && typeof port !== 'number' && typeof port !== 'string') {
    throw argumentTypeError('options.port', 'one of type number or string', port);
  }
  if (port !== undefined) checkedPort('Port', port);
  const { autoSelectFamily, autoSelectFamilyAttemptTimeout: attemptMs } = options;
  if (autoSelectFamily !== undefined && typeof autoSelectFamily !== 'boolean') {
    throw argumentTypeError('options.autoSelectFamily', 'of type boolean', autoSelectFamily);
  }
  if (attemptMs !== undefined) checkNumber('options.autoSelectFamilyAttemptTimeout', attemptMs);
  if (lookup !== undefined) checkCallback('options.lookup', lookup);
}

/** connect() without a port or path. */
export function checkDestination(options: Options): void {
  if (options['port'] === undefined && (options['path'] === undefined || options['path'] === null))
    throw missingArguments();
}

/** Why listen() cannot use these options. */
export function unusableListenOptions(options: Options): Error {
  return 'port' in options || 'path' in options
    ? argumentValueError('options', options)
    : argumentValueError('options', options, 'must have the property "port" or "path"');
}
