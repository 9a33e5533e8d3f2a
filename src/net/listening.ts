// Where a listener listens: on a port, at a path, or on a descriptor that was inherited. Opens the descriptor.

import { SystemError, UnderloopError, argumentError, checkFd, checkInteger } from '../errors.js';
import { EADDRINUSE, EADDRNOTAVAIL } from '../kernel/errno.js';
import type { Kernel, SocketAddress, SocketOption } from '../kernel/kernel.js';
import { checkAddress, checkOneOf, checkPath, whereOf } from './address.js';
import { checkSwitch } from './checks.js';
import { applyOption, applyOptions, type StreamOptions } from './options.js';
import { boundFile, removeFile, removeStale, takenHint, type SocketFile } from './socket-file.js';

/** What the kernel queues of finished handshakes; it cuts it to net.core.somaxconn (listen(2)). */
const BACKLOG = 511;

/** What deferAcceptS may be: the kernel turns it into a number of SYN-ACKs sent again, 255 at most, and much less in practice. */
const DEFER_S_MAX = 32_767;

/** Where a listener listens: `host` and `port`, or `path`, or `fd`; and how its socket is bound. socket(7), unix(7). */
export interface PlaceOptions {
  /** A numeric address; 127.0.0.1 unless given. `0.0.0.0` or `::` must be asked for. */
  host?: string;
  /** 0, the default: the system chooses; `listener.address.port` tells. */
  port?: number;
  /**
   * In the place of host and port: a Unix socket at this path, whose file the listener makes, and removes when it closes.
   * With '\\0' before it, an abstract name of Linux. unix(7).
   */
  path?: string;
  /** Removes a file at `path` that belongs to no listening socket any more, as a server that was killed leaves it. */
  replaceStale?: boolean;
  /** The file at `path` stays when the listener closes. */
  keepFile?: boolean;
  /**
   * In the place of them all: a descriptor that listens already, inherited from the parent or from systemd. It is the
   * listener's from then on, which makes it non-blocking and closes it; if listen() throws, it is still yours.
   */
  fd?: number;
  /**
   * Connections that wait to be accepted at most, 1 to 65,535; 511 unless given. The system cuts it to its own limit
   * (net.core.somaxconn); listen(2).
   */
  backlog?: number;
  /** Several sockets, of one or more processes, share the port: SO_REUSEPORT. */
  reusePort?: boolean;
  /** An IPv6 socket takes no IPv4 connections. */
  ipv6Only?: boolean;
  /**
   * For protocols in which the client speaks first: a connection is accepted when it has sent something, and read at once,
   * which spares the server one wake-up of three. After about so many seconds a silent one is accepted too, or given up
   * by the kernel: 1 to 32,767. Linux. TCP_DEFER_ACCEPT, tcp(7).
   */
  deferAcceptS?: number;
}

/** A descriptor that listens. */
export interface Listening {
  readonly fd: number;
  readonly address: SocketAddress;
  /** The file that was made for it, which closing removes; null when there is none to remove. */
  readonly file: SocketFile | null;
  /** For when it cannot be used: everything is as before. */
  undo(): void;
}

/** Checks the options and says where: an address, or a descriptor. Throws ERR_ARGUMENT, ERR_HOST_NAME, ERR_UNSUPPORTED. */
export function checkPlace(options: PlaceOptions): SocketAddress | number {
  checkOneOf(options, [['port', 'host'], ['path'], ['fd']]);
  checkInteger('options.backlog', options.backlog ?? BACKLOG, 1, 65_535);
  for (const name of ['reusePort', 'ipv6Only', 'replaceStale', 'keepFile'] as const)
    checkSwitch(`options.${name}`, options[name]);
  if (options.deferAcceptS !== undefined)
    checkInteger('options.deferAcceptS', options.deferAcceptS, 1, DEFER_S_MAX);
  if (options.fd !== undefined) {
    checkFd('options.fd', options.fd);
    return options.fd;
  }
  if (options.path !== undefined) return checkPath('options.path', options.path);
  return checkAddress('options', options.host ?? '127.0.0.1', options.port ?? 0);
}

/** Opens, binds and listens, or takes the descriptor over. Throws a `SystemError`, ERR_FD_REFUSED; then nothing stays open. */
export function openListening(
  kernel: Kernel,
  place: SocketAddress | number,
  options: PlaceOptions & StreamOptions,
): Listening {
  return typeof place === 'number' ? inherit(kernel, place, options) : open(kernel, place, options);
}

