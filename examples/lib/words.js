// Plain words for what the kernel says in numbers: readiness, results of system calls, bytes, times, addresses.

import { getSystemErrorMap } from 'node:util';
import { ERROR, HANGUP, INVALID, NONE, PRIORITY, READABLE, READ_CLOSED, WRITABLE } from './underloop.js';

const readinessWords = [
  [READABLE, 'readable'],
  [WRITABLE, 'writable'],
  [PRIORITY, 'urgent data'],
  [READ_CLOSED, 'the peer has ended its half'],
  [HANGUP, 'hung up'],
  [ERROR, 'an error is pending'],
  [INVALID, 'closed while it was watched'],
];

/** Readiness, or interest: "readable, the peer has ended its half". */
export function readiness(bits) {
  if (bits === NONE) return 'nothing';
  return readinessWords
    .filter(([bit]) => bits & bit)
    .map(([, words]) => words)
    .join(', ');
}

/** What a refusal means here. EAGAIN is no error for a reactor: it is how the kernel says "later". */
const refusals = {
  'accept EAGAIN': 'nobody else is waiting to be accepted',
  'recv EAGAIN': 'everything that had come is read',
  'send EAGAIN': 'the socket takes no more until the peer has read',
  'accept EMFILE': 'this process has no descriptor left',
  'connect EINPROGRESS': 'the kernel goes on, and tells by readiness',
  'recv ECONNRESET': 'the peer has reset the connection',
  'send EPIPE': 'the peer has closed the connection',
};

/** The name of a negative result: EAGAIN. */
export function errorCode(result) {
  return getSystemErrorMap().get(result)?.[0] ?? `errno ${-result}`;
}

function refusal(name, result) {
  const code = errorCode(result);
  return `${code}: ${refusals[`${name} ${code}`] ?? getSystemErrorMap().get(result)?.[1] ?? 'unknown'}`;
}

const kinds = {
  stream: { 4: 'TCP over IPv4', 6: 'TCP over IPv6', unix: 'a Unix stream' },
  datagram: { 4: 'UDP over IPv4', 6: 'UDP over IPv6', unix: 'Unix datagrams' },
};
const halves = ['reading', 'writing', 'both'];

/** How each call is written, and what its result means. What is not listed here is written by its bare numbers. */
const calls = {
  socket: ([family, type = 'stream']) => [`socket(${kinds[type][family]})`, (fd) => `fd ${fd}`],
  setOption: ([fd, option, value]) => [`setsockopt(fd ${fd}, ${option}, ${value})`, () => 'ok'],
  getOption: ([fd, option]) => [`getsockopt(fd ${fd}, ${option})`, (value) => `${value}`],
  connect: ([fd, at]) => [`connect(fd ${fd}, ${address(at)})`, () => 'ok: connected at once'],
  bind: ([fd, at]) => [`bind(fd ${fd}, ${address(at)})`, () => 'ok'],
  listen: ([fd, backlog]) => [`listen(fd ${fd}, at most ${backlog} waiting)`, () => 'ok'],
  localAddress: ([fd]) => [`getsockname(fd ${fd})`, address],
  peerAddress: ([fd]) => [`getpeername(fd ${fd})`, address],
  openReserve: () => ['open(/dev/null)', (fd) => `fd ${fd}, a reserve for when descriptors run out`],
  accept: ([fd]) => [`accept(fd ${fd})`, (accepted) => `fd ${accepted}`],
  recv: ([fd]) => [`recv(fd ${fd})`, (n) => (n === 0 ? '0 bytes: end-of-file' : plural(n, 'byte'))],
  send: ([fd, , length]) => [`send(fd ${fd})`, (n) => sent(n, length)],
  sendBytes: ([fd, , , length]) => [`send(fd ${fd})`, (n) => sent(n, length)],
  shutdown: ([fd, how]) => [`shutdown(fd ${fd}, ${halves[how]})`, () => 'ok: our half is ended'],
  close: ([fd]) => [`close(fd ${fd})`, () => 'ok'],
};

function sent(count, length) {
  return count < length ? `${count} of ${length} bytes, for the socket is full now` : plural(count, 'byte');
}

/** A system call and its result: "recv(fd 24) → 6 bytes". */
export function call(name, args, result) {
  const [text, meaning] = calls[name]?.(args) ?? [`${name}(${args.join(', ')})`, String];
  return `${text} → ${result < 0 ? refusal(name === 'sendBytes' ? 'send' : name, result) : meaning(result)}`;
}

const PREVIEW_BYTES = 32;

/** The first bytes as text in quotes; what is no text, or what a terminal could take for a command, is a dot. */
export function preview(bytes) {
  const text = Buffer.from(bytes.subarray(0, PREVIEW_BYTES)).toString('utf8');
  const harmless = text.replaceAll(/[^\P{C}\n\r\t]|\ufffd/gu, '.');
  return `${JSON.stringify(harmless)}${bytes.length > PREVIEW_BYTES ? '...' : ''}`;
}

/** "127.0.0.1:80", "[::1]:80"; a path, an abstract name as "@name" (so netstat and ss write it), or that there is none. */
export function address({ family, host, port, path }) {
  if (family === 'unix') return path === '' ? 'no name' : path.replaceAll('\0', '@');
  return family === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

export function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** A duration with as many digits as matter: "42 µs", "3.7 ms", "2.31 s". */
export function duration(ms) {
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms >= 1) return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
  return `${Math.round(ms * 1000)} µs`;
}
