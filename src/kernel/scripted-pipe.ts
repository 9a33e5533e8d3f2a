// The scripted kernel's pipes: a buffer with an end that reads and an end that writes, as pipe(7) has them.

import { constants } from 'node:os';
import { ERROR, HANGUP, READABLE, WRITABLE } from '../poller/poller.js';
import { ANY_CHANGE, OpenFile } from './scripted-poller.js';
import { ByteQueue } from './scripted-socket.js';

const E = constants.errno;

/** What a pipe holds, unless somebody asks for another size; pipe(7). */
const CAPACITY_BYTES = 65_536;
/** PIPE_BUF of Linux: a write of no more is done as a whole or not at all, and that much room counts as writable. */
const ATOMIC_BYTES = 4096;

/** Both ends, and what is between them. */
export class Pipe {
  readonly queue = new ByteQueue();
  readonly reader = new PipeEnd(this, false);
  readonly writer = new PipeEnd(this, true);

  get room(): number {
    return CAPACITY_BYTES - this.queue.length;
  }
}

/** One end. Its methods return >= 0 or -errno. */
export class PipeEnd extends OpenFile {
  private gone = false;

  constructor(
    private readonly pipe: Pipe,
    readonly writes: boolean,
  ) {
    super();
  }

  private get other(): PipeEnd {
    return this.writes ? this.pipe.reader : this.pipe.writer;
  }

  /** pipe_poll: the reader's end of the last writer is HANGUP alone, the writer's end of the last reader is ERROR. */
  poll(): number {
    const { gone } = this.other;
    if (!this.writes) return (this.pipe.queue.length > 0 ? READABLE : 0) | (gone ? HANGUP : 0);
    return (this.pipe.room >= ATOMIC_BYTES ? WRITABLE : 0) | (gone ? ERROR : 0);
  }

  read(into: Uint8Array): number {
    if (this.writes) return -E.EBADF;
    const { queue, room } = this.pipe;
    const taken = queue.take(into);
    if (taken === 0) return this.other.gone || into.length === 0 ? 0 : -E.EAGAIN;
    if (room < ATOMIC_BYTES) this.other.signal(WRITABLE);
    if (queue.length > 0 && taken < into.length) this.signal(READABLE);
    return taken;
  }

  write(bytes: Uint8Array): number {
    if (!this.writes) return -E.EBADF;
    if (this.other.gone) return -E.EPIPE;
    const { room } = this.pipe;
    if (bytes.length > room && (bytes.length <= ATOMIC_BYTES || room === 0)) return -E.EAGAIN;
    const count = Math.min(bytes.length, room);
    if (count > 0) this.pipe.queue.push(bytes.subarray(0, count));
    this.other.signal(READABLE);
    return count;
  }

  protected override released(): void {
    this.gone = true;
    this.other.signal(ANY_CHANGE);
  }
}
