// A server as node:net has it, over a listener of the reactor.

import { AsyncResource } from 'node:async_hooks';
import { lookup } from 'node:dns';
import { EventEmitter } from 'node:events';
import { isIP } from 'node:net';
import { SystemError } from '../errors.js';
import type { InternetAddress } from '../kernel/kernel.js';
import { listen, type Listener, type ListenerHandlers } from '../net/listener.js';
import {
  backlogOf,
  checkNumber,
  checkSignal,
  checkedPort,
  keepAliveDelayS,
  normalizeArguments,
  unusableListenOptions,
  type Callback,
  type Options,
} from './arguments.js';
import { alreadyListening, argumentTypeError, listenError, notCovered, notRunning } from './errors.js';
import { Links, defaultNetwork } from './links.js';
import { LINK_QUEUE_BYTES_MAX } from './outlet.js';
import { describeAddress } from './names.js';
import { Socket, type Link } from './socket.js';

const BACKLOG = 511;
/** listen(2) takes no more; larger ones are cut, as the kernel cuts them to net.core.somaxconn. */
const BACKLOG_MAX = 65_535;

/** The handlers of one server's connections: those of every socket, and what accepting adds. */
class ServerLinks extends Links implements ListenerHandlers<Socket> {
  constructor(
    shared: Links,
    private readonly server: Server,
  ) {
    super(shared.loop);
  }
  override open(link: Link): void {
    this.server._accept(link);
  }
  /** Accepting has failed. It goes on by itself after a pause, as node:net's does, which tells nobody. */
  acceptError(): void {
    this.server._acceptErrors++;
  }
}

export class Server extends EventEmitter {
  readonly allowHalfOpen: boolean;
  pauseOnConnect: boolean;
  readonly noDelay: boolean;
  readonly keepAlive: boolean;
  readonly keepAliveInitialDelay: number;
  readonly highWaterMark: number | undefined;
  /** More connections than this are closed at once, and 'drop' is emitted. */
  maxConnections: number | undefined;
  /** @internal */ _connections = 0;
  /** How often accepting has failed for want of descriptors or memory. @internal */ _acceptErrors = 0;
  private _listener: Listener<Socket> | null = null;
  private _resource: AsyncResource | null = null;
  private _unreferenced = false;
  /** Counts calls of listen() and close(): an answer of the resolver for an earlier one is void. */
  private _calls = 0;

  constructor(options?: unknown, connectionListener?: unknown) {
    super();
    if (typeof options === 'function') connectionListener = options;
    else if (options !== undefined && options !== null && typeof options !== 'object') {
      throw argumentTypeError('options', 'of type object', options);
    }
    if (typeof connectionListener === 'function') this.on('connection', connectionListener as Callback);
    const given = (typeof options === 'object' && options !== null ? options : {}) as Options;
    this.keepAliveInitialDelay = keepAliveDelayS(given['keepAliveInitialDelay']);
    const { highWaterMark } = given;
    if (highWaterMark !== undefined) checkNumber('options.highWaterMark', highWaterMark);
    this.highWaterMark = highWaterMark !== undefined && highWaterMark >= 0 ? highWaterMark : undefined;
    this.allowHalfOpen = Boolean(given['allowHalfOpen']);
    this.pauseOnConnect = Boolean(given['pauseOnConnect']);
    this.noDelay = Boolean(given['noDelay']);
    this.keepAlive = Boolean(given['keepAlive']);
  }

  /** @internal */
  get _network(): Links {
    return defaultNetwork();
  }
  /** The class of the sockets that are accepted. @internal */
  get _socketClass(): typeof Socket {
    return Socket;
  }

  // ---- Listening --------------------------------------------------------------------------------------------

  listen(...args: unknown[]): this {
    const [options, callback] = normalizeArguments(args);
    if (this._listener !== null) throw alreadyListening();
    if (callback !== null) this.once('listening', callback);
    const backlog = Number(options['backlog']) || backlogOf(args) || BACKLOG;
    const call = ++this._calls;
    this._closeOn(options['signal']);
    if (
      typeof options['fd'] === 'number' ||
      options['handle'] !== undefined ||
      options['_handle'] !== undefined
    ) {
      throw notCovered('listening on a descriptor or handle', 'use node:net for it');
    }
    let { port } = options;
    const any =
      args.length === 0 ||
      typeof args[0] === 'function' ||
      port === null ||
      ('port' in options && port === undefined);
    if (any) port = 0;
    if (typeof port !== 'number' && typeof port !== 'string') {
      if (typeof options['path'] === 'string')
        throw notCovered('IPC paths yet', 'use node:net for them, or a TCP port');
      throw unusableListenOptions(options);
    }
    const number = checkedPort('options.port', port);
    const host = options['host'] as string | undefined;
    this._resource ??= new AsyncResource('UNDERLOOP_SERVER', { requireManualDestroy: true });
    const start = (address: string | null): void => this._start(address, number, backlog, options);
    if (!host) start(null);
    else if (isIP(host) !== 0) start(host);
    else {
      lookup(host, (error, address) => {
        if (call !== this._calls) return;
        if (error) this.emit('error', error);
        else start(address);
      });
    }
    return this;
  }

