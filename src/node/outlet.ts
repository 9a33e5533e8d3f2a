// What a socket writes: strings and small pieces gathered into one send, and the rest held until the kernel takes it.

import { coded } from './errors.js';
import type { Link } from './socket.js';

/** How a stream wants to be told that a write is done. */
export type Done = (error?: Error | null) => void;

/** One write of the stream, as it comes: strings are not decoded before. */
export interface Piece {
  readonly chunk: string | Buffer;
  readonly encoding: BufferEncoding;
}

/** What a link queues at most: what does not fit stays where it is, in the caller's own buffer. */
export const LINK_QUEUE_BYTES_MAX = 64 * 1024;

/** Pieces are gathered here before they are sent. One per thread: the link copies what the kernel does not take. */
const scratch = Buffer.allocUnsafeSlow(LINK_QUEUE_BYTES_MAX);

/** No encoding makes more bytes of one UTF-16 unit. */
const BYTES_PER_UNIT_MAX = 3;

export class Outlet {
  /** All bytes of the writes that have begun. */
  bytes = 0;
  private rest: Buffer | null = null;
  private callback: Done | null = null;
  private sentAtTimeout = -1;

  sendOne(link: Link, { chunk, encoding }: Piece, callback: Done): void {
    if (typeof chunk !== 'string') this.send(link, chunk, chunk.length, callback);
    else if (chunk.length * BYTES_PER_UNIT_MAX <= scratch.length) {
      this.send(link, scratch, scratch.write(chunk, 0, encoding), callback);
    } else {
      const bytes = Buffer.from(chunk, encoding);
      this.send(link, bytes, bytes.length, callback);
    }
  }

  /** Everything in one send: a header and a body, a thousand small rows. */
  sendAll(link: Link, pieces: readonly Piece[], callback: Done): void {
    let length = 0;
    for (const { chunk, encoding } of pieces) {
      const isText = typeof chunk === 'string';
      if (length + (isText ? chunk.length * BYTES_PER_UNIT_MAX : chunk.length) > scratch.length) {
        const bytes = Buffer.concat(pieces.map(bytesOf));
        this.send(link, bytes, bytes.length, callback);
        return;
      }
      if (isText) length += scratch.write(chunk, length, encoding);
      else {
        scratch.set(chunk, length);
        length += chunk.length;
      }
    }
    this.send(link, scratch, length, callback);
  }

  private send(link: Link, bytes: Buffer, length: number, callback: Done): void {
    this.bytes += length;
    const taken = link.closed ? 0 : link.write(bytes, 0, length);
    if (taken === length && link.queuedBytes === 0) {
      callback();
      return;
    }
    this.callback = callback;
    // The link has room for all of the scratch. So something is left only of the caller's bytes, or of a link that failed.
    this.rest = taken === length || bytes === scratch ? null : bytes.subarray(taken, length);
  }

  /** The link's queue is empty again. */
  proceed(link: Link): void {
    const { rest } = this;
    if (rest !== null) {
      const taken = link.closed ? 0 : link.write(rest, 0, rest.length);
      this.rest = taken === rest.length ? null : rest.subarray(taken);
      if (this.rest !== null || link.queuedBytes > 0) return;
    }
    if (!link.closed) this.finish();
  }

  /** The connection has failed, and with it the write under way. */
  fail(error: Error): void {
    this.rest = null;
    this.finish(error);
  }

  /** The socket was destroyed: what is under way will not be sent. */
  abandon(error: Error | null): void {
    if (this.callback === null) return;
    this.fail(
      error ?? coded(new Error('Cannot call write after a stream was destroyed'), 'ERR_STREAM_DESTROYED'),
    );
  }

  /** Whether a write under way has moved since the last timeout: then the socket is not idle. */
  progressed(link: Link | null): boolean {
    if (this.callback === null || link === null) return false;
    const before = this.sentAtTimeout;
    this.sentAtTimeout = link.bytesWritten;
    return before !== link.bytesWritten;
  }

  private finish(error?: Error): void {
    const { callback } = this;
    this.callback = null;
    callback?.(error);
  }
}

function bytesOf({ chunk, encoding }: Piece): Buffer {
  return typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
}
