// An upstream whose every move the test decides.

import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { UpstreamParser } from '../../src/workload/frames.js';

/** Takes every request and answers only when told to. */
export class HeldUpstream {
  readonly sockets = new Set<Socket>();
  /** What was asked and not answered: socket, id, waitMs. */
  readonly asked: { socket: Socket; id: number; waitMs: number }[] = [];
  private readonly looks = new Set<() => void>();

  private constructor(private readonly server: Server) {
    server.on('connection', (socket) => {
      this.sockets.add(socket);
      const parser = new UpstreamParser();
      socket
        .on('data', (bytes) => {
          parser.feed(bytes, 0, bytes.length);
          while (parser.next()) this.asked.push({ socket, id: parser.id, waitMs: parser.waitMs });
          for (const look of [...this.looks]) look();
        })
        .on('error', () => {})
        .on('close', () => this.sockets.delete(socket));
    });
  }

  static async open(port = 0): Promise<HeldUpstream> {
    const server = createServer({ noDelay: true });
    const upstream = new HeldUpstream(server);
    server.listen({ port, host: '127.0.0.1' });
    await once(server, 'listening');
    return upstream;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async untilAsked(count: number): Promise<void> {
    if (this.asked.length >= count) return;
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (this.asked.length < count) return;
        this.looks.delete(look);
        resolve();
      };
      this.looks.add(look);
    });
  }

  answer(): void {
    for (const { socket, id, waitMs } of this.asked.splice(0)) {
      const bytes = Buffer.alloc(8);
      bytes.writeUInt32LE(id, 0);
      bytes.writeUInt32LE(waitMs, 4);
      socket.write(bytes);
    }
  }

  /** As when its process dies: every connection is gone, and the port too. */
  async die(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}