  private _start(host: string | null, port: number, backlog: number, options: Options): void {
    try {
      this._listener =
        host === null
          ? this._listenAnywhere(port, backlog, options)
          : this._bind(host, port, backlog, options);
    } catch (cause) {
      const error =
        cause instanceof SystemError ? listenError(cause, { address: host ?? '::', port }) : (cause as Error);
      process.nextTick(() => {
        this.emit('error', error);
      });
      return;
    }
    this._network.loop.opened(this._listener, !this._unreferenced);
    process.nextTick(() => {
      // close() may have been called meanwhile.
      if (this._listener !== null) this.emit('listening');
    });
  }

  /** Without a host: all addresses, by IPv6 if the system has it. */
  private _listenAnywhere(port: number, backlog: number, options: Options): Listener<Socket> {
    try {
      return this._bind('::', port, backlog, options);
    } catch (error) {
      const { code } = error as SystemError;
      if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL' && code !== 'EINVAL') throw error;
      return this._bind('0.0.0.0', port, backlog, options);
    }
  }

  private _bind(host: string, port: number, backlog: number, options: Options): Listener<Socket> {
    return listen<Socket>(
      this._network.loop.reactor,
      {
        host,
        port,
        backlog: Math.min(Math.max(Math.trunc(backlog), 1), BACKLOG_MAX),
        ...(host.includes(':') ? { ipv6Only: options['ipv6Only'] === true } : {}),
        reusePort: options['reusePort'] === true,
        noDelay: this.noDelay,
        writeQueueBytesMax: LINK_QUEUE_BYTES_MAX,
      },
      new ServerLinks(this._network, this),
    );
  }

  private _closeOn(signal: unknown): void {
    if (signal === undefined) return;
    checkSignal(signal);
    const abort = (): void => void this.close();
    if (signal.aborted) process.nextTick(abort);
    else {
      signal.addEventListener('abort', abort);
      this.once('close', () => signal.removeEventListener('abort', abort));
    }
  }

  get listening(): boolean {
    return this._listener !== null;
  }

  /** Null unless the server listens. */
  address(): { address: string; family: string; port: number } | null {
    return this._listener === null ? null : describeAddress(this._listener.address);
  }

  // ---- Connections ------------------------------------------------------------------------------------------

  /** @internal */
  _accept(link: Link): void {
    (this._resource as AsyncResource).runInAsyncScope(this._take, this, link);
  }

  private _take(link: Link): void {
    const { maxConnections } = this;
    if (typeof maxConnections === 'number' && this._connections >= maxConnections) {
      this._drop(link);
      return;
    }
    this._connections++;
    const socket = new this._socketClass({
      allowHalfOpen: this.allowHalfOpen,
      ...(this.highWaterMark === undefined
        ? {}
        : { readableHighWaterMark: this.highWaterMark, writableHighWaterMark: this.highWaterMark }),
      keepAlive: this.keepAlive,
      keepAliveInitialDelay: this.keepAliveInitialDelay * 1000,
    });
    socket._accepted(link, this);
    this.emit('connection', socket);
  }

  private _drop(link: Link): void {
    const local = link.localAddress as InternetAddress | null;
    const remote = link.peerAddress as InternetAddress | null;
    link.close();
    const from = local === null ? null : describeAddress(local);
    const to = remote === null ? null : describeAddress(remote);
    this.emit('drop', {
      localAddress: from?.address,
      localPort: from?.port,
      localFamily: from?.family,
      remoteAddress: to?.address,
      remotePort: to?.port,
      remoteFamily: to?.family,
    });
  }

  /** @internal */
  _socketClosed(): void {
    this._connections--;
    this._emitCloseIfDrained();
  }

  getConnections(callback: (error: Error | null, count: number) => void): this {
    process.nextTick(callback, null, this._connections);
    return this;
  }

  // ---- Closing ----------------------------------------------------------------------------------------------

  /** Accepts no more; 'close' when the last connection has ended. */
  close(callback?: unknown): this {
    this._calls++;
    const listener = this._listener;
    if (typeof callback === 'function') {
      const told = callback as Callback;
      if (listener === null) this.once('close', () => told(notRunning()));
      else this.once('close', told);
    }
    if (listener !== null) {
      listener.close();
      this._listener = null;
      this._network.loop.closed(!this._unreferenced);
    }
    this._emitCloseIfDrained();
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this._listener === null) return;
    await new Promise<void>((resolve, reject) => {
      this.close((error?: Error) => (error === undefined ? resolve() : reject(error)));
    });
  }

  private _emitCloseIfDrained(): void {
    if (this._listener !== null || this._connections > 0) return;
    process.nextTick(() => this.emit('close'));
  }

  ref(): this {
    return this._setReferenced(true);
  }
  unref(): this {
    return this._setReferenced(false);
  }

  private _setReferenced(referenced: boolean): this {
    if (this._unreferenced !== referenced) return this;
    this._unreferenced = !referenced;
    if (this._listener !== null) this._network.loop.setReferenced(this._listener, referenced);
    return this;
  }
}
