// The scripted kernel's datagram sockets, UDP and Unix: message boundaries, bounded queues, loss, and whom an error reaches.

import { constants } from 'node:os';
import { ERROR, READABLE, WRITABLE } from '../poller/poller.js';
import {
  ADDRESS_BYTES,
  ROW_NUMBERS,
  batchMax,
  senderAt,
  slotAt,
  type DatagramMemory,
} from './datagram-memory.js';
import type { Membership, SocketAddress, SocketOption } from './kernel.js';
import { packAddress, unpackAddress } from './packed-address.js';
import { OpenFile } from './scripted-poller.js';

const E = constants.errno;

/** The largest datagram that IPv4 can carry; udp(7). */
const UDP_BYTES_MAX = 65_507;
const EPHEMERAL_FIRST = 32_768;

/** What datagrams read of the kernel's settings, at each call. */
export interface DatagramSettings {
  /** Datagrams that a Unix socket's queue takes; net.unix.max_dgram_qlen and one (unix(7)). Default: 11. */
  unixDatagramsMax: number;
  /** Whether the network loses a UDP datagram on its way. Default: it loses none. */
  losesDatagram: (from: SocketAddress | null, to: SocketAddress) => boolean;
  socketBufferBytes: number;
}

interface Letter {
  readonly bytes: Uint8Array;
  readonly from: SocketAddress | null;
}

const keyOf = (address: SocketAddress): string =>
  address.family === 'unix' ? address.path : `${address.host} ${String(address.port)}`;

function isMulticast({ family, host }: SocketAddress): boolean {
  if (family === 'unix') return false;
  return family === 6
    ? /^ff/i.test(host)
    : Number.parseInt(host, 10) >= 224 && Number.parseInt(host, 10) < 240;
}

/** Who has which address, and what is on its way. UDP ports of their own; Unix names too. */
export class DatagramNetwork {
  readonly sockets = new Set<ScriptedDatagram>();
  /** Paths that were bound, with the inode: a file stays when its socket goes. */
  private readonly files = new Map<string, number>();
  private inode = 1;
  private nextPort = EPHEMERAL_FIRST;
  private nextName = 1;
  private turn = 0;

  constructor(readonly settings: DatagramSettings) {}

  create(family: SocketAddress['family']): ScriptedDatagram {
    const socket = new ScriptedDatagram(this, family);
    this.sockets.add(socket);
    return socket;
  }

  makeFile(path: string): void {
    if (!path.startsWith('\0')) this.files.set(path, this.inode++);
  }
  socketFile(path: string): string | number {
    const inode = this.files.get(path);
    return inode === undefined ? -E.ENOENT : `1:${String(inode)}`;
  }
  unlink(path: string, file: string): number {
    const now = this.socketFile(path);
    if (now !== file) return typeof now === 'number' ? now : -E.ENOENT;
    this.files.delete(path);
    for (const socket of this.sockets) if (socket.local?.path === path) socket.findable = false;
    return 0;
  }

  freshPort(): number {
    return this.nextPort++;
  }
  freshName(): string {
    return `\0${(this.nextName++).toString(16).padStart(5, '0')}`;
  }

  /** Those who get what is sent to `to`: all members of a group, one of those who share a port, or nobody. */
  receivers(to: SocketAddress, from: ScriptedDatagram): ScriptedDatagram[] {
    const all = [...this.sockets].filter((one) => one.takes(to));
    if (isMulticast(to)) return from.options.multicastLoopback === 0 ? [] : all;
    // A connected one goes first, and hears its peer alone.
    const connected = all.filter(({ remote }) => remote !== null);
    const mine = connected.filter(
      ({ remote }) => from.local !== null && keyOf(remote as SocketAddress) === keyOf(from.local),
    );
    const open =
      mine.length > 0 ? mine : to.family === 'unix' ? all : all.filter(({ remote }) => remote === null);
    return open.length === 0 ? [] : [open[this.turn++ % open.length]];
  }
}

/** A datagram socket. Its methods return >= 0 or -errno. */
export class ScriptedDatagram extends OpenFile {
  local: SocketAddress | null = null;
  remote: SocketAddress | null = null;
  readonly options: Partial<Record<SocketOption, number>>;
  /** SO_ERROR. */
  error = 0;
  /** Datagrams that found no room. */
  lost = 0;
  /** False when its file was removed: it is open still, and nobody finds it any more. */
  findable = true;
  private readonly letters: Letter[] = [];
  private readonly groups = new Set<string>();
  /** Connected senders that found the queue full: room is news for them. */
  private readonly waiting = new Set<ScriptedDatagram>();

