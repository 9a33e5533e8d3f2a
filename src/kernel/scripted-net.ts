// The scripted kernel's network: who holds which in-memory address, and how connections come about between them.

import { constants } from 'node:os';
import { ERROR, READABLE } from '../poller/poller.js';
import type { VirtualClock } from './clock.js';
import type { InternetAddress, SocketAddress, UnixAddress } from './kernel.js';
import { UNIX_PATH_BYTES_MAX } from './kernel.js';
import { ANY_CHANGE } from './scripted-poller.js';
import { Socket } from './scripted-socket.js';

const E = constants.errno;

/** net.ipv4.ip_local_port_range: where port 0 is looked for; ip(7). */
const EPHEMERAL_FIRST = 32768;
const EPHEMERAL_COUNT = 28232;
/** net.core.somaxconn: the bound on every backlog; listen(2). */
const BACKLOG_MAX = 4096;
/** net.ipv4.tcp_syn_retries: a SYN goes out again after 1, 2, 4 ... seconds; ETIMEDOUT comes after 127 s; tcp(7). */
const SYN_RETRIES = 6;

/** What a network reads of the kernel's settings, at each call. */
export interface NetworkSettings {
  connectDelayMs: number;
  connectsAtOnce: boolean;
  socketBufferBytes: number;
}

