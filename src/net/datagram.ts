// Makes datagram sockets: checks what it is given, binds, sets options, connects.

import { SystemError, argumentError, checkInteger } from '../errors.js';
import type { SocketAddress, SocketOption } from '../kernel/kernel.js';
import type { Trigger } from '../poller/poller.js';
import type { Reactor } from '../reactor/reactor.js';
import { checkAddress, checkPath, whereOf } from './address.js';
import { checkHandlers, checkObject, checkReactor, checkSwitch, connectionTrigger } from './checks.js';
import {
  checkTarget,
  datagramHandlerNames,
  type DatagramHandlers,
  type DatagramTarget,
} from './datagram-handlers.js';
import { DATAGRAM_BYTES_MAX } from './datagram-sending.js';
import { DatagramSocket } from './datagram-socket.js';
import { boundFile, removeFile, type SocketFile } from './socket-file.js';

/** Larger than any UDP datagram (65,507 bytes on IPv4), so that none is ever cut off. */
const MESSAGE_BYTES_MAX = 65_536;

/** What waits when the system takes no more. Old datagrams are worth little: this is some milliseconds of a fast line. */
const SEND_QUEUE_BYTES_MAX = 1024 * 1024;

/** What {@link datagram} is told: the address bound, the peer, options of the socket, and bounds. socket(7), ip(7), udp(7). */
export interface DatagramOptions {
  /** The numeric address to bind. 127.0.0.1 unless given: `0.0.0.0` or `::`, to send to other machines, must be asked for. */
  host?: string;
  /** The port to bind. 0, the default: the system chooses; `socket.address.port` tells. */
  port?: number;
  /** A Unix datagram socket, bound to this path; or to an abstract name, which begins with `\0` (Linux); '' lets Linux choose one. */
  path?: string;
  /** The file at `path` stays when the socket closes; else it is removed, if it is still the one that was made. */
  keepFile?: boolean;
  /** Connects: nobody else is heard, `send()` needs no address, and errors such as ECONNREFUSED are told. */
  to?: DatagramTarget;
  /** Several sockets, of one or more processes, share the port, and the system spreads senders over them: SO_REUSEPORT. */
  reusePort?: boolean;
  /** SO_REUSEADDR: for several receivers of one multicast group and port. On Linux it lets others take the port over. */
  reuseAddress?: boolean;
  /** An IPv6 socket takes no IPv4 datagrams. */
  ipv6Only?: boolean;
  /** Allows sending to broadcast addresses; EACCES else. */
  broadcast?: boolean;
  /** How many routers a datagram may pass, 1 to 255 (IPv6: hop limit). */
  ttl?: number;
  /** The same for multicast, 0 to 255; 1 unless given: no router. */
  multicastTtl?: number;
  /** Whether this machine's members hear what it sends to a group. The system's default is true. */
  multicastLoopback?: boolean;
  /** The kernel's buffer of what has come, in bytes; the system may cut what is asked (socket(7): net.core.rmem_max). */
  receiveBufferBytes?: number;
  /** The kernel's buffer of what is to be sent, likewise: net.core.wmem_max. */
  sendBufferBytes?: number;
  /** A longer datagram is cut off and said to be so. 65,536 unless given. Up to 32,000 or so a call can bring more of them. */
  messageBytesMax?: number;
  /** Bytes, addresses included, that wait when the system takes no more; 1 MiB unless given. */
  sendQueueBytesMax?: number;
  /** How the socket waits: 'level' (the default) or 'edge'. */
  trigger?: Trigger;
}

const switches = [
  'reusePort',
  'reuseAddress',
  'ipv6Only',
  'broadcast',
  'multicastLoopback',
  'keepFile',
] as const;

function checkNumbers(options: DatagramOptions): void {
  const within = (name: keyof DatagramOptions, min: number, max: number): void => {
    if (options[name] !== undefined) checkInteger(`options.${name}`, options[name], min, max);
  };
  within('ttl', 1, 255);
  within('multicastTtl', 0, 255);
  within('receiveBufferBytes', 1, 2 ** 30);
  within('sendBufferBytes', 1, 2 ** 30);
  within('messageBytesMax', 1, DATAGRAM_BYTES_MAX);
  within('sendQueueBytesMax', 1, 2 ** 30);
}