  constructor(
    private readonly network: DatagramNetwork,
    readonly family: SocketAddress['family'],
  ) {
    super();
    const bytes = network.settings.socketBufferBytes;
    this.options = { receiveBufferBytes: bytes, sendBufferBytes: bytes };
  }

  override poll(): number {
    let report = this.error === 0 ? 0 : ERROR;
    if (this.letters.length > 0) report |= READABLE;
    // unix_dgram_poll asks for room at the peer only when there is one.
    const peer = this.family === 'unix' && this.remote !== null ? this.peer : undefined;
    if (peer?.full !== true) report |= WRITABLE;
    else peer.waiting.add(this);
    return report;
  }

  private get peer(): ScriptedDatagram | undefined {
    const { remote } = this;
    return remote === null ? undefined : [...this.network.sockets].find((one) => one.takes(remote));
  }

  private get full(): boolean {
    return this.letters.length >= this.network.settings.unixDatagramsMax;
  }

  /** Whether a datagram to `to` is for this socket. */
  takes(to: SocketAddress): boolean {
    const { local } = this;
    if (local?.family !== to.family) return false;
    if (local.family === 'unix' || to.family === 'unix') return this.findable && local.path === to.path;
    if (local.port !== to.port) return false;
    if (isMulticast(to)) return this.groups.has(to.host);
    return local.host === to.host || local.host === '0.0.0.0' || local.host === '::';
  }

  bind(address: SocketAddress): number {
    if (this.local !== null) return -E.EINVAL;
    if (address.family !== this.family) return address.family === 'unix' ? -E.EINVAL : -E.EAFNOSUPPORT;
    let local = address;
    if (address.family === 'unix') {
      if (address.path === '') local = { ...address, path: this.network.freshName() };
      if (typeof this.network.socketFile(local.path ?? '') === 'string') return -E.EADDRINUSE;
    } else if (address.port === 0) local = { ...address, port: this.network.freshPort() };
    const taken = [...this.network.sockets].some(
      (other) => other.findable && other.local !== null && clash(other.local, local) && !this.shares(other),
    );
    if (taken) return -E.EADDRINUSE;
    this.local = local;
    if (local.family === 'unix') this.network.makeFile(local.path);
    return 0;
  }

  private shares({ options }: ScriptedDatagram): boolean {
    const both = (name: SocketOption): boolean =>
      (options[name] ?? 0) !== 0 && (this.options[name] ?? 0) !== 0;
    return both('reusePort') || both('reuseAddress');
  }

  connect(address: SocketAddress): number {
    if (address.family !== this.family) return address.family === 'unix' ? -E.EINVAL : -E.EAFNOSUPPORT;
    if (address.family === 'unix') {
      const missing = this.missing(address);
      if (missing !== 0) return missing;
    } else this.autobind(address);
    this.remote = address;
    this.signal(WRITABLE);
    return 0;
  }

  /** unix_find_other: why nobody is there. */
  private missing({ path = '' }: SocketAddress): number {
    if ([...this.network.sockets].some((one) => one.findable && one.local?.path === path)) return 0;
    return path.startsWith('\0') || typeof this.network.socketFile(path) === 'string'
      ? -E.ECONNREFUSED
      : -E.ENOENT;
  }

  private autobind(to: SocketAddress): void {
    if (this.local !== null || to.family === 'unix') return;
    const host = isMulticast(to) ? (to.family === 4 ? '127.0.0.1' : '::1') : to.host;
    this.local = { family: to.family, host, port: this.network.freshPort() };
  }

  send(bytes: Uint8Array, to: SocketAddress | null): number {
    if (this.error !== 0) return -this.takeError(); // the answer to an earlier one: this one does not leave
    const target = to ?? this.remote;
    if (target === null) return this.family === 'unix' ? -E.ENOTCONN : -E.EDESTADDRREQ;
    if (target.family !== this.family) return target.family === 'unix' ? -E.EINVAL : -E.EAFNOSUPPORT;
    if (target.family === 'unix') return this.sendUnix(bytes, target, to === null);
    if (bytes.length > UDP_BYTES_MAX) return -E.EMSGSIZE;
    if (target.host === '255.255.255.255' && (this.options.broadcast ?? 0) === 0) return -E.EACCES;
    this.autobind(target);
    if (this.network.settings.losesDatagram(this.local, target)) return 0;
    const receivers = this.network.receivers(target, this);
    for (const one of receivers) one.deliver(bytes, this.local);
    if (receivers.length === 0 && to === null && !isMulticast(target)) {
      this.error = E.ECONNREFUSED; // ICMP says that nobody is there, to a connected sender
      this.signal(ERROR);
    }
    return 0;
  }

