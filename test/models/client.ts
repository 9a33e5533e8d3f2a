// A client of the workload that knows nothing of our own sockets: it sends recorded bytes and keeps what comes back.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { REPLY_HEADER_BYTES, ReplyParser, encodeRequest } from '../../src/workload/frames.js';

export interface Reply {
  id: number;
  status: number;
  payload: Buffer;
  /** The whole frame, with the stamps (thread and the six times) blanked. */
  blanked: Buffer;
  receivedNs: number;
  waitStartedNs: number;
  waitEndedNs: number;
  sentNs: number;
  cpuNs: number;
  runDelayNs: number;
  thread: number;
}

/** A request's bytes. */
export function request(
  id: number,
  options: { cpuUs?: number; waitMs?: number; payload?: Buffer } = {},
): Buffer {
  const payload = options.payload ?? Buffer.alloc(0);
  const bytes = Buffer.alloc(16 + payload.length);
  encodeRequest(bytes, 0, id, options.cpuUs ?? 0, options.waitMs ?? 0, payload);
  return bytes;
}

/** Raw 32-bit fields, for frames that no encoder would make. */
export function fields(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32LE(value, 4 * i));
  return bytes;
}

export class Client {
  readonly replies: Reply[] = [];
  /** Whether the server has ended its half, or the connection is gone. */
  ended = false;
  error: NodeJS.ErrnoException | null = null;
  private readonly parser = new ReplyParser();
  private readonly looks = new Set<() => void>();

  private constructor(readonly socket: Socket) {
    socket.setNoDelay(true);
    socket
      .on('data', (bytes) => {
        this.parser.feed(bytes, 0, bytes.length);
        while (this.parser.next()) this.keep();
        this.look();
      })
      .on('end', () => {
        this.ended = true;
        this.look();
      })
      .on('error', (error) => {
        this.error = error;
      })
      .on('close', () => {
        this.ended = true;
        this.look();
      });
  }

  static async open(port: number): Promise<Client> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const client = new Client(socket);
    await once(socket, 'connect');
    return client;
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }
  end(): void {
    this.socket.end();
  }
  close(): void {
    this.socket.destroy();
  }

  async until(done: () => boolean, what: string): Promise<void> {
    if (done()) return;
    await new Promise<void>((resolve, reject) => {
      const limit = setTimeout(() => {
        this.looks.delete(look);
        reject(new Error(`10 s without ${what}; ${String(this.replies.length)} replies`));
      }, 10_000);
      const look = (): void => {
        if (!done()) return;
        clearTimeout(limit);
        this.looks.delete(look);
        resolve();
      };
      this.looks.add(look);
    });
  }
  async answers(count: number): Promise<Reply[]> {
    await this.until(() => this.replies.length >= count || this.ended, `${String(count)} replies`);
    return this.replies;
  }
  async over(): Promise<Reply[]> {
    await this.until(() => this.ended, 'the end of the connection');
    return this.replies;
  }
  /** One request, one reply. */
  async ask(bytes: Buffer): Promise<Reply> {
    const before = this.replies.length;
    this.send(bytes);
    await this.answers(before + 1);
    const reply = this.replies[before];
    if (reply === undefined)
      throw new Error(`closed without a reply${this.error ? `: ${this.error.message}` : ''}`);
    return reply;
  }

  private look(): void {
    for (const look of [...this.looks]) look();
  }

  private keep(): void {
    const { parser } = this;
    if (parser.error !== null) throw new Error(parser.error);
    const blanked = Buffer.from(parser.bytes.subarray(parser.start, parser.end));
    blanked.fill(0, 12, REPLY_HEADER_BYTES);
    this.replies.push({
      id: parser.id,
      status: parser.status,
      payload: Buffer.from(parser.bytes.subarray(parser.payloadStart, parser.end)),
      blanked,
      thread: parser.thread,
      receivedNs: parser.receivedNs,
      waitStartedNs: parser.waitStartedNs,
      waitEndedNs: parser.waitEndedNs,
      sentNs: parser.sentNs,
      cpuNs: parser.cpuNs,
      runDelayNs: parser.runDelayNs,
    });
  }
}
