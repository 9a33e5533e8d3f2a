// A server over completions in this very process, and plain clients of node:net that know nothing of it.

import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import type { RingOptions } from '../../src/uring/kernel.js';
import { listenOn, type RingListener, type RingListenerHandlers } from '../../src/uring/listener.js';
import { openProactor, type Proactor } from '../../src/uring/proactor.js';

export interface Server {
  readonly proactor: Proactor;
  readonly listener: RingListener;
  readonly port: number;
  readonly ran: Promise<void>;
  readonly errors: unknown[];
}

export function serve(
  handlers: RingListenerHandlers,
  options: RingOptions & { writeQueueBytesMax?: number } = {},
): Server {
  const { writeQueueBytesMax, ...ring } = options;
  const errors: unknown[] = [];
  const proactor = openProactor({ ...ring, onError: (error) => errors.push(error) });
  const bound = writeQueueBytesMax === undefined ? {} : { writeQueueBytesMax };
  const listener = listenOn(proactor, { port: 0, noDelay: true, backlog: 4096, ...bound }, handlers);
  return { proactor, listener, port: listener.address.port, ran: proactor.reactor.run(), errors };
}

export const echo: RingListenerHandlers = {
  data(connection, buffer, start, end) {
    connection.write(buffer, start, end);
  },
};

export class Peer {
  readonly chunks: Buffer[] = [];
  bytes = 0;
  ended = false;
  closed = false;
  error: NodeJS.ErrnoException | null = null;
  private readonly looks = new Set<() => void>();

  private constructor(readonly socket: Socket) {
    const look = (): void => this.looks.forEach((one) => one());
    socket
      .setNoDelay(true)
      .on('data', (bytes) => {
        this.chunks.push(bytes);
        this.bytes += bytes.length;
        look();
      })
      .on('end', () => {
        this.ended = true;
        look();
      })
      .on('error', (error) => {
        this.error = error;
      })
      .on('close', () => {
        this.closed = true;
        look();
      });
  }
  static async open(port: number): Promise<Peer> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const peer = new Peer(socket);
    await once(socket, 'connect');
    return peer;
  }
  static all(port: number, count: number): Promise<Peer[]> {
    return Promise.all(Array.from({ length: count }, () => Peer.open(port)));
  }
  get text(): string {
    return Buffer.concat(this.chunks).toString('latin1');
  }
  async until(done: () => boolean, what: string): Promise<void> {
    if (done()) return;
    await new Promise<void>((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error(`10 s without ${what}; ${this.bytes} bytes`)), 10_000);
      const look = (): void => {
        if (!done()) return;
        clearTimeout(limit);
        this.looks.delete(look);
        resolve();
      };
      this.looks.add(look);
    });
  }
  received(count: number): Promise<void> {
    return this.until(() => this.bytes >= count, `${count} bytes`);
  }
}

/** Asks again and again, between turns of the runtime; what never comes is an error. */
export async function until(done: () => boolean, what: string): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!done()) {
    if (performance.now() > deadlineMs) throw new Error(`10 s without ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** What this process has open, by what it is: sockets, rings, epoll sets. */
export function openDescriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`).replace(/\[\d+\]/, '')];
    } catch {
      return []; // the folder's own
    }
  });
}