/** The address to bind; null: none, the system gives one when the socket is connected. */
function localAddress(options: DatagramOptions, to: SocketAddress | null): SocketAddress | null {
  const { host, port, path } = options;
  if (path !== undefined) {
    if (host !== undefined || port !== undefined)
      throw argumentError('options.path', 'alone, without host and port', path);
    return path === '' ? { family: 'unix', path } : checkPath('options.path', path);
  }
  if (host === undefined && port === undefined && to !== null) return null;
  const wildcard = to?.family === 6 ? '::' : to === null ? '127.0.0.1' : '0.0.0.0';
  return checkAddress('options', host ?? wildcard, port ?? 0);
}

/** What is to be set, in order, before and after bind: reuse counts at bind only. */
function optionsToSet(options: DatagramOptions, family: SocketAddress['family']): [SocketOption, number][] {
  const list: [SocketOption, number][] = [];
  const set = (option: SocketOption, value: number | boolean | undefined): void => {
    if (value !== undefined) list.push([option, Number(value)]);
  };
  set('receiveBufferBytes', options.receiveBufferBytes);
  set('sendBufferBytes', options.sendBufferBytes);
  if (family === 'unix') return list;
  set('reuseAddress', options.reuseAddress);
  set('reusePort', options.reusePort);
  set('broadcast', options.broadcast);
  if (family === 6) set('ipv6Only', options.ipv6Only);
  set(family === 4 ? 'ttl' : 'hopLimit', options.ttl);
  set(family === 4 ? 'multicastTtl' : 'multicastHopLimit', options.multicastTtl);
  set(family === 4 ? 'multicastLoopback' : 'multicastLoopback6', options.multicastLoopback);
  return list;
}

/**
 * A UDP socket (IPv4, IPv6) or a Unix datagram socket, bound and, with `to`, connected. Throws at once: `ERR_ARGUMENT`,
 * `ERR_HOST_NAME`, or a `SystemError` (EADDRINUSE, EACCES, EMFILE; ECONNREFUSED and ENOENT for a Unix peer that is not
 * there). See udp(7), unix(7).
 */
export function datagram<Context = unknown>(
  reactor: Reactor,
  options: DatagramOptions,
  handlers: DatagramHandlers<Context>,
): DatagramSocket<Context> {
  checkReactor(reactor);
  checkObject('options', options);
  for (const name of switches) checkSwitch(`options.${name}`, options[name]);
  checkNumbers(options);
  checkHandlers(handlers, datagramHandlerNames);
  const trigger = connectionTrigger(options.trigger, reactor.poller);
  const to = options.to === undefined ? null : checkTarget('options.to', options.to);
  const local = localAddress(options, to);
  const family = (local ?? to)?.family ?? 4;
  if (to !== null && to.family !== family) {
    throw argumentError('options.to', `of the same kind as what is bound (${String(family)})`, options.to);
  }

  const { kernel } = reactor;
  const fd = kernel.socket(family, 'datagram');
  if (fd < 0) throw new SystemError('socket', fd);
  const must = (syscall: string, result: number, address: SocketAddress | null = local): void => {
    if (result < 0) throw new SystemError(syscall, result, { fd, ...whereOf(address) });
  };
  let file: SocketFile | null = null;
  try {
    for (const [option, value] of optionsToSet(options, family)) {
      must(`setsockopt ${option}`, kernel.setOption(fd, option, value));
    }
    if (local !== null) {
      must('bind', kernel.bind(fd, local));
      file = boundFile(kernel, local, options.keepFile);
    }
    if (to !== null) must('connect', kernel.connect(fd, to), to);
    const address = kernel.localAddress(fd);
    if (typeof address === 'number') throw new SystemError('getsockname', address, { fd });
    return new DatagramSocket<Context>(
      reactor,
      {
        fd,
        address,
        file,
        connected: to !== null,
        trigger,
        messageBytesMax: options.messageBytesMax ?? MESSAGE_BYTES_MAX,
        sendQueueBytesMax: options.sendQueueBytesMax ?? SEND_QUEUE_BYTES_MAX,
      },
      handlers,
    );
  } catch (error) {
    removeFile(kernel, file);
    kernel.close(fd);
    throw error;
  }
}
