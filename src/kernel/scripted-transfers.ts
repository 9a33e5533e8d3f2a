// Bytes in and out of the scripted kernel's sockets and pipes, cut short where a test wants it.

import { READABLE, WRITABLE } from '../poller/poller.js';
import { PIECES_MAX } from './kernel.js';
import type { PipeEnd } from './scripted-pipe.js';
import type { Socket } from './scripted-socket.js';

/** The transfers of one kernel, of ranges that were checked. All give a count, or -errno. */
export class Transfers {
  /** No call reads, or writes, more than that. */
  readMax = Infinity;
  writeMax = Infinity;
  readonly #buffer: Uint8Array;

  /** @param buffer what is read goes there */
  constructor(buffer: Uint8Array) {
    this.#buffer = buffer;
  }

  receive(socket: Socket, start: number, length: number): number {
    const count = socket.receive(this.#into(start, length));
    // epoll(7) lets edge-triggered readers take a short read for "drained". So that it stays true here, the rest counts
    // as having come in just afterwards: a new edge.
    if (count > 0 && count < length && socket.unread > 0) socket.signal(READABLE);
    return count;
  }

  transmit(socket: Socket, bytes: Uint8Array, start: number, length: number): number {
    const count = socket.transmit(this.#outOf(bytes, start, length));
    // As above: after a write cut short with room left, the room counts as having come just afterwards.
    if (count > 0 && count < length && socket.writable) socket.signal(WRITABLE);
    return count;
  }

  read(end: PipeEnd, start: number, length: number): number {
    const count = end.read(this.#into(start, length));
    if (count > 0 && count < length && (end.poll() & READABLE) !== 0) end.signal(READABLE);
    return count;
  }

  write(end: PipeEnd, bytes: Uint8Array, start: number, length: number): number {
    const count = end.write(this.#outOf(bytes, start, length));
    if (count > 0 && count < length && (end.poll() & WRITABLE) !== 0) end.signal(WRITABLE);
    return count;
  }

  #into(start: number, length: number): Uint8Array {
    return this.#buffer.subarray(start, start + Math.min(length, this.readMax));
  }

  #outOf(bytes: Uint8Array, start: number, length: number): Uint8Array {
    return bytes.subarray(start, start + Math.min(length, this.writeMax));
  }
}

/** The pieces as one; null when there are none or too many. */
export function gathered(
  pieces: readonly Uint8Array[],
  count: number,
  start: number,
  end: number,
): Uint8Array | null {
  if (count < 1 || count > PIECES_MAX) return null;
  const all = Buffer.concat(pieces.slice(0, count));
  return all.subarray(start, all.length - ((pieces[count - 1]?.length ?? 0) - end));
}

/** Whether there are such bytes. */
export function within(bytes: Uint8Array, start: number, length: number): boolean {
  return start >= 0 && length >= 0 && start + length <= bytes.length;
}
