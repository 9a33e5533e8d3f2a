// Outgoing connections, of TCP and Unix: resolve if need be, connect without blocking, give up by timeout or AbortSignal.

import { SystemError, UnderloopError, argumentError, checkMs, checkSignal } from '../errors.js';
import { EAGAIN, EINPROGRESS } from '../kernel/errno.js';
import type { InternetAddress, SocketAddress } from '../kernel/kernel.js';
import type { Reactor } from '../reactor/reactor.js';
import { checkAddress, checkOneOf, checkPath, whereOf } from './address.js';
import { checkFlush, checkHandlers, checkObject, checkQueueBound, checkReactor } from './checks.js';
import { Connection } from './connection.js';
import { CONNECTING } from './endpoint.js';
import { applyOptions, checkStreamOptions, type StreamOptions } from './options.js';
import { SingleService, type ConnectionHandlers, type ServiceOptions } from './service.js';

/** What {@link connect} is told: whom to connect to, options of the socket, and bounds. */
export interface ConnectOptions extends StreamOptions, ServiceOptions {
  /** A numeric address (127.0.0.1 unless given); for names `resolveHost()` of `underloop`. */
  host?: string;
  /** 1 to 65,535. Needed, unless there is a path. */
  port?: number;
  /** In the place of host and port: a Unix socket, at a path or, with '\\0' before it, by an abstract name of Linux. */
  path?: string;
  /** Milliseconds after which it gives up with ERR_CONNECT_TIMEOUT; without it the kernel's own limit counts, about two minutes (tcp(7)). */
  timeoutMs?: number;
  /** Aborting closes the connection with the signal's reason, while it is being made or later. */
  signal?: AbortSignal;
  /** The local address to connect from; its port may be 0. */
  from?: InternetAddress;
}

/**
 * Connects to a numeric address or to a path. Returns the connection at once; `open` tells that it stands, `error` and `close` that
 * it does not. `write()` may be called before: the bytes wait. Throws ERR_ARGUMENT, ERR_HOST_NAME, or a `SystemError`
 * when the system refuses a socket at all (EMFILE). connect(2).
 */
export function connect<Context = unknown>(
  reactor: Reactor,
  options: ConnectOptions,
  handlers: ConnectionHandlers<Context>,
): Connection<Context> {
  checkReactor(reactor);
  checkObject('options', options);
  const address = checkTarget(options);
  const { timeoutMs, signal, from } = options;
  if (timeoutMs !== undefined) checkMs('options.timeoutMs', timeoutMs);
  checkSignal('options.signal', signal);
  checkStreamOptions('options', options);
  if (from !== undefined) checkFrom(from, address.family);
  checkQueueBound(options.writeQueueBytesMax);
  checkFlush(options.flush);
  checkHandlers(handlers);
  signal?.throwIfAborted();

  const service = new SingleService<Context>(reactor, reactor.kernel, handlers, options, address);
  const { kernel } = reactor;
  const fd = kernel.socket(address.family);
  if (fd < 0) throw new SystemError('socket', fd);
  let connection: Connection<Context>;
  let refusal = 0;
  try {
    applyOptions(kernel, fd, options);
    if (from !== undefined) {
      const bound = kernel.bind(fd, { ...from, family: address.family as 4 | 6 });
      if (bound < 0) throw new SystemError('bind', bound, { fd, address: from.host, port: from.port });
    }
    const result = kernel.connect(fd, address);
    if (result < 0 && result !== EINPROGRESS) refusal = result;
    connection = new Connection<Context>(service, fd, CONNECTING);
  } catch (error) {
    kernel.close(fd);
    throw error;
  }
  if (refusal < 0) {
    const hint = refusal === EAGAIN ? { hint: "The listener's queue is full; try again" } : {};
    connection.destroy(new SystemError('connect', refusal, { fd, ...whereOf(address), ...hint }));
    return connection;
  }
  guard(service, connection, options, address);
  return connection;
}

function checkTarget(options: ConnectOptions): SocketAddress {
  checkOneOf(options, [['port', 'host'], ['path']]);
  if (options.path !== undefined) return checkPath('options.path', options.path);
  if (options.port === 0) throw argumentError('options.port', 'a port from 1 to 65535', 0);
  return checkAddress('options', options.host ?? '127.0.0.1', options.port);
}

function checkFrom(from: InternetAddress, family: SocketAddress['family']): void {
  checkObject('options.from', from);
  if (family === 'unix') throw argumentError('options.from', 'absent with options.path', from);
  if (checkAddress('options.from', from.host, from.port).family === family) return;
  throw argumentError('options.from.host', `an IPv${String(family)} address, as options.host is`, from.host);
}

function guard<Context>(
  service: SingleService<Context>,
  connection: Connection<Context>,
  { timeoutMs, signal }: ConnectOptions,
  address: SocketAddress,
): void {
  if (timeoutMs === undefined && signal === undefined) return;
  const timer =
    timeoutMs === undefined
      ? null
      : service.reactor.setTimer(timeoutMs, () => {
          if (!connection.connecting) return;
          const where = address.path ?? `${address.host}:${String(address.port)}`;
          const text = `connect to ${where} took longer than ${String(timeoutMs)} ms`;
          connection.destroy(new UnderloopError('ERR_CONNECT_TIMEOUT', text));
        });
  timer?.unref(); // the connection keeps run() going, as long as it is itself to do so
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
