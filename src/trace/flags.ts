// The mechanisms' own flags in words, for what a trace keeps of them untranslated.

type Names = readonly (readonly [number, string])[];

// epoll_ctl(2), poll(2): the numbers of Linux; poll's are the same on all systems up to POLLNVAL.
const EPOLL: Names = [
  [0x1, 'EPOLLIN'],
  [0x2, 'EPOLLPRI'],
  [0x4, 'EPOLLOUT'],
  [0x8, 'EPOLLERR'],
  [0x10, 'EPOLLHUP'],
  [0x2000, 'EPOLLRDHUP'],
];
const POLL: Names = [
  [0x1, 'POLLIN'],
  [0x2, 'POLLPRI'],
  [0x4, 'POLLOUT'],
  [0x8, 'POLLERR'],
  [0x10, 'POLLHUP'],
  [0x20, 'POLLNVAL'],
  [0x2000, 'POLLRDHUP'],
];
const SELECT: Names = [
  [1, 'readfds'],
  [2, 'writefds'],
  [4, 'exceptfds'],
];
// kqueue(2). The filters that reported stand above the 16 bits of flags.
const KQUEUE: Names = [
  [1 << 16, 'EVFILT_READ'],
  [2 << 16, 'EVFILT_WRITE'],
  [4 << 16, 'EVFILT_EXCEPT'],
  [0x8000, 'EV_EOF'],
  [0x4000, 'EV_ERROR'],
  [0x20, 'EV_CLEAR'],
  [0x80, 'EV_DISPATCH'],
];
const NAMES = new Map([
  ['epoll', EPOLL],
  ['uring', EPOLL], // which is what its ring watches
  ['poll', POLL],
  ['select', SELECT],
  ['kqueue', KQUEUE],
]);

/** The raw flags of a poller in words, `EPOLLIN|EPOLLRDHUP`; unknown bits as a number; empty where there is nothing to say. */
export function describeRaw(poller: string, raw: number): string {
  const known = NAMES.get(poller);
  if (known === undefined || raw === 0) return '';
  const names = known.filter(([bit]) => (raw & bit) !== 0);
  const rest = names.reduce((left, [bit]) => left & ~bit, raw);
  return [...names.map(([, name]) => name), ...(rest === 0 ? [] : [`0x${(rest >>> 0).toString(16)}`])].join(
    '|',
  );
}
