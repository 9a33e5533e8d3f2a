// Connections over descriptors that are open already: sockets, pipes, FIFOs, terminals; and pairs made here.

import { SystemError, UnderloopError, checkFd } from '../errors.js';
import type { DescriptorFacts, Kernel } from '../kernel/kernel.js';
import type { Reactor } from '../reactor/reactor.js';
import { checkFlush, checkHandlers, checkObject, checkQueueBound, checkReactor } from './checks.js';
import { Connection } from './connection.js';
import { READ_ENDED, WRITE_ENDED, WRITE_ONLY } from './endpoint.js';
import { fileKernel } from './files.js';
import { SingleService, type ConnectionHandlers, type ServiceOptions } from './service.js';

/** Kinds that are no stream of bytes to wait for, and what to do with them. */
const refused: Partial<Record<DescriptorFacts['kind'], string>> = {
  file: 'a regular file or block device, which is always "ready" and may still block on the disk: read it with an executor',
  directory: 'a directory',
  listener: 'a listening socket: give it to listen(reactor, { fd })',
  datagram: 'a datagram socket, which has no stream of bytes',
  other: 'no stream (an eventfd, timerfd, epoll ... ): wait on it with reactor.watch()',
};

/**
 * Makes a connection of a stream that is open already: a connected socket, the end of a pipe or FIFO, a terminal. The
 * descriptor is the connection's from then on, which closes it; if adopt() throws, it is still yours. It becomes
 * non-blocking, for all who share the open file (open(2)), and closed on exec. `open` is not called: it is open.
 *
 * The end of a pipe goes one way: a reading one is not `writable`, and closes at the end of what was written; a writing one
 * closes when nobody reads any more (on select, only when something is written). Nothing here raises SIGPIPE to a death.
 * Throws ERR_ARGUMENT, ERR_FD_REFUSED for regular files and the like, ERR_FD_REGISTERED, a `SystemError` (EBADF, ENOTCONN).
 */
export function adopt<Context = unknown>(
  reactor: Reactor,
  fd: number,
  handlers: ConnectionHandlers<Context>,
  options: ServiceOptions = {},
): Connection<Context> {
  checkReactor(reactor);
  checkFd('fd', fd);
  checkService(handlers, options);
  const { kernel } = reactor;
  const facts = kernel.inspect(fd);
  if (typeof facts === 'number')
    throw new SystemError('fstat', facts, { fd, hint: 'The descriptor is not open' });
  const why = refused[facts.kind];
  if (why !== undefined) {
    throw new UnderloopError('ERR_FD_REFUSED', `fd ${String(fd)} cannot be a connection: it is ${why}`);
  }
  const isSocket = facts.kind === 'stream';
  if (isSocket) {
    const peer = kernel.peerAddress(fd);
    if (typeof peer === 'number')
      throw new SystemError('getpeername', peer, { fd, hint: 'Connect the socket first' });
  }
  let flags = 0;
  if (!facts.writable) flags |= WRITE_ENDED;
  if (!facts.readable) flags |= READ_ENDED | WRITE_ONLY;
  const service = new SingleService(reactor, isSocket ? kernel : fileKernel(kernel), handlers, options);
  const connection = new Connection(service, fd, flags);
  const result = kernel.adopt(fd);
  if (result >= 0) return connection;
  connection.abandon();
  throw new SystemError('fcntl', result, { fd });
}

/** Both ends of a pipe, as connections. */
export interface PipeEnds<Context = unknown> {
  /** The end that reads; it closes at the end of what was written. */
  readonly reader: Connection<Context>;
  /** The end that writes; it closes when nobody reads any more. */
  readonly writer: Connection<Context>;
}

/**
 * A pipe: what `writer` writes, `reader` reads; pipe(7). Throws as {@link adopt} does, and a `SystemError` (EMFILE).
 */
export function pipe<Context = unknown>(
  reactor: Reactor,
  readerHandlers: ConnectionHandlers<Context>,
  writerHandlers: ConnectionHandlers<Context> = {},
  options: ServiceOptions = {},
): PipeEnds<Context> {
  const [reader, writer] = adoptBoth(reactor, 'pipe', [readerHandlers, writerHandlers], options);
  return { reader, writer };
}

/**
 * Two connections that are each other's peer, both ways; socketpair(2). The second has the first one's handlers unless it
 * is given its own. Throws as {@link adopt} does, and a `SystemError` (EMFILE).
 */
export function socketPair<Context = unknown>(
  reactor: Reactor,
  handlers: ConnectionHandlers<Context>,
  secondHandlers: ConnectionHandlers<Context> = handlers,
  options: ServiceOptions = {},
): [Connection<Context>, Connection<Context>] {
  return adoptBoth(reactor, 'socketPair', [handlers, secondHandlers], options);
}

function adoptBoth<Context>(
  reactor: Reactor,
  make: 'pipe' | 'socketPair',
  handlers: readonly [ConnectionHandlers<Context>, ConnectionHandlers<Context>],
  options: ServiceOptions,
): [Connection<Context>, Connection<Context>] {
  checkReactor(reactor);
  for (const one of handlers) checkService(one, options);
  const { kernel } = reactor;
  const fds = new Int32Array(2);
  const result = kernel[make](fds);
  if (result < 0) throw new SystemError(make === 'pipe' ? 'pipe' : 'socketpair', result);
  const [first, second] = fds;
  let one: Connection<Context> | null = null;
  try {
    one = adopt(reactor, first, handlers[0], options);
    return [one, adopt(reactor, second, handlers[1], options)];
  } catch (error) {
    one?.abandon();
    closeBoth(kernel, fds);
    throw error;
  }
}

function closeBoth(kernel: Kernel, fds: Int32Array): void {
  for (const fd of fds) kernel.close(fd);
}

function checkService(handlers: unknown, options: ServiceOptions): void {
  checkHandlers(handlers);
  checkObject('options', options);
  checkQueueBound(options.writeQueueBytesMax);
  checkFlush(options.flush);
}
