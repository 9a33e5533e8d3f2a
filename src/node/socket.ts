// A socket as node:net has it, over a connection of the reactor: a Duplex with backpressure both ways.

import { AsyncResource } from 'node:async_hooks';
import { Duplex, addAbortSignal } from 'node:stream';
import type { Connection } from '../net/connection.js';
import { copy } from '../net/connection.js';
import {
  checkConnectOptions,
  checkDestination,
  checkSignal,
  normalizeArguments,
  type Options,
} from './arguments.js';
import { dial, type Dialing } from './dial.js';
import { closedBeforeConnection, coded, connectionError, notCovered, socketClosed } from './errors.js';
import type { Links } from './links.js';
import { defaultNetwork } from './links.js';
import type { OnRead } from './on-read.js';
import { onReadOf } from './on-read.js';
import { Outlet, type Done, type Piece } from './outlet.js';
import type { Server } from './server.js';
import { SocketState } from './socket-state.js';

/** The connection under a socket. Its context is the socket, until the socket lets go of it. */
export type Link = Connection<Socket>;

export class Socket extends SocketState {
  /** The addresses that connect() has tried, `address:port`. Only with autoSelectFamily. */
  declare autoSelectFamilyAttemptedAddresses: string[] | undefined;
  /** For servers above this one (http) to put themselves into. */
  server: unknown = null;
  /** The runtime's TLSSocket goes along this chain when it touches timeouts. @internal */
  readonly _parent = null;

  /** @internal */ _dialing: Dialing | null = null;
  /** @internal */ _owner: Server | null = null;
  /** The asynchronous context of connect(), or of the server that accepted: what comes from the kernel runs in it. */
  private _resource: AsyncResource | null = null;
  private _onRead: OnRead | null;
  private _readEnded = false;
  private _resetting = false;
  private _failed = false;

  constructor(options: Options | number = {}) {
    const given: Options = typeof options === 'number' ? { fd: options } : { ...options };
    super(given);
    this._onRead = onReadOf(given['onread']);
    this.on('end', refuseWrites);
    const { signal } = given;
    if (signal !== undefined && signal !== null) {
      checkSignal(signal);
      addAbortSignal(signal, this);
    }
  }

  /** Where sockets of this class live: a thread's default, or what createNet() was given. @internal */
  override get _network(): Links {
    return defaultNetwork();
  }

  // ---- Connecting -------------------------------------------------------------------------------------------

  connect(...args: unknown[]): this {
    const [options, callback] = normalizeArguments(args);
    if (callback !== null) this.once('connect', callback);
    checkDestination(options);
    checkConnectOptions(options);
    if (Object.hasOwn(this, 'write')) Reflect.deleteProperty(this, 'write'); // see refuseWrites
    if (options['path'] !== undefined && options['path'] !== null) {
      throw notCovered('IPC paths yet', 'use node:net for them, or a TCP port');
    }
    if (this.destroyed) this._revive();
    this._touch();
    this.connecting = true;
    this._resource = this._newResource();
    dial(this, options);
    return this;
  }

  /** connect() after 'close': the same object serves for another connection. */
  private _revive(): void {
    (this as unknown as { _undestroy(): void })._undestroy();
    this._readEnded = this._resetting = this._failed = false;
    this._peer = this._local = null;
    this._readBefore = this._writtenBefore = 0;
    this._outlet = null;
  }

  /** A connection of its own: accepted, or about to be made. @internal */
  _adopt(link: Link): void {
    this._link = link;
    link.context = this;
    this._network.loop.opened(link, !this._unreferenced);
  }

  /** An attempt to connect was given up: another may follow. @internal */
  _abandon(link: Link): void {
    link.context = undefined;
    this._link = null;
    this._network.loop.closed(!this._unreferenced);
  }

  /** Takes what a server has accepted. @internal */
  _accepted(link: Link, server: Server): void {
    this._owner = server;
    this._resource = this._newResource();
    this._adopt(link);
    this._applyOptions(link);
    if (server.pauseOnConnect) {
      link.pause();
      (this as unknown as { readableFlowing: boolean }).readableFlowing = false;
    } else this.read(0);
  }

  /** The connect has finished. @internal */
  _connected(): void {
    (this._resource as AsyncResource).runInAsyncScope(this._announce, this);
  }

  private _announce(): void {
    const link = this._link as Link;
    this.connecting = false;
    this._dialing = null;
    this._touch();
    this._applyOptions(link);
    if (this.readable && !this.isPaused()) this.read(0);
    this.emit('connect');
    this.emit('ready');
  }

  private _newResource(): AsyncResource {
    return new AsyncResource('UNDERLOOP_SOCKET', { requireManualDestroy: true });
  }

  // ---- Reading ----------------------------------------------------------------------------------------------

  /** Bytes have come. @internal */
  _received(buffer: Uint8Array, start: number, end: number): void {
    (this._resource as AsyncResource).runInAsyncScope(this._take, this, buffer, start, end);
  }

  private _take(buffer: Uint8Array, start: number, end: number): void {
    this._touch();
    const more =
      this._onRead === null ? this.push(copy(buffer, start, end)) : this._onRead.take(buffer, start, end);
    if (!more) this._link?.pause();
  }

