// Options of the scripted kernel's stream sockets, with the refusals and the bounds of Linux.

import { constants } from 'node:os';
import type { DatagramSocketOption, SocketOption } from './kernel.js';
import type { Socket } from './scripted-socket.js';

const E = constants.errno;

/** Options of TCP and IPv6 alone: a Unix socket refuses them with EOPNOTSUPP. */
const TCP_ONLY: readonly SocketOption[] = [
  'ipv6Only',
  'noDelay',
  'keepAliveIdleS',
  'keepAliveIntervalS',
  'keepAliveCount',
  'userTimeoutMs',
  'deferAcceptS',
];
/** Their greatest values; tcp(7). */
const NUMBERS_MAX: Partial<Record<SocketOption, number>> = {
  keepAliveIdleS: 32_767,
  keepAliveIntervalS: 32_767,
  keepAliveCount: 127,
  deferAcceptS: 32_767,
};

/** Options of datagram sockets alone: a stream socket knows none of them here. */
const DATAGRAM_ONLY: readonly SocketOption[] = [
  'broadcast',
  'ttl',
  'hopLimit',
  'multicastTtl',
  'multicastHopLimit',
  'multicastLoopback',
  'multicastLoopback6',
];
const isDatagramOption = (option: SocketOption): option is DatagramSocketOption =>
  DATAGRAM_ONLY.includes(option);

/** setsockopt(2). */
export function setStreamOption(socket: Socket, option: SocketOption, value: number): number {
  if (isDatagramOption(option)) return -E.ENOPROTOOPT;
  if (option === 'error') return -E.ENOPROTOOPT;
  if (socket.transport === 'unix' && TCP_ONLY.includes(option)) return -E.EOPNOTSUPP;
  if (option === 'lingerS') socket.options.lingerS = value;
  else if (option === 'receiveBufferBytes' || option === 'sendBufferBytes')
    socket.options[option] = Math.max(1, value);
  else if (option === 'userTimeoutMs' || NUMBERS_MAX[option] !== undefined) {
    const [min, max] = option === 'userTimeoutMs' ? [0, 2 ** 31 - 1] : [1, NUMBERS_MAX[option] ?? 0];
    if (value < min || value > max) return -E.EINVAL;
    socket.options[option] = value;
  } else socket.options[option] = value === 0 ? 0 : 1;
  socket.spaceFreed();
  socket.peer?.spaceFreed();
  return 0;
}

/** getsockopt(2). */
export function getStreamOption(socket: Socket, option: SocketOption): number {
  if (isDatagramOption(option)) return -E.ENOPROTOOPT;
  if (option === 'error') return socket.takeError();
  if (option === 'lingerS') return -E.ENOPROTOOPT;
  if (socket.transport === 'unix' && TCP_ONLY.includes(option)) return -E.EOPNOTSUPP;
  return socket.options[option];
}
