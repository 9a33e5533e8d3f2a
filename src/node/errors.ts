// Errors as node:net gives them, with the same codes and messages: programs written for it compare them.

import { inspect } from 'node:util';
import { SystemError, describeErrno } from '../errors.js';

/** Where a connection attempt failed. */
export interface Place {
  address: string;
  port: number;
}

/** An error of the runtime's kind: its `code` is shown in the stack, and the name stays that of the class. */
export function coded<E extends Error>(error: E, code: string): E & { code: string } {
  const { name } = error;
  error.name = `${name} [${code}]`;
  Reflect.get(error, 'stack'); // the name is written into the stack when it is first read
  error.name = name;
  return Object.assign(error, { code });
}

/** `expected` reads after "must be": "of type number", "an instance of Object". */
export function argumentTypeError(name: string, expected: string, value: unknown): TypeError {
  const kind = name.includes('.') ? 'property' : 'argument';
  return coded(
    new TypeError(`The "${name}" ${kind} must be ${expected}.${received(value)}`),
    'ERR_INVALID_ARG_TYPE',
  );
}

export function argumentValueError(name: string, value: unknown, reason = 'is invalid'): TypeError {
  const shown = inspect(value);
  const text = shown.length > 128 ? `${shown.slice(0, 128)}...` : shown;
  const kind = name.includes('.') ? 'property' : 'argument';
  return coded(new TypeError(`The ${kind} '${name}' ${reason}. Received ${text}`), 'ERR_INVALID_ARG_VALUE');
}

export function rangeError(name: string, range: string, value: unknown): RangeError {
  return coded(
    new RangeError(`The value of "${name}" is out of range. It must be ${range}. Received ${inspect(value)}`),
    'ERR_OUT_OF_RANGE',
  );
}

export function badPort(name: string, port: unknown): RangeError {
  return coded(
    new RangeError(`${name} should be >= 0 and < 65536.${received(port)}.`),
    'ERR_SOCKET_BAD_PORT',
  );
}

export function missingArguments(): TypeError {
  return coded(
    new TypeError('The "options" or "port" or "path" argument must be specified'),
    'ERR_MISSING_ARGS',
  );
}

export function invalidIp(address: unknown): TypeError {
  return coded(new TypeError(`Invalid IP address: ${String(address)}`), 'ERR_INVALID_IP_ADDRESS');
}

export const alreadyListening = (): Error =>
  coded(
    new Error('Listen method has been called more than once without closing.'),
    'ERR_SERVER_ALREADY_LISTEN',
  );

export const notRunning = (): Error => coded(new Error('Server is not running.'), 'ERR_SERVER_NOT_RUNNING');

export const socketClosed = (): Error => coded(new Error('Socket is closed'), 'ERR_SOCKET_CLOSED');

export const closedBeforeConnection = (): Error =>
  coded(
    new Error('Socket closed before the connection was established'),
    'ERR_SOCKET_CLOSED_BEFORE_CONNECTION',
  );

export const attemptTimedOut = (): Error =>
  coded(new Error('The socket connection attempt timed out'), 'ERR_SOCKET_CONNECTION_TIMEOUT');

/** What underloop/node does not do (yet), said where it is asked for. */
export function notCovered(what: string, instead: string): Error {
  return coded(
    new Error(`underloop/node does not cover ${what}; ${instead}`),
    'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM',
  );
}

/** A failed system call, as libuv's errors look: `errno` negative, `syscall` by libuv's name. */
export function systemError(syscall: string, errno: number, text = ''): NodeJS.ErrnoException {
  const code = describeErrno(errno)?.[0] ?? `E${String(-errno)}`;
  return Object.assign(new Error(`${syscall} ${code}${text}`), { errno, code, syscall });
}

/** `connect ECONNREFUSED 127.0.0.1:80`, with `address` and `port`. */
export function connectError(
  syscall: string,
  errno: number,
  { address, port }: Place,
  local?: Place,
): NodeJS.ErrnoException {
  const from = local === undefined ? '' : ` - Local (${local.address}:${String(local.port)})`;
  const where = port > 0 ? `${address}:${String(port)}` : address;
  const error = systemError(syscall, errno, ` ${where}${from}`);
  const origin = local === undefined ? {} : { localAddress: local.address, localPort: local.port };
  return Object.assign(error, port > 0 ? { address, port } : { address }, origin);
}

/** `listen EADDRINUSE: address already in use 127.0.0.1:80`, with `address` and `port`. */
export function listenError(cause: SystemError, { address, port }: Place): NodeJS.ErrnoException {
  const description = describeErrno(cause.errno)?.[1] ?? '';
  const where = port > 0 ? `${address}:${String(port)}` : address;
  const error = systemError('listen', cause.errno, `: ${description} ${where}`);
  return Object.assign(error, port > 0 ? { address, port } : { address });
}

/** The names that libuv gives to what the connection calls recv and send. */
const syscallNames: Readonly<Record<string, string>> = { recv: 'read', send: 'write' };

/** What a connection failed with, as node:net would say it: `read ECONNRESET`. */
export function connectionError(error: Error): Error {
  if (!(error instanceof SystemError)) return error;
  return systemError(syscallNames[error.syscall] ?? error.syscall, error.errno);
}

/** How the runtime ends its argument errors. */
function received(value: unknown): string {
  if (value === null || value === undefined) return ` Received ${String(value)}`;
  if (typeof value === 'function') return ` Received function ${value.name}`;
  if (typeof value === 'object') {
    const { name } = (value as { constructor?: { name?: string } }).constructor ?? {};
    return name === undefined || name === ''
      ? ` Received ${inspect(value, { depth: -1 })}`
      : ` Received an instance of ${name}`;
  }
  const shown = inspect(value, { colors: false });
  return ` Received type ${typeof value} (${shown.length > 28 ? `${shown.slice(0, 25)}...` : shown})`;
}
