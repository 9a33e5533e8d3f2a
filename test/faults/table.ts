// Every call of the kernel seam, with the errors that its man page lists (Linux man-pages 6; POSIX where Linux has no page).

import type { ScriptableCall } from '../../src/testing.js';

export interface CallFaults {
  /** Where the errors are listed. */
  readonly page: string;
  /** Their names, without EINTR: see {@link CallFaults.interrupted}. */
  readonly errors: readonly string[];
  /**
   * EINTR is listed too, and does not reach the seam: the addon makes the call again, or (connect, close) knows that it goes
   * on by itself.
   */
  readonly interrupted?: true;
  /** A call of bytes or datagrams: it can also be cut short. */
  readonly cutShort?: true;
}

const SEND =
  'EAGAIN EACCES EALREADY EBADF ECONNRESET EDESTADDRREQ EFAULT EINVAL EISCONN EMSGSIZE ENOBUFS ENOMEM ENOTCONN ' +
  'ENOTSOCK EOPNOTSUPP EPIPE';
// tcp(7), udp(7) and ip(7): "any call may give an error that the network has told", such as by ICMP.
const NETWORK = 'ECONNREFUSED EHOSTUNREACH ENETDOWN ENETUNREACH ENOPROTOOPT EPROTO ETIMEDOUT';
const RECV = 'EAGAIN EBADF ECONNREFUSED EFAULT EINVAL ENOMEM ENOTCONN ENOTSOCK';
const WRITE = 'EAGAIN EBADF EDESTADDRREQ EDQUOT EFAULT EFBIG EINVAL EIO ENOSPC EPERM EPIPE';
const PATH = 'EACCES EFAULT ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR';

const faults = (page: string, errors: string, more: Partial<CallFaults> = {}): CallFaults => ({
  page,
  errors: [...new Set(errors.split(' ').filter((name) => name !== ''))],
  ...more,
});
const interrupted = { interrupted: true } as const;
const bytes = { interrupted: true, cutShort: true } as const;

/** `Record`: the compiler misses none of the calls; calls.test.ts reads the interfaces themselves. */
export const TABLE: Record<ScriptableCall, CallFaults> = {
  socket: faults('socket(2)', 'EACCES EAFNOSUPPORT EINVAL EMFILE ENFILE ENOBUFS ENOMEM EPROTONOSUPPORT'),
  bind: faults('bind(2)', `EADDRINUSE EADDRNOTAVAIL EBADF EINVAL ENOTSOCK EROFS EPERM ${PATH}`),
  listen: faults('listen(2)', 'EADDRINUSE EBADF ENOTSOCK EOPNOTSUPP'),
  accept: faults(
    'accept(2)',
    'EAGAIN EBADF ECONNABORTED EFAULT EINVAL EMFILE ENFILE ENOBUFS ENOMEM ENOTSOCK EOPNOTSUPP EPERM EPROTO ' +
      'ENETDOWN ENOPROTOOPT EHOSTDOWN ENONET EHOSTUNREACH ENETUNREACH ENOSR ESOCKTNOSUPPORT EPROTONOSUPPORT ETIMEDOUT',
    interrupted,
  ),
  connect: faults(
    'connect(2)',
    'EACCES EPERM EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN EALREADY EBADF ECONNREFUSED EFAULT EISCONN ' +
      'ENETUNREACH ENOTSOCK EPROTOTYPE ETIMEDOUT EHOSTUNREACH ENOENT',
    interrupted,
  ),
  recv: faults('recv(2), tcp(7)', `${RECV} ECONNRESET EPIPE ${NETWORK}`, bytes),
  send: faults('send(2), tcp(7)', `${SEND} ${NETWORK}`, bytes),
  sendBytes: faults('send(2), tcp(7)', `${SEND} ${NETWORK}`, bytes),
  sendPieces: faults('sendmsg(2), tcp(7)', `${SEND} ${NETWORK}`, bytes),
  read: faults('read(2)', 'EAGAIN EBADF EFAULT EINVAL EIO EISDIR', bytes),
  write: faults('write(2)', WRITE, bytes),
  writePieces: faults('writev(2)', WRITE, bytes),
  receiveDatagrams: faults('recvmmsg(2), udp(7)', `${RECV} ${NETWORK}`, bytes),
  sendDatagrams: faults('sendmmsg(2), udp(7)', `${SEND} ${NETWORK} ENOENT EPERM`, bytes),
  setMembership: faults(
    'setsockopt(2), ip(7)',
    'EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK ENODEV ENOBUFS ENOMEM EADDRINUSE EADDRNOTAVAIL',
  ),
  shutdown: faults('shutdown(2)', 'EBADF EINVAL ENOTCONN ENOTSOCK'),
  close: faults('close(2)', 'EBADF EIO ENOSPC EDQUOT', interrupted),
  setOption: faults(
    'setsockopt(2)',
    'EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK EACCES EPERM EDOM ENOMEM ENOBUFS EOPNOTSUPP',
  ),
  getOption: faults('getsockopt(2)', 'EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK EOPNOTSUPP ENOBUFS'),
  localAddress: faults('getsockname(2)', 'EBADF EFAULT EINVAL ENOBUFS ENOTSOCK'),
  peerAddress: faults('getpeername(2)', 'EBADF EFAULT EINVAL ENOBUFS ENOTCONN ENOTSOCK'),
  socketPair: faults('socketpair(2)', 'EAFNOSUPPORT EFAULT EMFILE ENFILE ENOMEM EOPNOTSUPP EPROTONOSUPPORT'),
  pipe: faults('pipe(2)', 'EFAULT EINVAL EMFILE ENFILE'),
  inspect: faults('fstat(2)', 'EBADF EFAULT ENOMEM EOVERFLOW'),
  adopt: faults('fcntl(2)', 'EACCES EAGAIN EBADF EINVAL EPERM'),
  socketFile: faults('stat(2)', `${PATH} EBADF EOVERFLOW`),
  unlink: faults('unlink(2)', `${PATH} EBUSY EIO EISDIR EPERM EROFS`),
  openReserve: faults('open(2)', `${PATH} EMFILE ENFILE EPERM ENXIO`, interrupted),
  openPoller: faults('epoll_create1(2)', 'EINVAL EMFILE ENFILE ENOMEM'),
  add: faults('epoll_ctl(2)', 'EBADF EEXIST EINVAL ELOOP ENOENT ENOMEM ENOSPC EPERM'),
  modify: faults('epoll_ctl(2)', 'EBADF EINVAL ENOENT ENOMEM EPERM'),
  // The others of the page are about adding, or about a descriptor that is no epoll.
  remove: faults('epoll_ctl(2)', 'EBADF ENOENT'),
  wait: faults('epoll_wait(2)', 'EBADF EFAULT EINVAL', interrupted),
  wake: faults('write(2)', ''),
};

/** Transfers cut to so much: one byte or datagram, or about half. */
export const SHORT = ['one', 'half'] as const;