  private sendUnix(bytes: Uint8Array, target: SocketAddress, connected: boolean): number {
    if (bytes.length > (this.options.sendBufferBytes ?? 0)) return -E.EMSGSIZE;
    const missing = this.missing(target);
    if (missing !== 0) {
      if (connected) this.remote = null; // told once; from here on it is not connected
      return missing;
    }
    const receiver = this.network.receivers(target, this).at(0);
    if (receiver === undefined) return -E.ECONNREFUSED;
    if (receiver.remote !== null && receiver.remote.path !== this.local?.path) return -E.EPERM;
    if (receiver.full) {
      if (this.remote !== null) receiver.waiting.add(this);
      return -E.EAGAIN;
    }
    receiver.letters.push({ bytes: bytes.slice(), from: this.local });
    receiver.signal(READABLE);
    return 0;
  }

  /** UDP: who has no room loses it, and nobody is told. */
  deliver(bytes: Uint8Array, from: SocketAddress | null): void {
    const waiting = this.letters.reduce((sum, letter) => sum + letter.bytes.length, 0);
    if (waiting > 0 && waiting + bytes.length > (this.options.receiveBufferBytes ?? 0)) {
      this.lost++;
      return;
    }
    this.letters.push({ bytes: bytes.slice(), from });
    this.signal(READABLE);
  }

  /** One datagram into slot `i`; 1, or -errno. */
  receive(memory: DatagramMemory, i: number, bytesMax: number): number {
    if (this.error !== 0) return -this.takeError();
    const letter = this.letters.shift();
    if (letter === undefined) return -E.EAGAIN;
    const at = slotAt(i, bytesMax);
    const kept = letter.bytes.subarray(0, bytesMax);
    memory.bytes.set(kept, at);
    const cut = kept.length < letter.bytes.length ? 1 : 0;
    memory.received.set([at, kept.length, cut, letter.bytes.length], i * ROW_NUMBERS);
    memory.bytes.fill(0, senderAt(i), senderAt(i) + ADDRESS_BYTES);
    if (letter.from !== null) packAddress(letter.from, memory.bytes, senderAt(i));
    for (const sender of this.waiting) sender.signal(WRITABLE);
    this.waiting.clear();
    return 1;
  }

  takeError(): number {
    const { error } = this;
    this.error = 0;
    return error;
  }

  setMembership(membership: Membership, group: string): number {
    if (membership === 'outgoing') return 0;
    if (this.family === 'unix' || !isMulticast({ family: this.family, host: group, port: 0 }))
      return -E.EINVAL;
    if (membership === 'leave') return this.groups.delete(group) ? 0 : -E.EADDRNOTAVAIL;
    if (this.groups.has(group)) return -E.EADDRINUSE;
    this.groups.add(group);
    return 0;
  }

  protected override released(): void {
    this.network.sockets.delete(this);
    for (const sender of this.waiting) sender.signal(WRITABLE);
  }
}

function clash(a: SocketAddress, b: SocketAddress): boolean {
  if (a.family === 'unix' || b.family === 'unix') return a.path !== undefined && a.path === b.path;
  if (a.family !== b.family || a.port !== b.port) return false;
  const wild = (host: string): boolean => host === '0.0.0.0' || host === '::';
  return a.host === b.host || wild(a.host) || wild(b.host);
}

/** recvmmsg(2): goes on until nothing is left, or something is wrong, which the next call tells. */
export function receiveMany(
  socket: ScriptedDatagram,
  memory: DatagramMemory,
  count: number,
  bytesMax: number,
): number {
  if (count < 1 || count > batchMax(bytesMax)) return -E.EINVAL;
  for (let i = 0; i < count; i++) {
    if (i > 0 && socket.error !== 0) return i;
    const result = socket.receive(memory, i, bytesMax);
    if (result < 0) return i > 0 ? i : result;
  }
  return count;
}

/** sendmmsg(2): how many went before the one that did not. */
export function sendMany(
  socket: ScriptedDatagram,
  bytes: Uint8Array,
  table: Int32Array,
  first: number,
  count: number,
): number {
  for (let i = 0; i < count; i++) {
    if (i > 0 && socket.error !== 0) return i;
    const row = (first + i) * ROW_NUMBERS;
    const to = table[row] < 0 ? null : unpackAddress(bytes, table[row]);
    const result = socket.send(bytes.subarray(table[row + 1], table[row + 2]), to);
    if (result < 0) return i > 0 ? i : result;
  }
  return count;
}