  /** The peer has ended its half. @internal */
  _receivedEnd(): void {
    this._readEnded = true;
    (this._resource as AsyncResource).runInAsyncScope(this._takeEnd, this);
  }

  private _takeEnd(): void {
    this.push(null);
    this.read(0);
  }

  override _read(): void {
    if (this._link !== null) this._link.resume();
  }

  override resume(): this {
    if (this._onRead !== null && !this.connecting) this._link?.resume();
    return super.resume();
  }

  override pause(): this {
    if (this._onRead !== null && !this.connecting) this._link?.pause();
    return super.pause();
  }

  // ---- Writing ----------------------------------------------------------------------------------------------

  override _write(chunk: unknown, encoding: BufferEncoding, callback: Done): void {
    this._send({ chunk, encoding } as Piece, null, callback);
  }

  override _writev(pieces: { chunk: unknown; encoding: BufferEncoding }[], callback: Done): void {
    this._send(null, pieces as Piece[], callback);
  }

  private _send(piece: Piece | null, pieces: Piece[] | null, callback: Done): void {
    if (this.connecting) {
      this._whenConnected(() => this._send(piece, pieces, callback), callback);
      return;
    }
    const link = this._link;
    if (link === null) {
      callback(socketClosed());
      return;
    }
    this._touch();
    const outlet = (this._outlet ??= new Outlet());
    if (piece === null) outlet.sendAll(link, pieces as Piece[], callback);
    else outlet.sendOne(link, piece, callback);
  }

  private _whenConnected(act: () => void, callback: Done): void {
    const closed = (): void => {
      this.off('connect', connected);
      callback(closedBeforeConnection());
    };
    const connected = (): void => {
      this.off('close', closed);
      act();
    };
    this.once('connect', connected);
    this.once('close', closed);
  }

  /** The kernel has taken what was held back. @internal */
  _drained(): void {
    (this._resource as AsyncResource).runInAsyncScope(this._sendMore, this);
  }

  private _sendMore(): void {
    this._touch();
    if (this._link !== null) this._outlet?.proceed(this._link);
  }

  override _final(callback: Done): void {
    if (this.connecting) {
      this.once('connect', () => this._final(callback));
      return;
    }
    this._link?.end();
    callback();
  }

  // ---- Closing ----------------------------------------------------------------------------------------------

  /** Destroys the socket once what was written has been sent. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  /** Closes with a reset (RST). Without a connection, the socket is destroyed with ERR_SOCKET_CLOSED. */
  resetAndDestroy(): this {
    const reset = (): void => {
      this._resetting = true;
      this.destroy();
    };
    if (this.connecting) this.once('connect', reset);
    else if (this._link !== null) reset();
    else this.destroy(socketClosed());
    return this;
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.connecting = false;
    this._stopTimer();
    this._dialing?.cancel();
    this._dialing = null;
    this._failed = error !== null;
    const link = this._link;
    if (link !== null) {
      this._letGo(link);
      if (this._resetting) link.reset();
      else link.close();
    }
    callback(error);
    this._outlet?.abandon(error);
    // A link tells when it has closed. Where there is none any more, 'close' comes after 'error' and what awaits it;
    // where there never was one, as soon as can be.
    if (link === null) {
      if (this._resource === null) process.nextTick(emitClose, this, this._failed);
      else setImmediate(emitClose, this, this._failed);
    }
    if (this._owner !== null) this._owner._socketClosed();
    this._owner = null;
  }

  private _letGo(link: Link): void {
    this._readBefore = link.bytesRead;
    this._writtenBefore = this.bytesWritten;
    this._local = null;
    this._link = null;
  }

  /** The connection has closed: by us, by both ends, or by an error. @internal */
  _linkClosed(link: Link, error: Error | null): void {
    this._network.loop.closed(!this._unreferenced);
    const resource = this._resource as AsyncResource;
    if (this._link === link) resource.runInAsyncScope(this._linkLost, this, link, error);
    else resource.runInAsyncScope(process.nextTick, null, emitClose, this, this._failed);
    resource.emitDestroy();
  }

  private _linkLost(link: Link, error: Error | null): void {
    this._letGo(link);
    if (error !== null) {
      const told = connectionError(error);
      this._outlet?.fail(told);
      this.destroy(told);
    } else if (!this._readEnded) this._takeEnd();
  }
}

function emitClose(socket: Socket, failed: boolean): void {
  socket.emit('close', failed);
}

/** After 'end', without allowHalfOpen: the stream ends our half, and a write after that is refused as node:net does. */
function refuseWrites(this: Socket): void {
  if (this.allowHalfOpen) return;
  const write = (chunk: unknown, encoding?: unknown, callback?: unknown): boolean => {
    if (!this.writableEnded) {
      return Duplex.prototype.write.call(this, chunk, encoding as BufferEncoding, callback as Done);
    }
    const told = typeof encoding === 'function' ? encoding : callback;
    const error = coded(new Error('This socket has been ended by the other party'), 'EPIPE');
    if (typeof told === 'function') process.nextTick(told, error);
    this.destroy(error);
    return false;
  };
  this.write = write as Socket['write'];
}