/** What a path takes in `sockaddr_un`: a file's ends with a NUL. */
function pathBytes(path: string): number {
  return Buffer.byteLength(path) + (path === '' || path.startsWith('\0') ? 0 : 1);
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** Who has which port or path, and how connections come about. Every host name counts as this host. */
export class Network {
  readonly #clock: VirtualClock;
  readonly #settings: NetworkSettings;
  readonly #ports = new Map<number, Set<Socket>>();
  /** Who has which path or abstract name. */
  readonly #paths = new Map<string, Socket>();
  /** Files of sockets, with their inodes. One outlives its socket, in the way of the next, until somebody removes it. */
  readonly #files = new Map<string, number>();
  #inode = 1;
  #autobind = 1;
  #ephemeralCursor = 0;
  #balance = 0;

  constructor(clock: VirtualClock, settings: NetworkSettings) {
    this.#clock = clock;
    this.#settings = settings;
  }

  createSocket(family: SocketAddress['family']): Socket {
    const bytes = this.#settings.socketBufferBytes;
    const flags = {
      reuseAddress: 0,
      reusePort: 0,
      ipv6Only: 0,
      noDelay: 0,
      keepAlive: 0,
      keepAliveIdleS: 7200,
      keepAliveIntervalS: 75,
      keepAliveCount: 9,
      userTimeoutMs: 0,
      deferAcceptS: 0,
    };
    return new Socket(this, family, {
      ...flags,
      receiveBufferBytes: bytes,
      sendBufferBytes: bytes,
      lingerS: -1,
    });
  }

  createPair(): [Socket, Socket] {
    const pair: [Socket, Socket] = [this.createSocket('unix'), this.createSocket('unix')];
    this.#join(...pair);
    return pair;
  }

  bind(socket: Socket, address: SocketAddress): number {
    if (socket.local !== null || socket.state !== 'closed') return -E.EINVAL;
    if (address.family !== socket.family) return -E.EAFNOSUPPORT;
    if (address.family === 'unix') return this.#bindPath(socket, address);
    const port = address.port || this.#ephemeralPort();
    if (port === 0) return -E.EADDRINUSE;
    const local = { ...address, port };
    if (this.#rivals(socket, local).some((other) => !mayShare(socket, other))) return -E.EADDRINUSE;
    this.#take(socket, local);
    return 0;
  }

  #bindPath(socket: Socket, { path }: UnixAddress): number {
    if (pathBytes(path) > UNIX_PATH_BYTES_MAX) return -E.ENAMETOOLONG;
    // autobind, unix(7): five hexadecimal digits in the abstract namespace
    const name = path === '' ? `\0${(this.#autobind++).toString(16).padStart(5, '0')}` : path;
    if (this.#paths.has(name) || this.#files.has(name)) return -E.EADDRINUSE;
    this.#paths.set(name, socket);
    if (!name.startsWith('\0')) this.#files.set(name, this.#inode++);
    socket.local = { family: 'unix', path: name };
    return 0;
  }

  listen(socket: Socket, backlog: number): number {
    if (socket.state !== 'closed' && socket.state !== 'listening') return -E.EINVAL;
    if (socket.local === null) {
      if (socket.family === 'unix') return -E.EINVAL;
      const status = this.bind(socket, {
        family: socket.family,
        host: socket.family === 4 ? '0.0.0.0' : '::',
        port: 0,
      });
      if (status < 0) return status;
    }
    const { local } = socket;
    const taken =
      local !== null &&
      local.family !== 'unix' &&
      this.#rivals(socket, local).some((other) => other.state === 'listening' && !mayShare(socket, other));
    if (taken) return -E.EADDRINUSE;
    // As unsigned as the kernel takes it: -1 asks for the most.
    socket.backlog = Math.min(backlog >>> 0, BACKLOG_MAX);
    socket.state = 'listening';
    return 0;
  }

  connect(socket: Socket, address: SocketAddress): number {
    if (address.family !== socket.family) return address.family === 'unix' ? -E.EINVAL : -E.EAFNOSUPPORT;
    if (address.family === 'unix') return this.#connectPath(socket, address);
    if (socket.state === 'listening' || socket.connectStage === 'done') return -E.EISCONN;
    if (socket.connectStage === 'begun') return this.#connectOutcome(socket);
    const host = isWildcard(address.host) ? (address.family === 4 ? '127.0.0.1' : '::1') : address.host;
    const local = socket.local as InternetAddress | null;
    const port = local?.port ?? this.#ephemeralPort();
    if (port === 0) return -E.EADDRNOTAVAIL;
    if (local === null || isWildcard(local.host)) this.#take(socket, { family: address.family, host, port });
    socket.state = 'connecting';
    socket.connectStage = 'begun';
    const target = { ...address, host };
    const { connectDelayMs, connectsAtOnce } = this.#settings;
    if (connectDelayMs > 0 && connectDelayMs < Infinity) {
      socket.cancelHandshake = this.#clock.after(connectDelayMs, () => this.#handshake(socket, target, 0));
      return -E.EINPROGRESS;
    }
    const settled = this.#handshake(socket, target, 0);
    // Linux says EINPROGRESS even when the loopback has answered already; the BSDs may give the outcome itself.
    return connectsAtOnce && settled ? this.#connectOutcome(socket) : -E.EINPROGRESS;
  }

  /** What a connect after EINPROGRESS tells: the outcome, once, and ECONNABORTED if SO_ERROR was read in between. */
  #connectOutcome(socket: Socket): number {
    if (socket.state === 'connecting') return -E.EALREADY;
    socket.connectStage = socket.state === 'connected' ? 'done' : 'none';
    if (socket.state === 'connected') return 0;
    socket.readShut = socket.writeShut = socket.finReceived = false;
    const errno = socket.takeError() || E.ECONNABORTED;
    socket.signal(ERROR);
    return -errno;
  }

  /** unix_stream_connect: there is no handshake, and no waiting either; a full queue is EAGAIN. */
  #connectPath(client: Socket, { path }: UnixAddress): number {
    if (pathBytes(path) > UNIX_PATH_BYTES_MAX) return -E.ENAMETOOLONG;
    if (path === '') return -E.EINVAL;
    const listener = this.#paths.get(path);
    if (listener === undefined)
      return this.#files.has(path) || path.startsWith('\0') ? -E.ECONNREFUSED : -E.ENOENT;
    if (listener.state !== 'listening') return -E.ECONNREFUSED;
    if (listener.acceptQueue.length > listener.backlog) return -E.EAGAIN;
    if (client.state !== 'closed') return client.state === 'connected' ? -E.EISCONN : -E.EINVAL;
    const server = new Socket(this, 'unix', listener.options);
    server.local = listener.local;
    server.connectStage = client.connectStage = 'done';
    client.remote = listener.local;
    server.remote = client.local;
    this.#join(client, server);
    listener.acceptQueue.push(server);
    client.signal(ANY_CHANGE);
    listener.signal(READABLE);
    return 0;
  }

  socketFile(path: string): string | number {
    const inode = this.#files.get(path);
    return inode === undefined ? -E.ENOENT : `0:${String(inode)}`;
  }

  unlink(path: string, file: string): number {
    const now = this.socketFile(path);
    if (now !== file) return typeof now === 'number' ? now : -E.ENOENT;
    this.#files.delete(path);
    this.#paths.delete(path); // its socket is open still, and nobody finds it any more
    return 0;
  }

  unbind(socket: Socket): void {
    const { local } = socket;
    if (local?.family === 'unix') {
      // The name of an accepted socket is its listener's. The file stays, and nobody answers there.
      if (this.#paths.get(local.path) === socket) this.#paths.delete(local.path);
      return;
    }
    const port = local?.port ?? 0;
    const holders = this.#ports.get(port);
    if (holders?.delete(socket) === true && holders.size === 0) this.#ports.delete(port);
  }

  /** One SYN. Returns whether it was answered, with yes or no. */
  #handshake(client: Socket, target: InternetAddress, attempt: number): boolean {
    const unanswered = this.#settings.connectDelayMs === Infinity;
    const listener = unanswered ? undefined : this.#listenerAt(target);
    if (listener === undefined && !unanswered) {
      client.fail(E.ECONNREFUSED);
      return true;
    }
    if (listener === undefined || listener.acceptQueue.length > listener.backlog) {
      // A full queue (it holds one more than the backlog) drops the SYN; nobody is told, and it is sent again later.
      client.cancelHandshake = this.#clock.after(1000 * 2 ** attempt, () => {
        if (attempt < SYN_RETRIES) this.#handshake(client, target, attempt + 1);
        else client.fail(E.ETIMEDOUT);
      });
      return false;
    }
    const server = new Socket(this, client.family, listener.options);
    server.connectStage = 'done';
    client.remote = target;
    server.remote = client.local;
    this.#take(server, target);
    this.#join(client, server);
    listener.acceptQueue.push(server);
    client.signal(ANY_CHANGE);
    listener.signal(READABLE);
    return true;
  }

  #join(a: Socket, b: Socket): void {
    a.peer = b;
    b.peer = a;
    a.state = b.state = 'connected';
  }

  #listenerAt(target: InternetAddress): Socket | undefined {
    const open = [...(this.#ports.get(target.port) ?? [])].filter(
      ({ state, family }) => state === 'listening' && family === target.family,
    );
    const hostOf = ({ local }: Socket): string => (local as InternetAddress).host;
    const exact = open.filter((socket) => hostOf(socket) === target.host);
    const group = exact.length > 0 ? exact : open.filter((socket) => isWildcard(hostOf(socket)));
    // Linux spreads the connections of a SO_REUSEPORT group by hash; turns are as even, and repeatable.
    return group.length > 1 ? group[this.#balance++ % group.length] : group[0];
  }

  #rivals(socket: Socket, { family, host, port }: InternetAddress): Socket[] {
    return [...(this.#ports.get(port) ?? [])].filter((other) => {
      const { local } = other;
      if (other === socket || local === null || local.family === 'unix' || local.family !== family)
        return false;
      return local.host === host || isWildcard(local.host) || isWildcard(host);
    });
  }

  #take(socket: Socket, local: InternetAddress): void {
    socket.local = local;
    const holders = this.#ports.get(local.port);
    if (holders === undefined) this.#ports.set(local.port, new Set([socket]));
    else holders.add(socket);
  }

  #ephemeralPort(): number {
    for (let tries = 0; tries < EPHEMERAL_COUNT; tries++) {
      const port = EPHEMERAL_FIRST + (this.#ephemeralCursor++ % EPHEMERAL_COUNT);
      if (!this.#ports.has(port)) return port;
    }
    return 0;
  }
}

/** socket(7): all of a port's holders asked for SO_REUSEPORT, or all for SO_REUSEADDR and none listens. */
function mayShare(a: Socket, b: Socket): boolean {
  if (a.options.reusePort !== 0 && b.options.reusePort !== 0) return true;
  return (
    a.options.reuseAddress !== 0 &&
    b.options.reuseAddress !== 0 &&
    a.state !== 'listening' &&
    b.state !== 'listening'
  );
}
