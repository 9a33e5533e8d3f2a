// The messages of sock_diag(7): what is asked of the kernel for internet and unix sockets, and what its answers say.

import { formatEndpoint } from './addresses.js';
import type { Reading } from './figure.js';
import { known, unavailable } from './figure.js';
import { NOT_INET, NOT_LISTENING, NOT_TCP, NO_BYTES, SOCKET_STATES, notIn } from './socket-facts.js';
import type { SocketFacts, SocketMemory, TcpFigures } from './socket-facts.js';
import { remoteOf, unixType } from './socket-tables.js';

// The numbers are those of include/uapi/linux: netlink.h, sock_diag.h, inet_diag.h, unix_diag.h.
const SOCK_DIAG_BY_FAMILY = 20;
const NLM_F_REQUEST_DUMP = 0x301;
const NLMSG_DONE = 3;
const HEADER_BYTES = 16;
const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const INET_DIAG_INFO = 2;
const INET_DIAG_SKMEMINFO = 7;
const INET_DIAG_SHUTDOWN = 8;
const UNIX_DIAG_NAME = 0;
const UNIX_DIAG_PEER = 2;
const UNIX_DIAG_RQLEN = 4;
const UNIX_DIAG_MEMINFO = 5;
const UNIX_DIAG_SHUTDOWN = 6;
const ALL_STATES = 0xffffffff;
// TIME_WAIT and connections not yet accepted: nobody's descriptors, and often most of the table.
const HELD_STATES = ALL_STATES & ~((1 << 6) | (1 << 12));

const SOURCE = 'sock_diag';

// netlink(7): all in the machine's own order, but for ports and addresses.
const NATIVE = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

function request(length: number, fill: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, NATIVE);
  view.setUint16(4, SOCK_DIAG_BY_FAMILY, NATIVE);
  view.setUint16(6, NLM_F_REQUEST_DUMP, NATIVE);
  fill(new DataView(bytes.buffer, HEADER_BYTES));
  return bytes;
}

function inetQuery(family: number, protocol: number): Uint8Array {
  return request(56, (view) => {
    view.setUint8(0, family);
    view.setUint8(1, protocol);
    view.setUint8(2, (1 << (INET_DIAG_INFO - 1)) | (1 << (INET_DIAG_SKMEMINFO - 1)));
    view.setUint32(4, HELD_STATES >>> 0, NATIVE);
  });
}

/** By table of /proc/PID/net. 6 and 17 are the numbers of TCP and UDP. */
export const INET_QUERIES = {
  tcp: inetQuery(AF_INET, 6),
  tcp6: inetQuery(AF_INET6, 6),
  udp: inetQuery(AF_INET, 17),
  udp6: inetQuery(AF_INET6, 17),
};

/** Name, peer, queues and memory of every unix socket. */
export const UNIX_QUERY = request(24, (view) => {
  view.setUint8(0, AF_UNIX);
  view.setUint32(4, ALL_STATES, NATIVE);
  view.setUint32(12, 0x1 | 0x4 | 0x10 | 0x20, NATIVE);
});

/** Calls for each message of a dump. False: one is cut short, or has less than `leastBytes`. */
function eachMessage(reply: Uint8Array, leastBytes: number, call: (payload: DataView) => void): boolean {
  const view = new DataView(reply.buffer, reply.byteOffset, reply.byteLength);
  let at = 0;
  while (at + HEADER_BYTES <= reply.length) {
    const length = view.getUint32(at, NATIVE);
    if (length < HEADER_BYTES || at + length > reply.length) return false;
    const type = view.getUint16(at + 4, NATIVE);
    if (type === NLMSG_DONE) return true;
    if (type === SOCK_DIAG_BY_FAMILY) {
      if (length - HEADER_BYTES < leastBytes) return false;
      call(new DataView(reply.buffer, reply.byteOffset + at + HEADER_BYTES, length - HEADER_BYTES));
    }
    at += (length + 3) & ~3;
  }
  return at >= reply.length;
}

/** The attributes that follow a message's fixed part, by number. rtnetlink(7). */
function attributes(message: DataView, from: number): Map<number, DataView> {
  const found = new Map<number, DataView>();
  let at = from;
  while (at + 4 <= message.byteLength) {
    const length = message.getUint16(at, NATIVE);
    if (length < 4 || at + length > message.byteLength) break;
    const type = message.getUint16(at + 2, NATIVE);
    found.set(type, new DataView(message.buffer, message.byteOffset + at + 4, length - 4));
    at += (length + 3) & ~3;
  }
  return found;
}

function memoryOf(view: DataView | undefined): Reading<SocketMemory> {
  // The order is that of enum sk_meminfo; WMEM_QUEUED, the sixth, is what Linux 2.6.36 has too.
  if (view === undefined || view.byteLength < 24) return notIn(SOURCE);
  const word = (i: number): number => view.getUint32(i * 4, NATIVE);
  return known(
    {
      receiveBytes: word(0),
      receiveMaxBytes: word(1),
      sendingBytes: word(2),
      sendMaxBytes: word(3),
      sendBytes: word(5),
    },
    `${SOURCE} meminfo`,
  );
}