function open(kernel: Kernel, address: SocketAddress, options: PlaceOptions & StreamOptions): Listening {
  const fd = kernel.socket(address.family);
  if (fd < 0) throw new SystemError('socket', fd);
  const where = whereOf(address);
  const must = (syscall: string, result: number, hint?: string): void => {
    if (result < 0) throw new SystemError(syscall, result, hint === undefined ? where : { ...where, hint });
  };
  const set = (option: SocketOption, value: boolean): void => {
    must('setsockopt', kernel.setOption(fd, option, value ? 1 : 0));
  };
  let file: SocketFile | null = null;
  const undo = (): void => {
    removeFile(kernel, file);
    kernel.close(fd);
  };
  try {
    if (address.family === 'unix') {
      applyListenerOptions(kernel, fd, options);
      if (options.replaceStale === true) removeStale(kernel, address);
      const bound = kernel.bind(fd, address);
      must('bind', bound, bound === EADDRINUSE ? takenHint(kernel, address) : undefined);
      file = boundFile(kernel, address, options.keepFile);
    } else {
      // Without it a restarted server waits for the old connections' TIME_WAIT (socket(7)).
      set('reuseAddress', true);
      if (options.reusePort === true) set('reusePort', true);
      if (address.family === 6 && options.ipv6Only !== undefined) set('ipv6Only', options.ipv6Only);
      applyListenerOptions(kernel, fd, options);
      const bound = kernel.bind(fd, address);
      must('bind', bound, bindHint(bound, address.port));
    }
    must('listen', kernel.listen(fd, options.backlog ?? BACKLOG));
    return { fd, address: addressOf(kernel, fd), file, undo };
  } catch (error) {
    undo();
    throw error;
  }
}

function applyListenerOptions(kernel: Kernel, fd: number, options: PlaceOptions & StreamOptions): void {
  applyOptions(kernel, fd, options);
  if (options.deferAcceptS !== undefined) applyOption(kernel, fd, 'deferAcceptS', options.deferAcceptS);
}

function addressOf(kernel: Kernel, fd: number): SocketAddress {
  const address = kernel.localAddress(fd);
  if (typeof address === 'number') throw new SystemError('getsockname', address, { fd });
  return address;
}

function inherit(kernel: Kernel, fd: number, options: StreamOptions): Listening {
  const facts = kernel.inspect(fd);
  if (typeof facts === 'number')
    throw new SystemError('fstat', facts, { fd, hint: 'The descriptor is not open' });
  if (facts.kind !== 'listener') {
    throw new UnderloopError(
      'ERR_FD_REFUSED',
      `fd ${String(fd)} is no listening stream socket (SO_ACCEPTCONN), but of the kind '${facts.kind}'; ` +
        'call listen(2) on it before, or take a connection over with adopt()',
    );
  }
  const address = addressOf(kernel, fd);
  applyListenerOptions(kernel, fd, options);
  const result = kernel.adopt(fd);
  if (result < 0) throw new SystemError('fcntl', result, { fd });
  // Its file, if it has one, is whoever's made it.
  return { fd, address, file: null, undo: () => undefined };
}

function bindHint(result: number, port: number): string {
  if (result === EADDRNOTAVAIL)
    return 'No interface of this machine has the address; 0.0.0.0 or :: means all of them';
  return port > 0 && port < 1024
    ? 'Ports below 1024 need privileges on most systems; choose a higher one'
    : 'Choose another port, or 0 to let the system choose';
}

/** A descriptor that was passed to this process, and what the sender calls it. */
export interface InheritedListener {
  /** The descriptor, 3 or above. */
  readonly fd: number;
  /** Its name of LISTEN_FDNAMES; `''` without one. */
  readonly name: string;
}

/** The first descriptor that systemd passes on; sd_listen_fds(3). */
const LISTEN_FDS_START = 3;

/**
 * The descriptors that systemd (or whoever keeps to its protocol) has passed to this process, with their names: give each
 * to `listen(reactor, { fd })`. Empty when none were, or when they were meant for another process. Throws ERR_ARGUMENT when
 * LISTEN_FDS is no number. sd_listen_fds(3).
 */
export function inheritedListeners(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): InheritedListener[] {
  const { LISTEN_PID: pid, LISTEN_FDS: count, LISTEN_FDNAMES: names } = environment;
  if (pid === undefined || count === undefined || Number(pid) !== process.pid) return [];
  const number = Number(count);
  if (!Number.isInteger(number) || number < 0 || number > 65_536) {
    throw argumentError('the environment variable LISTEN_FDS', 'a number of descriptors', count);
  }
  const all = names?.split(':') ?? [];
  return Array.from({ length: number }, (_, i) => ({ fd: LISTEN_FDS_START + i, name: all[i] ?? '' }));
}
