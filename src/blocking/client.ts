// A TCP client that blocks its thread: plain system calls that return when they are done, for workers and command lines.

import { binding } from '../binding.js';
import { SystemError, UnderloopError, argumentError, checkInteger, checkMs, checkObject } from '../errors.js';
import { constants } from 'node:os';
import type { InternetAddress } from '../kernel/kernel.js';
import { SHUT_WRITE } from '../kernel/kernel.js';
import { nativeKernel } from '../kernel/native.js';
import { checkAddress } from '../net/address.js';

const { ECANCELED, ETIMEDOUT } = constants.errno;

/** Options of {@link connect}. */
export interface BlockingConnectOptions {
  /** A numeric address; 127.0.0.1 unless given. */
  host?: string;
  /** 1 to 65,535. */
  port: number;
  /** Of the connect, and of each read and write unless {@link BlockingConnection.timeoutMs} is set; none unless given. */
  timeoutMs?: number;
}

/**
 * While a call waits, its thread does nothing else: no timer, no promise, no other connection. That is the point in a
 * worker or a command-line tool, and a disaster in a thread that serves others.
 */
export class BlockingConnection implements Disposable {
  private descriptor: number;
  private limitMs: number;

  /** @internal Use {@link connect}. */
  constructor(
    fd: number,
    /** The peer's address. */
    readonly address: InternetAddress,
    timeoutMs: number,
  ) {
    this.descriptor = fd;
    this.limitMs = timeoutMs;
  }

  /** The descriptor, in blocking mode; -1 once closed. */
  get fd(): number {
    return this.descriptor;
  }
  /** Whether {@link close} was called. */
  get closed(): boolean {
    return this.descriptor < 0;
  }
  /** How long each read and write may take; Infinity: as long as it likes. */
  get timeoutMs(): number {
    return this.limitMs;
  }
  /** Throws `ERR_ARGUMENT`. */
  set timeoutMs(timeoutMs: number) {
    checkMs('timeoutMs', timeoutMs, true);
    this.limitMs = timeoutMs;
  }

  /**
   * Waits for bytes and reads up to `buffer.length` of them: recv(2). Returns how many; 0 at the end. Throws ERR_TIMEOUT,
   * ERR_CLOSED, a `SystemError` (ECONNRESET).
   */
  read(buffer: Uint8Array): number {
    checkBytes('buffer', buffer);
    return this.receive(buffer, 0, buffer.length);
  }

  /** Exactly `count` bytes. Throws ERR_END_OF_DATA when the peer ends before. The limit of time is that of the whole call. */
  readExactly(count: number): Buffer {
    checkInteger('count', count, 0, 0x7fffffff);
    const bytes = Buffer.allocUnsafeSlow(count);
    const endMs = binding.now() + this.limitMs;
    for (let got = 0; got < count;) {
      const n = this.receive(bytes, got, count - got, Math.max(endMs - binding.now(), 0));
      if (n === 0) {
        const text = `the peer ended after ${String(got)} of ${String(count)} bytes`;
        throw new UnderloopError('ERR_END_OF_DATA', text);
      }
      got += n;
    }
    return bytes;
  }

  /** Sends all of `bytes`, and returns when the kernel has them: send(2). After ERR_TIMEOUT a part may have gone. */
  write(bytes: Uint8Array | string): void {
    if (typeof bytes === 'string') bytes = Buffer.from(bytes);
    checkBytes('bytes', bytes);
    const result = binding.blockingWrite(this.checked(), bytes, 0, bytes.length, native(this.limitMs));
    if (result < 0) throw this.failure('send', result, this.limitMs);
  }

  /** Ends our half (FIN); reading goes on. */
  end(): void {
    const result = binding.shutdown(this.checked(), SHUT_WRITE);
    if (result < 0) throw this.failure('shutdown', result, this.limitMs);
  }

  /** Idempotent. A worker that is terminated closes its connections as well. */
  close(): void {
    const fd = this.descriptor;
    this.descriptor = -1;
    if (fd >= 0) nativeKernel.close(fd);
  }
  /** The same as {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  private receive(buffer: Uint8Array, start: number, length: number, limitMs = this.limitMs): number {
    const n = binding.blockingRead(this.checked(), buffer, start, length, native(limitMs));
    if (n < 0) throw this.failure('recv', n, this.limitMs);
    return n;
  }

  private checked(): number {
    if (this.descriptor < 0) throw new UnderloopError('ERR_CLOSED', 'the connection is closed');
    return this.descriptor;
  }

  private failure(syscall: string, result: number, limitMs: number): Error {
    // The kernel's own ETIMEDOUT (a peer that does not acknowledge) looks the same; without a limit of ours it is that.
    if (result === -ETIMEDOUT && limitMs !== Infinity) return timedOut('ERR_TIMEOUT', syscall, limitMs);
    return failure(syscall, result, this.address, this.descriptor);
  }
}

/**
 * Connects, and returns when the connection stands. Throws ERR_CONNECT_TIMEOUT after `timeoutMs`, a `SystemError`
 * (ECONNREFUSED), ERR_HOST_NAME for a name, ERR_ARGUMENT.
 */
export function connect(options: BlockingConnectOptions): BlockingConnection {
  checkObject('options', options);
  const { host = '127.0.0.1', port, timeoutMs = Infinity } = options;
  const address = checkAddress('options', host, port);
  if (port === 0) throw argumentError('options.port', 'a port from 1 to 65535', port);
  checkMs('options.timeoutMs', timeoutMs, true);
  const fd = binding.blockingConnect(address.family, host, port, native(timeoutMs));
  if (fd === -ETIMEDOUT && timeoutMs !== Infinity) {
    throw timedOut('ERR_CONNECT_TIMEOUT', `connect to ${host}:${String(port)}`, timeoutMs);
  }
  if (fd < 0) throw failure('connect', fd, address);
  return new BlockingConnection(fd, address, timeoutMs);
}

function native(timeoutMs: number): number {
  return timeoutMs === Infinity ? -1 : timeoutMs;
}

function timedOut(
  code: 'ERR_TIMEOUT' | 'ERR_CONNECT_TIMEOUT',
  what: string,
  timeoutMs: number,
): UnderloopError {
  return new UnderloopError(code, `${what} took longer than ${String(timeoutMs)} ms`);
}

function failure(syscall: string, result: number, { host, port }: InternetAddress, fd?: number): Error {
  // Nobody sees it: the worker is being terminated, and runs no JavaScript any more.
  if (result === -ECANCELED)
    return new UnderloopError('ERR_ABORTED', `${syscall}: the worker is being terminated`);
  return new SystemError(syscall, result, { address: host, port, ...(fd !== undefined && { fd }) });
}

function checkBytes(name: string, bytes: unknown): void {
  if (!(bytes instanceof Uint8Array)) throw argumentError(name, 'a Uint8Array', bytes);
  if (bytes.length === 0 && name === 'buffer')
    throw argumentError(name, 'a Uint8Array that is not empty', bytes);
  if (bytes.length > 0x7fffffff) throw argumentError(name, 'a Uint8Array of less than 2 GiB', bytes);
}
