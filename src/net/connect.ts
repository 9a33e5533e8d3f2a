// Outgoing TCP connections: resolve if need be, connect without blocking, give up by timeout or AbortSignal.

import { SystemError, UnderloopError, argumentError, checkMs, checkSignal } from '../errors.js';
import { EINPROGRESS } from '../kernel/errno.js';
import type { InternetAddress } from '../kernel/kernel.js';
import type { Trigger } from '../poller/poller.js';
import type { Reactor } from '../reactor/reactor.js';
import { checkAddress } from './address.js';
import {
  checkFlush,
  checkHandlers,
  checkObject,
  checkQueueBound,
  checkReactor,
  checkSwitch,
  connectionTrigger,
} from './checks.js';
import { Connection, WRITE_QUEUE_BYTES_MAX, type ConnectionHandlers, type Service } from './connection.js';
import { Staging, type Flush } from './staging.js';

export interface ConnectOptions {
  /** A numeric address (127.0.0.1 unless given); for names see {@link resolveHost}. */
  host?: string;
  port: number;
  /** Gives up with ERR_CONNECT_TIMEOUT; without it the kernel's own limit counts, about two minutes (tcp(7)). */
  timeoutMs?: number;
  /** Aborting closes the connection with the signal's reason, while it is being made or later. */
  signal?: AbortSignal;
  noDelay?: boolean;
  trigger?: Trigger;
  /** The local address to connect from; its port may be 0. */
  from?: InternetAddress;
  writeQueueBytesMax?: number;
  /** When small writes leave: see {@link Flush}. 'now' unless given. */
  flush?: Flush;
}

/** The service of a single connection that we made ourselves. */
class Outgoing<Context> implements Service<Context> {
  readonly trigger: number;
  readonly writeQueueBytesMax: number;
  readonly staging: Staging;
  readonly holdsReplies: boolean;
  /** Undoes timeout and abort listener. */
  settle: () => void = () => undefined;

  constructor(
    readonly reactor: Reactor,
    readonly handlers: ConnectionHandlers<Context>,
    readonly target: InternetAddress,
    options: ConnectOptions,
  ) {
    this.trigger = connectionTrigger(options.trigger, reactor.poller);
    this.writeQueueBytesMax = options.writeQueueBytesMax ?? WRITE_QUEUE_BYTES_MAX;
    this.staging = Staging.of(reactor.kernel.buffer);
    this.holdsReplies = options.flush === 'turn';
  }
  connectionClosed(): void {
    this.settle();
  }
}

/**
 * Connects to a numeric address. Returns the connection at once; `open` tells that it stands, `error` and `close` that
 * it does not. `write()` may be called before: the bytes wait. Throws ERR_ARGUMENT, ERR_HOST_NAME, or a `SystemError`
 * when the system refuses a socket at all (EMFILE).
 */
export function connect<Context = unknown>(
  reactor: Reactor,
  options: ConnectOptions,
  handlers: ConnectionHandlers<Context>,
): Connection<Context> {
  checkReactor(reactor);
  checkObject('options', options);
  const address = checkAddress('options', options.host ?? '127.0.0.1', options.port);
  if (options.port === 0) throw argumentError('options.port', 'a port from 1 to 65535', 0);
  const { timeoutMs, signal, from } = options;
  if (timeoutMs !== undefined) checkMs('options.timeoutMs', timeoutMs);
  checkSignal('options.signal', signal);
  checkSwitch('options.noDelay', options.noDelay);
  if (from !== undefined) checkFrom(from, address.family);
  checkQueueBound(options.writeQueueBytesMax);
  checkFlush(options.flush);
  checkHandlers(handlers);
  signal?.throwIfAborted();

  const service = new Outgoing<Context>(reactor, handlers, address, options);
  const { kernel } = reactor;
  const fd = kernel.socket(address.family);
  if (fd < 0) throw new SystemError('socket', fd);
  let connection: Connection<Context>;
  let refusal = 0;
  try {
    if (options.noDelay === true) kernel.setOption(fd, 'noDelay', 1);
    if (from !== undefined) {
      const bound = kernel.bind(fd, { ...from, family: address.family });
      if (bound < 0) throw new SystemError('bind', bound, { fd, address: from.host, port: from.port });
    }
    const result = kernel.connect(fd, address);
    if (result < 0 && result !== EINPROGRESS) refusal = result;
    connection = new Connection<Context>(service, fd, true);
  } catch (error) {
    kernel.close(fd);
    throw error;
  }
  if (refusal < 0) {
    connection.destroy(
      new SystemError('connect', refusal, { fd, address: address.host, port: address.port }),
    );
    return connection;
  }
  guard(service, connection, options, address);
  return connection;
}

function checkFrom(from: InternetAddress, family: 4 | 6): void {
  checkObject('options.from', from);
  if (checkAddress('options.from', from.host, from.port).family === family) return;
  throw argumentError('options.from.host', `an IPv${String(family)} address, as options.host is`, from.host);
}

function guard<Context>(
  service: Outgoing<Context>,
  connection: Connection<Context>,
  { timeoutMs, signal }: ConnectOptions,
  address: InternetAddress,
): void {
  if (timeoutMs === undefined && signal === undefined) return;
  const timer =
    timeoutMs === undefined
      ? null
      : service.reactor.setTimer(timeoutMs, () => {
          if (!connection.connecting) return;
          const text = `connect to ${address.host}:${String(address.port)} took longer than ${String(timeoutMs)} ms`;
          connection.destroy(new UnderloopError('ERR_CONNECT_TIMEOUT', text));
        });
  const onAbort = (): void => {
    const reason: unknown = signal?.reason;
    connection.destroy(reason instanceof Error ? reason : new Error('aborted', { cause: reason }));
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  service.settle = () => {
    timer?.cancel();
    signal?.removeEventListener('abort', onAbort);
  };
}
