// Who sent a datagram: read from packed bytes when somebody asks, so that a datagram costs no object.

import type { SocketAddress } from '../kernel/kernel.js';
import { unpackAddress } from '../kernel/packed-address.js';

/**
 * The sender of the datagram that is being handled. One object serves all of a socket's datagrams: it is good during the
 * call, and as `to` of `send()` costs nothing. {@link address} makes an object that may be kept.
 */
export class Sender {
  /** Where its packed address stands, and in what. @internal */ bytes: Uint8Array;
  /** @internal */ at = 0;
  private known: SocketAddress | null | undefined = undefined;

  /** @internal */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** @internal */
  point(bytes: Uint8Array, at: number): void {
    this.bytes = bytes;
    this.at = at;
    this.known = undefined;
  }

  /** A copy of the address, to keep; null for a Unix socket without a name, to which nobody can answer. */
  get address(): SocketAddress | null {
    if (this.known === undefined) this.known = unpackAddress(this.bytes, this.at);
    return this.known;
  }
  /** Whether there is anybody to answer to. */
  get named(): boolean {
    return this.bytes[this.at] !== 0;
  }
  /** The numeric host; undefined for a Unix socket. */
  get host(): string | undefined {
    return this.address?.host;
  }
  /** The port; undefined for a Unix socket. */
  get port(): number | undefined {
    return this.address?.port;
  }
  /** The path of a Unix socket, an abstract name with its `\0`; undefined for others. */
  get path(): string | undefined {
    return this.address?.path;
  }
}
