// Errors that say what was wrong, with which value, and what to do; and the checks that throw them before any syscall.

import { inspect, getSystemErrorMap } from 'node:util';

/** Codes of {@link UnderloopError}. System errors carry the system's own codes (ECONNRESET, ...) instead. */
export type ErrorCode =
  | 'ERR_ABORTED'
  | 'ERR_ARGUMENT'
  | 'ERR_BUSY'
  | 'ERR_CLOSED'
  | 'ERR_CONNECT_TIMEOUT'
  | 'ERR_END_OF_DATA'
  | 'ERR_EXECUTOR_FUNCTION'
  | 'ERR_FD_REFUSED'
  | 'ERR_FD_REGISTERED'
  | 'ERR_FD_TOO_LARGE'
  | 'ERR_HOST_NAME'
  | 'ERR_NATIVE_MISSING'
  | 'ERR_NOT_NESTABLE'
  | 'ERR_NOT_REGISTERED'
  | 'ERR_QUEUE_FULL'
  | 'ERR_RECORDING_CORRUPT'
  | 'ERR_RECORDING_FORMAT'
  | 'ERR_RECORDING_VERSION'
  | 'ERR_TASKS_FAILED'
  | 'ERR_TIMEOUT'
  | 'ERR_TOO_LONG'
  | 'ERR_TRACE_CORRUPT'
  | 'ERR_TRACE_FORMAT'
  | 'ERR_TRACE_VERSION'
  | 'ERR_UNSUPPORTED'
  | 'ERR_WORKER_ENDED'
  | 'ERR_WRITE_AFTER_END';

/** A mistake in the use of this package. `code` is stable; the message names argument, value and remedy. */
export class UnderloopError extends Error {
  /** Stable from version to version. */
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UnderloopError';
    this.code = code;
  }
}

/** What was asked cannot be done now. */
export function busy(text: string): UnderloopError {
  return new UnderloopError('ERR_BUSY', text);
}

/** Where a system error happened. */
export interface SystemErrorContext {
  /** The descriptor. */
  fd?: number;
  /** The address. */
  address?: string;
  /** The port. */
  port?: number;
  /** A sentence with the remedy, added to the message. */
  hint?: string;
}

/** `host:port`, or the path of a Unix socket, which has no port; NULs of an abstract name are shown as @, as in ss(8). */
function shownAddress(address: string, port: number | undefined): string {
  if (port === undefined) return address.replaceAll('\0', '@');
  return `${address.includes(':') ? `[${address}]` : address}:${String(port)}`;
}

let systemErrors: ReturnType<typeof getSystemErrorMap> | null = null;

/** The name and the words for `errno` (negative). Node makes the whole map anew at each call: 10 us of a connection reset. */
export function describeErrno(errno: number): [string, string] | undefined {
  return (systemErrors ??= getSystemErrorMap()).get(errno);
}

/** A refusal by the kernel: `code` (ECONNRESET), `errno` (negative, as Node gives it), `syscall`, and where. */
export class SystemError extends Error {
  /** The system's name, such as ECONNRESET. */
  readonly code: string;
  /** Negative, as Node gives it. */
  readonly errno: number;
  /** The system call that refused. */
  readonly syscall: string;
  /** The descriptor, where it concerns one. */
  readonly fd?: number;
  /** The address, where it concerns one. */
  readonly address?: string;
  /** The port, where it concerns one. */
  readonly port?: number;
  constructor(syscall: string, errno: number, context: SystemErrorContext = {}) {
    const [code, text] = describeErrno(errno) ?? [`E${String(-errno)}`, 'unknown error'];
    const where =
      context.address !== undefined
        ? ` ${shownAddress(context.address, context.port)}`
        : context.fd !== undefined
          ? ` fd ${String(context.fd)}`
          : '';
    super(`${syscall} ${code}${where}: ${text}${context.hint === undefined ? '' : `. ${context.hint}`}`);
    this.name = 'SystemError';
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
    if (context.fd !== undefined) this.fd = context.fd;
    if (context.address !== undefined) this.address = context.address;
    if (context.port !== undefined) this.port = context.port;
  }
}

/**
 * One without a stack, for what a peer has done: no frame of the program led there, and to record ours would take longer
 * than all the system calls of a short connection.
 */
export function peerError(syscall: string, errno: number, context: SystemErrorContext): SystemError {
  const { stackTraceLimit } = Error;
  Reflect.set(Error, 'stackTraceLimit', 0); // an assignment would throw where intrinsics are frozen
  try {
    return new SystemError(syscall, errno, context);
  } finally {
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit);
  }
}

/** An argument mistake: names the argument, what it must be, and what it was. */
export function argumentError(name: string, expected: string, value: unknown): UnderloopError {
  const shown = inspect(value, { depth: 0, breakLength: Infinity, maxStringLength: 60 });
  return new UnderloopError('ERR_ARGUMENT', `${name} must be ${expected}; got ${shown}`);
}

export function checkInteger(
  name: string,
  value: unknown,
  min: number,
  max: number,
): asserts value is number {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
    throw argumentError(name, `an integer from ${String(min)} to ${String(max)}`, value);
  }
}

export function checkFd(name: string, value: unknown): asserts value is number {
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > 0x7fffffff) {
    throw argumentError(name, 'a file descriptor, an integer of at least 0', value);
  }
}

export function checkPort(name: string, value: unknown): asserts value is number {
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > 65535) {
    throw argumentError(name, 'a port, an integer from 0 to 65535 (0: the system chooses)', value);
  }
}

export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw argumentError(name, 'a function', value);
}

/** A delay or timeout in milliseconds: >= 0, fractions allowed. `Infinity` only where the caller says so. */
export function checkMs(name: string, value: unknown, infinityAllowed = false): asserts value is number {
  const good = typeof value === 'number' && value >= 0 && (infinityAllowed || value !== Infinity);
  if (!good) {
    const expected = infinityAllowed ? 'at least 0, or Infinity' : 'finite and at least 0';
    throw argumentError(name, `a number of milliseconds, ${expected}`, value);
  }
}

export function checkObject(name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) throw argumentError(name, 'an object', value);
}

/** An AbortSignal, or nothing. */
export function checkSignal(name: string, value: unknown): void {
  if (value !== undefined && !(value instanceof AbortSignal))
    throw argumentError(name, 'an AbortSignal', value);
}

/** A task: a function, or an object with a run() method. */
export function checkTask(name: string, value: unknown): void {
  if (typeof value === 'function' || typeof (value as { run?: unknown } | null)?.run === 'function') return;
  throw argumentError(name, 'a function, or an object with a run() method', value);
}
