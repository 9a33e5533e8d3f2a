// Numeric addresses, and host names through the runtime's resolver.

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { SystemError, UnderloopError, argumentError, checkPort } from '../errors.js';
import { UNIX_PATH_BYTES_MAX } from '../kernel/kernel.js';
import type { InternetAddress, SocketAddress, UnixAddress } from '../kernel/kernel.js';

/** An address as the context of a {@link SystemError}; none for a socket without a name. */
export function whereOf(address: SocketAddress | null): { address?: string; port?: number } {
  if (address === null || address.path === '') return {};
  return address.path === undefined
    ? { address: address.host, port: address.port }
    : { address: address.path };
}

/** A numeric host and a port as a socket address; null when `host` is a name. */
export function numericAddress(host: string, port: number): InternetAddress | null {
  const family = isIP(host);
  return family === 0 ? null : { family: family as 4 | 6, host, port };
}

/** Checks `host` and `port` and gives the address. Throws ERR_HOST_NAME for a name: see {@link resolveHost}. */
export function checkAddress(prefix: string, host: unknown, port: unknown): InternetAddress {
  checkHost(`${prefix}.host`, host);
  checkPort(`${prefix}.port`, port);
  const address = numericAddress(host, port);
  if (address === null) {
    throw new UnderloopError(
      'ERR_HOST_NAME',
      `${prefix}.host must be a numeric address such as 127.0.0.1 or ::1; got the name '${host}'. ` +
        'Resolve it first: `host: (await resolveHost(name)).host`',
    );
  }
  return address;
}

/**
 * Checks a path or an abstract name, which may have NULs in it (unix(7)), and gives the address. Throws ERR_ARGUMENT;
 * ERR_UNSUPPORTED for a name outside Linux.
 */
export function checkPath(name: string, path: unknown): UnixAddress {
  const abstract = typeof path === 'string' && path.startsWith('\0');
  if (typeof path !== 'string' || path === '' || path === '\0' || (!abstract && path.includes('\0'))) {
    throw argumentError(name, "a path without a NUL in it, or '\\0' and an abstract name (Linux)", path);
  }
  if (abstract && process.platform !== 'linux') {
    throw new UnderloopError('ERR_UNSUPPORTED', `${name}: abstract names are Linux's alone; use a path`);
  }
  // The path of a file is followed by a NUL.
  const max = abstract ? UNIX_PATH_BYTES_MAX : UNIX_PATH_BYTES_MAX - 1;
  const bytes = Buffer.byteLength(path);
  if (bytes <= max) return { family: 'unix', path };
  throw new UnderloopError(
    'ERR_ARGUMENT',
    `${name} must be at most ${String(max)} bytes long (sun_path, unix(7)); got ${String(bytes)}: ` +
      'use a shorter directory, or a path relative to the working directory',
  );
}

/** Throws ERR_ARGUMENT if more than one of the ways to say where is used. */
export function checkOneOf(options: object, ways: readonly (readonly string[])[]): void {
  const given = ways.map((names) =>
    names.find((name) => (options as Record<string, unknown>)[name] !== undefined),
  );
  const used = given.filter((name) => name !== undefined);
  if (used.length > 1) {
    throw new UnderloopError(
      'ERR_ARGUMENT',
      `options.${used.join(' and options.')} exclude one another: give one`,
    );
  }
}

/** Throws ERR_ARGUMENT for what is no text, empty, or has a NUL in it. */
export function checkHost(name: string, host: unknown): asserts host is string {
  if (typeof host !== 'string' || host === '' || host.includes('\0')) {
    throw argumentError(name, 'an address or a host name', host);
  }
}

/** What {@link resolveHost} has found. */
export interface ResolvedHost {
  /** IPv4 or IPv6. */
  family: 4 | 6;
  /** The numeric address. */
  host: string;
}

/**
 * The first address of a host name, by the runtime's resolver. getaddrinfo(3) blocks its thread on files and network,
 * so no readiness can stand for it; the runtime runs it on its thread pool, and the reactor goes on meanwhile. Rejects
 * with ERR_ARGUMENT, or with a `SystemError` of getaddrinfo when there is no address.
 */
export async function resolveHost(host: string): Promise<ResolvedHost> {
  checkHost('host', host);
  try {
    const { address, family } = await lookup(host);
    return { family: family as 4 | 6, host: address };
  } catch (cause) {
    const { errno, code } = cause as NodeJS.ErrnoException;
    if (typeof errno !== 'number') throw cause;
    const error = new SystemError('getaddrinfo', errno, {
      hint: `No address was found for '${host}' (${String(code)})`,
    });
    error.cause = cause;
    throw error;
  }
}
