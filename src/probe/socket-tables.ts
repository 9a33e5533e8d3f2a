// The sockets of /proc/PID/net: tcp, tcp6, udp, udp6 and unix. Older and poorer than sock_diag, and of any namespace.

import { formatEndpoint, parseProcEndpoint } from './addresses.js';
import { known, unavailable } from './figure.js';
import type { Figure, Reading } from './figure.js';
import { NOT_INET, NOT_LISTENING, NOT_TCP, NO_BYTES, SOCKET_STATES, notIn } from './socket-facts.js';
import type { Backlog, SocketFacts } from './socket-facts.js';

/** The tables of internet sockets, by the names that they have in /proc/PID/net. */
export const PROC_TABLES = [
  { name: 'tcp', protocol: 'tcp', family: 4 },
  { name: 'tcp6', protocol: 'tcp', family: 6 },
  { name: 'udp', protocol: 'udp', family: 4 },
  { name: 'udp6', protocol: 'udp', family: 6 },
] as const;

/** Null: another form. Sockets without an inode, which no process holds, are left out. */
export function parseInetTable(text: string, protocol: 'tcp' | 'udp', family: 4 | 6): SocketFacts[] | null {
  const source = `/proc/PID/net/${protocol}${family === 6 ? '6' : ''}`;
  const absent = notIn(source);
  const list: SocketFacts[] = [];
  for (const line of text.split('\n').slice(1)) {
    if (line.trim() === '') continue;
    const fields = line.trim().split(/\s+/);
    const local = parseProcEndpoint(fields[1] ?? '');
    const remote = parseProcEndpoint(fields[2] ?? '');
    const state = SOCKET_STATES[parseInt(fields[3] ?? '', 16)] as string | undefined;
    const queues = /^([0-9A-F]{8}):([0-9A-F]{8})$/.exec(fields[4] ?? '');
    const inode = Number(fields[9]);
    if (local === null || remote === null || state === undefined || queues === null || Number.isNaN(inode))
      return null;
    if (inode === 0) continue;
    const listening = protocol === 'tcp' && state === 'LISTEN';
    const received = parseInt(queues[2], 16);
    list.push({
      inode,
      protocol,
      family,
      type: protocol === 'tcp' ? 'stream' : 'datagram',
      state,
      local: known(formatEndpoint(local.bytes, local.port), source),
      remote: remoteOf(formatEndpoint(remote.bytes, remote.port), remote.port, source),
      peerInode: NOT_INET,
      receiveBytes: listening ? NO_BYTES : known(received, source),
      sendBytes: listening ? NO_BYTES : known(parseInt(queues[1], 16), source),
      // The table has how many wait, and no limit.
      backlog: listening ? waitingOnly(received, source) : NOT_LISTENING,
      shutdown: absent,
      memory: absent,
      tcp: protocol === 'tcp' ? absent : NOT_TCP,
    });
  }
  return list;
}

function waitingOnly(waiting: number, source: string): Reading<Backlog> {
  return known({ waiting, max: null }, source);
}

/** An unconnected socket has all zeros for its peer. */
export function remoteOf(endpoint: string, port: number, source: string): Reading<string> {
  return port === 0 ? unavailable('connected to nobody') : known(endpoint, source);
}

const UNIX_TYPES = ['', 'stream', 'datagram', '', '', 'seqpacket'] as const;
/** __SO_ACCEPTCON in Flags. */
const LISTENS = 0x10000;
/** SS_CONNECTED in St. */
const CONNECTED = 3;

/** /proc/PID/net/unix: proc_pid_net(5). Null: another form. */
export function parseUnixTable(text: string): SocketFacts[] | null {
  const source = '/proc/PID/net/unix';
  const absent: Figure = notIn(source);
  const list: SocketFacts[] = [];
  for (const line of text.split('\n').slice(1)) {
    if (line === '') continue;
    const match =
      /^\s*\S+: [0-9A-F]+ [0-9A-F]+ ([0-9A-F]{8}) ([0-9A-F]{4}) ([0-9A-F]{2})\s+(\d+)(?: (.*))?$/.exec(line);
    if (match === null) return null;
    const inode = Number(match[4]);
    const type = unixType(parseInt(match[2], 16));
    if (inode === 0 || type === null) continue;
    const listening = (parseInt(match[1], 16) & LISTENS) !== 0;
    const connected = parseInt(match[3], 16) === CONNECTED;
    const path = match[5] as string | undefined;
    list.push({
      inode,
      protocol: 'unix',
      family: 'unix',
      type,
      state: listening ? 'LISTEN' : connected ? 'ESTABLISHED' : 'CLOSE',
      local: path === undefined ? unavailable('bound to no name') : known(path, source),
      remote: absent,
      peerInode: absent,
      receiveBytes: absent,
      sendBytes: absent,
      backlog: listening ? absent : NOT_LISTENING,
      shutdown: absent,
      memory: absent,
      tcp: NOT_TCP,
    });
  }
  return list;
}

export function unixType(number: number): SocketFacts['type'] | null {
  const type = UNIX_TYPES[number] as (typeof UNIX_TYPES)[number] | undefined;
  return type === undefined || type === '' ? null : type;
}
