// What a socket can be told and asked: its options and its timeout, its addresses and its state.

import { Duplex } from 'node:stream';
import type { InternetAddress } from '../kernel/kernel.js';
import { checkCallback, checkedDelayMs, keepAliveDelayS, type Callback, type Options } from './arguments.js';
import { argumentValueError, notCovered } from './errors.js';
import type { Links } from './links.js';
import { describeAddress, familyNames, type AddressInfo } from './names.js';
import type { Outlet, Piece } from './outlet.js';
import type { Link } from './socket.js';

export abstract class SocketState extends Duplex {
  /** Between connect() and 'connect'. */
  connecting = false;
  /** As set by setTimeout(); undefined until then. */
  timeout: number | undefined = undefined;

  /** @internal */ _link: Link | null = null;
  protected _outlet: Outlet | null = null;
  protected _unreferenced = false;
  // Asked for once, and kept after the end.
  protected _peer: InternetAddress | null = null;
  protected _local: InternetAddress | null = null;
  protected _readBefore = 0;
  protected _writtenBefore = 0;
  private _timer: NodeJS.Timeout | null = null;
  private _timerMs = 0;
  private _timed = false;
  private _noDelay: boolean;
  private _keepAlive: boolean;
  private _keepAliveDelayS: number;

  constructor(given: Options) {
    checkSocketOptions(given);
    super({
      ...given,
      allowHalfOpen: Boolean(given['allowHalfOpen']),
      emitClose: false,
      autoDestroy: true,
      decodeStrings: false,
      signal: undefined,
    });
    this._noDelay = Boolean(given['noDelay']);
    this._keepAlive = Boolean(given['keepAlive']);
    this._keepAliveDelayS = keepAliveDelayS(given['keepAliveInitialDelay']);
  }

  /** Where sockets of this class live. @internal */
  abstract get _network(): Links;

  // ---- Timeout ----------------------------------------------------------------------------------------------

  /** 'timeout' after `delayMs` without a byte in or out; 0: no more. */
  setTimeout(delayMs: number, callback?: Callback): this {
    if (this.destroyed) return this;
    this.timeout = delayMs;
    const ms = checkedDelayMs('msecs', delayMs);
    if (callback !== undefined) checkCallback('callback', callback);
    if (ms === 0) {
      this._timed = false;
      if (callback !== undefined) this.removeListener('timeout', callback);
      return this;
    }
    this._timed = true;
    // A timer of the same length is used again: http sets and takes back the same timeout for each request.
    const timer = this._timer;
    if (timer !== null && this._timerMs === ms) timer.refresh();
    else {
      this._timerMs = ms;
      if (timer !== null) clearTimeout(timer);
      this._timer = setTimeout(timedOut, ms, this).unref();
    }
    if (callback !== undefined) this.once('timeout', callback);
    return this;
  }

  /** @internal */
  _onTimeout(): void {
    if (!this._timed) this._timer = null;
    else if (this._outlet?.progressed(this._link) === true) this._touch();
    else this.emit('timeout');
  }

  protected _touch(): void {
    if (this._timed) this._timer?.refresh();
  }

  /** Some libraries call it. */
  _unrefTimer(): void {
    this._touch();
  }

  protected _stopTimer(): void {
    if (this._timer !== null) clearTimeout(this._timer);
    this._timer = null;
    this._timed = false;
  }

  // ---- Options and state ------------------------------------------------------------------------------------

  /** The connection stands: it is told what was asked for before. */
  protected _applyOptions(link: Link): void {
    if (this._noDelay) link.noDelay(true);
    if (this._keepAlive) link.keepAlive(true, this._keepAliveDelayS || undefined);
  }

  setNoDelay(enable?: boolean): this {
    const on = enable === undefined || Boolean(enable as unknown);
    if (this._link !== null && !this.connecting && on !== this._noDelay) this._link.noDelay(on);
    this._noDelay = on;
    return this;
  }

  setKeepAlive(enable?: boolean, initialDelayMs?: number): this {
    const on = Boolean(enable);
    const delayS = Math.trunc((initialDelayMs ?? 0) / 1000) || 0;
    const changed = on !== this._keepAlive || (on && delayS !== this._keepAliveDelayS);
    this._keepAlive = on;
    this._keepAliveDelayS = delayS;
    if (changed && this._link !== null && !this.connecting) {
      this._link.keepAlive(on, delayS > 0 ? delayS : undefined);
    }
    return this;
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
    if (this._link !== null) this._network.loop.setReferenced(this._link, referenced);
    return this;
  }

  address(): AddressInfo | Record<string, never> {
    const local = this._localName;
    return local === null ? {} : describeAddress(local);
  }

  private get _localName(): InternetAddress | null {
    if (this._link === null || this.connecting) return null;
    return (this._local ??= this._link.localAddress as InternetAddress | null);
  }
  private get _peerName(): InternetAddress | null {
    if (this._link === null || this.connecting) return this._peer;
    return (this._peer ??= this._link.peerAddress as InternetAddress | null);
  }

  get localAddress(): string | undefined {
    return this._localName?.host;
  }
  get localPort(): number | undefined {
    return this._localName?.port;
  }
  get localFamily(): string | undefined {
    const local = this._localName;
    return local === null ? undefined : familyNames[local.family];
  }
  get remoteAddress(): string | undefined {
    return this._peerName?.host;
  }
  get remotePort(): number | undefined {
    return this._peerName?.port;
  }
  get remoteFamily(): string | undefined {
    const peer = this._peerName;
    return peer === null ? undefined : familyNames[peer.family];
  }

  get bytesRead(): number {
    return this._link === null ? this._readBefore : this._link.bytesRead;
  }
  /** What write() was given, sent or not. */
  get bytesWritten(): number {
    if (this.connecting) return this.writableLength;
    if (this._link === null) return this._writtenBefore;
    return (this._outlet?.bytes ?? 0) + bytesHeld(this);
  }

  get pending(): boolean {
    return this._link === null || this.connecting;
  }
  get readyState(): 'opening' | 'open' | 'readOnly' | 'writeOnly' | 'closed' {
    if (this.connecting) return 'opening';
    if (this.readable && this.writable) return 'open';
    if (this.readable) return 'readOnly';
    return this.writable ? 'writeOnly' : 'closed';
  }
  get bufferSize(): number | undefined {
    return this._link === null && !this.connecting ? undefined : this.writableLength;
  }
}

/** Bytes that wait in the stream, behind the write under way. */
function bytesHeld(socket: Duplex): number {
  const state = (socket as unknown as { writableBuffer?: Piece[] }).writableBuffer;
  let bytes = 0;
  for (const { chunk, encoding } of state ?? []) {
    bytes += typeof chunk === 'string' ? Buffer.byteLength(chunk, encoding) : chunk.length;
  }
  return bytes;
}

function timedOut(socket: SocketState): void {
  socket._onTimeout();
}

function checkSocketOptions(options: Options): void {
  for (const name of ['objectMode', 'readableObjectMode', 'writableObjectMode']) {
    if (options[name]) throw argumentValueError(`options.${name}`, options[name], 'is not supported');
  }
  if (options['handle'] !== undefined || options['fd'] !== undefined) {
    throw notCovered('sockets made from a descriptor or handle', 'use node:net for them');
  }
  keepAliveDelayS(options['keepAliveInitialDelay']);
}
