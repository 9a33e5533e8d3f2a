// Options of stream sockets: their checks, and setting them on a descriptor.

import { SystemError, UnderloopError, argumentError, checkInteger } from '../errors.js';
import { ENOPROTOOPT, EOPNOTSUPP } from '../kernel/errno.js';
import type { Kernel, SocketOption } from '../kernel/kernel.js';
import { checkObject, checkSwitch } from './checks.js';

/** When a silent peer is asked whether it is there still; tcp(7). What is absent is the system's own setting. */
export interface KeepAlive {
  /** Seconds of silence before the first probe: 1 to 32,767. */
  idleS?: number | undefined;
  /** Seconds between probes: 1 to 32,767. */
  intervalS?: number | undefined;
  /** Probes without an answer after which the connection fails with ETIMEDOUT: 1 to 127. */
  count?: number | undefined;
}

/** Options of a stream socket; socket(7), tcp(7). Given to a listener they hold for what it accepts. */
export interface StreamOptions {
  /** TCP_NODELAY: small writes leave at once instead of waiting for an acknowledgement. */
  noDelay?: boolean;
  /** SO_KEEPALIVE: whether a silent peer is asked now and then if it is there still; an object says when. */
  keepAlive?: boolean | KeepAlive;
  /** SO_RCVBUF. The kernel doubles it, bounds it (net.core.rmem_max) and from then on adjusts it no more. */
  receiveBufferBytes?: number;
  /** SO_SNDBUF; likewise, with net.core.wmem_max. */
  sendBufferBytes?: number;
  /**
   * SO_LINGER. 0: close resets the connection and drops what was not sent; -1, the default: it is sent behind our back.
   * Above 0, close(2) blocks the thread and the reactor with it, so long at most, until the peer has all: `end()` does not.
   */
  lingerS?: number;
  /** TCP_USER_TIMEOUT: sent bytes without acknowledgement for so long end the connection with ETIMEDOUT. Linux; 0: its own limit. */
  userTimeoutMs?: number;
}

const numbers = {
  receiveBufferBytes: [1, 2 ** 30 - 1],
  sendBufferBytes: [1, 2 ** 30 - 1],
  lingerS: [-1, 65_535],
  userTimeoutMs: [0, 2 ** 31 - 1],
} as const;
const probes = {
  idleS: ['keepAliveIdleS', 32_767],
  intervalS: ['keepAliveIntervalS', 32_767],
  count: ['keepAliveCount', 127],
} as const;

/** Throws ERR_ARGUMENT unless each number that is given is in its range. */
export function checkKeepAlive(keepAlive: KeepAlive, prefix = ''): void {
  for (const name of Object.keys(probes) as (keyof typeof probes)[]) {
    if (keepAlive[name] !== undefined) checkInteger(prefix + name, keepAlive[name], 1, probes[name][1]);
  }
}

/** Throws ERR_ARGUMENT unless each option that is given is one that the system could take. */
export function checkStreamOptions(name: string, options: StreamOptions): void {
  checkObject(name, options);
  checkSwitch(`${name}.noDelay`, options.noDelay);
  const { keepAlive } = options;
  if (typeof keepAlive === 'object' && (keepAlive as unknown) !== null)
    checkKeepAlive(keepAlive, `${name}.keepAlive.`);
  else if (keepAlive !== undefined && typeof keepAlive !== 'boolean')
    throw argumentError(`${name}.keepAlive`, 'true, false or an object', keepAlive);
  for (const [key, [min, max]] of Object.entries(numbers)) {
    const value = options[key as keyof typeof numbers];
    if (value !== undefined) checkInteger(`${name}.${key}`, value, min, max);
  }
}

/** Sets one option. Throws ERR_UNSUPPORTED for what this system or this kind of socket has not, or a `SystemError`. */
export function applyOption(kernel: Kernel, fd: number, option: SocketOption, value: number): void {
  const result = kernel.setOption(fd, option, value);
  if (result === ENOPROTOOPT || result === EOPNOTSUPP) {
    throw new UnderloopError(
      'ERR_UNSUPPORTED',
      `this system or socket has no option ${option}; leave it out`,
    );
  }
  if (result < 0) throw new SystemError('setsockopt', result, { fd, hint: `The option is ${option}` });
}

/** Sets what is given. Throws ERR_UNSUPPORTED for what this system or this kind of socket has not, or a `SystemError`. */
export function applyOptions(kernel: Kernel, fd: number, options: StreamOptions): void {
  const set = (option: SocketOption, value: number): void => {
    applyOption(kernel, fd, option, value);
  };
  const { noDelay, keepAlive } = options;
  if (noDelay !== undefined) set('noDelay', noDelay ? 1 : 0);
  if (keepAlive !== undefined) {
    set('keepAlive', keepAlive === false ? 0 : 1);
    if (typeof keepAlive === 'object') {
      for (const [key, [option]] of Object.entries(probes)) {
        const value = keepAlive[key as keyof KeepAlive];
        if (value !== undefined) set(option, value);
      }
    }
  }
  for (const key of Object.keys(numbers) as (keyof typeof numbers)[]) {
    const value = options[key];
    if (value !== undefined) set(key, value);
  }
}
