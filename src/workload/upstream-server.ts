// The upstream on our reactor: answers each request after as long as it asks for, many at a time.

import type { InternetAddress } from '../kernel/kernel.js';
import type { Connection } from '../net/connection.js';
import { listen } from '../net/listener.js';
import type { Reactor } from '../reactor/reactor.js';
import { UPSTREAM_FRAME_BYTES, UpstreamParser, WAIT_MS_MAX, encodeUpstream } from './frames.js';

/** Answers that one connection may be owed at a time, as asked for or as queued; beyond, nothing is read from it. */
const OWED_MAX = 256 * 1024;
/** What comes in one read may be owed in addition. */
const WRITE_QUEUE_BYTES_MAX = OWED_MAX * UPSTREAM_FRAME_BYTES + 64 * 1024;

export interface UpstreamOptions {
  host?: string;
  port?: number;
  backlog?: number;
}

export interface UpstreamCounters {
  accepted: number;
  connections: number;
  /** Requests that wait now. */
  waiting: number;
  answered: number;
  errors: number;
}

/** The upstream on a reactor, which may have other work too. */
export class Upstream {
  readonly address: InternetAddress;
  private readonly listener;
  private waiting = 0;
  private answered = 0;
  private errors = 0;

  constructor(
    readonly reactor: Reactor,
    options: UpstreamOptions = {},
  ) {
    const { host, port, backlog = 4096 } = options;
    this.listener = listen<Client>(
      reactor,
      {
        ...(host !== undefined && { host }),
        ...(port !== undefined && { port }),
        backlog,
        noDelay: true,
        writeQueueBytesMax: WRITE_QUEUE_BYTES_MAX,
      },
      {
        data: (connection, buffer, start, end) => {
          (connection.context ??= new Client()).parser.feed(buffer, start, end);
          this.take(connection, connection.context);
        },
        drain: (connection) => this.readOrHold(connection),
      },
    );
    this.address = this.listener.address;
  }

  get counters(): UpstreamCounters {
    const { accepted, connections } = this.listener;
    return { accepted, connections, waiting: this.waiting, answered: this.answered, errors: this.errors };
  }

  close(): void {
    this.listener.close();
  }

  private take(connection: Connection<Client>, client: Client): void {
    while (client.parser.next()) {
      const { id, waitMs } = client.parser;
      if (waitMs > WAIT_MS_MAX) {
        this.errors++;
        connection.close();
        return;
      }
      client.waiting++;
      this.waiting++;
      this.reactor.setTimer(waitMs, () => this.answer(connection, client, id, waitMs));
    }
    this.readOrHold(connection);
  }

  private answer(connection: Connection<Client>, client: Client, id: number, waitMs: number): void {
    client.waiting--;
    this.waiting--;
    if (!connection.writable) return; // the server that asked has gone
    encodeUpstream(frame, 0, id, waitMs);
    if (connection.write(frame) < frame.length) {
      this.errors++;
      connection.close();
      return;
    }
    this.answered++;
    this.readOrHold(connection);
  }

  private readOrHold(connection: Connection<Client>): void {
    if (connection.closed || connection.context === undefined) return;
    const owed = connection.context.waiting + connection.queuedBytes / UPSTREAM_FRAME_BYTES;
    if (owed >= OWED_MAX) connection.pause();
    else connection.resume();
  }
}

class Client {
  readonly parser = new UpstreamParser();
  waiting = 0;
}

/** Filled anew for each answer. */
const frame = new Uint8Array(UPSTREAM_FRAME_BYTES);