function tcpOf(view: DataView | undefined): Reading<TcpFigures> {
  // Up to tcpi_total_retrans, which all kernels in use have.
  if (view === undefined || view.byteLength < 104) return notIn(SOURCE);
  const word = (at: number): number => view.getUint32(at, NATIVE);
  return known(
    {
      retransmitsNow: view.getUint8(2),
      unackedSegments: word(24),
      lostSegments: word(32),
      rttMs: word(68) / 1000,
      rttVarianceMs: word(72) / 1000,
      congestionWindow: word(80),
      retransmitsTotal: word(100),
      notSentBytes: view.byteLength >= 148 ? word(144) : null,
    },
    `${SOURCE} tcp_info`,
  );
}

function bytesAt(view: DataView, at: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, length);
}

/** Null: cut short, or in another form. */
export function parseInetDump(reply: Uint8Array, protocol: 'tcp' | 'udp'): SocketFacts[] | null {
  const list: SocketFacts[] = [];
  const whole = eachMessage(reply, 72, (message) => {
    const inode = message.getUint32(68, NATIVE);
    if (inode === 0) return;
    const family = message.getUint8(0) === AF_INET6 ? 6 : 4;
    const state = SOCKET_STATES[message.getUint8(1)] as string | undefined;
    const addressBytes = family === 6 ? 16 : 4;
    const remotePort = message.getUint16(6);
    const received = message.getUint32(56, NATIVE);
    const sent = message.getUint32(60, NATIVE);
    const found = attributes(message, 72);
    const shutdown = found.get(INET_DIAG_SHUTDOWN);
    const listening = protocol === 'tcp' && state === 'LISTEN';
    list.push({
      inode,
      protocol,
      family,
      type: protocol === 'tcp' ? 'stream' : 'datagram',
      state: state ?? `state ${message.getUint8(1)}`,
      local: known(formatEndpoint(bytesAt(message, 8, addressBytes), message.getUint16(4)), SOURCE),
      remote: remoteOf(formatEndpoint(bytesAt(message, 24, addressBytes), remotePort), remotePort, SOURCE),
      peerInode: NOT_INET,
      receiveBytes: listening ? NO_BYTES : known(received, SOURCE),
      sendBytes: listening ? NO_BYTES : known(sent, SOURCE),
      backlog: listening ? known({ waiting: received, max: sent }, SOURCE) : NOT_LISTENING,
      shutdown: shutdown === undefined ? notIn(SOURCE) : known(shutdown.getUint8(0), SOURCE),
      memory: memoryOf(found.get(INET_DIAG_SKMEMINFO)),
      tcp: protocol === 'tcp' ? tcpOf(found.get(INET_DIAG_INFO)) : NOT_TCP,
    });
  });
  return whole ? list : null;
}

/** sun_path: a leading zero byte marks the abstract namespace, in which zeros may follow too. */
function unixName(view: DataView | undefined): Reading<string> {
  if (view === undefined || view.byteLength === 0) return unavailable('bound to no name');
  const text = Buffer.from(bytesAt(view, 0, view.byteLength)).toString('utf8');
  return known(text.startsWith('\0') ? text.replaceAll('\0', '@') : text.replace(/\0.*$/s, ''), SOURCE);
}

/** Null: cut short, or in another form. */
export function parseUnixDump(reply: Uint8Array): SocketFacts[] | null {
  const list: SocketFacts[] = [];
  const whole = eachMessage(reply, 16, (message) => {
    const inode = message.getUint32(4, NATIVE);
    const type = unixType(message.getUint8(1));
    if (inode === 0 || type === null) return;
    const state = SOCKET_STATES[message.getUint8(2)] as string | undefined;
    const found = attributes(message, 16);
    const queues = found.get(UNIX_DIAG_RQLEN);
    const peer = found.get(UNIX_DIAG_PEER)?.getUint32(0, NATIVE) ?? 0;
    const shutdown = found.get(UNIX_DIAG_SHUTDOWN);
    const listening = state === 'LISTEN';
    const queue = (at: number): Reading<number> =>
      queues === undefined ? notIn(SOURCE) : known(queues.getUint32(at, NATIVE), SOURCE);
    list.push({
      inode,
      protocol: 'unix',
      family: 'unix',
      type,
      state: state ?? `state ${message.getUint8(2)}`,
      local: unixName(found.get(UNIX_DIAG_NAME)),
      remote: unavailable('the name of the other end is that of its own socket: see peerInode'),
      // 0 is also told of a peer that is not accepted yet.
      peerInode:
        peer === 0 ? unavailable('connected to no socket that a process holds') : known(peer, SOURCE),
      receiveBytes: listening ? NO_BYTES : queue(0),
      sendBytes: listening ? NO_BYTES : queue(4),
      backlog: !listening
        ? NOT_LISTENING
        : queues === undefined
          ? notIn(SOURCE)
          : known({ waiting: queues.getUint32(0, NATIVE), max: queues.getUint32(4, NATIVE) }, SOURCE),
      shutdown: shutdown === undefined ? notIn(SOURCE) : known(shutdown.getUint8(0), SOURCE),
      memory: memoryOf(found.get(UNIX_DIAG_MEMINFO)),
      tcp: NOT_TCP,
    });
  });
  return whole ? list : null;
}
