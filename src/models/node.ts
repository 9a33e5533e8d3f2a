// The model `node`: the runtime's own sockets, node:net, as most servers in JavaScript use them.

import { createServer, type Server, type Socket } from 'node:net';
import { SystemError } from '../errors.js';
import type { InternetAddress } from '../kernel/kernel.js';
import { checkAddress } from '../net/address.js';
import { Handler, WRITE_QUEUE_BYTES, type Session, type Wire } from '../workload/handler.js';
import { NodeCalls } from '../workload/upstream-calls.js';
import { checkStart } from './checks.js';
import {
  BACKLOG,
  type Counters,
  type Model,
  type ModelOptions,
  type RunningModel,
  type Workload,
} from './model.js';

/** A socket of node:net, as the handler wants it. */
class NodeWire implements Wire {
  session: Session | null = null;
  constructor(readonly socket: Socket) {}
  get closed(): boolean {
    return this.socket.destroyed;
  }
  get queuedBytes(): number {
    return this.socket.writableLength;
  }
  write(bytes: Uint8Array, start: number, end: number): number {
    if (this.socket.writableLength + end - start > WRITE_QUEUE_BYTES) return 0;
    this.socket.write(bytes.slice(start, end)); // the stream keeps what it is given
    return end - start;
  }
  pause(): void {
    this.socket.pause();
  }
  resume(): void {
    this.socket.resume();
  }
  end(): void {
    this.socket.end();
  }
  close(): void {
    this.socket.destroy();
  }
}

class NodeModel implements Model {
  readonly name = 'node';
  readonly summary = "the runtime's own node:net: one thread";

  unavailable(): string | null {
    return null;
  }

  async start(workload: Workload, options: ModelOptions = {}): Promise<RunningModel> {
    checkStart(this, workload, options);
    const wanted = checkAddress('options', options.host ?? '127.0.0.1', options.port ?? 0);
    const running = new RunningNode(workload);
    await running.listen(wanted, options.backlog ?? BACKLOG);
    return running;
  }
}

class RunningNode implements RunningModel {
  address: InternetAddress = { family: 4, host: '', port: 0 };
  private readonly server: Server;
  private readonly handler: Handler;
  private readonly calls: NodeCalls;
  private readonly sockets = new Set<Socket>();
  private accepted = 0;
  private acceptErrors = 0;

  constructor(workload: Workload) {
    this.calls = new NodeCalls(workload.upstreamPort);
    const ground = {
      later(delayMs: number, callback: () => void): () => void {
        const timer = setTimeout(callback, delayMs).unref();
        return () => clearTimeout(timer);
      },
    };
    const { requestsPerConnection } = workload;
    this.handler = new Handler(ground, this.calls, { requestsPerConnection });
    this.server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.accept(socket));
  }

  async listen(wanted: InternetAddress, backlog: number): Promise<void> {
    const { host, port } = wanted;
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', (error: NodeJS.ErrnoException) => {
        reject(new SystemError(error.syscall ?? 'listen', error.errno ?? 0, { address: host, port }));
      });
      this.server.listen({ host, port, backlog }, resolve);
    });
    this.server.removeAllListeners('error').on('error', () => this.acceptErrors++);
    const bound = this.server.address();
    if (bound !== null && typeof bound === 'object') {
      this.address = { family: wanted.family, host: bound.address, port: bound.port };
    }
  }

  private accept(socket: Socket): void {
    const wire = new NodeWire(socket);
    this.accepted++;
    this.sockets.add(socket);
    const session = (): Session => (wire.session ??= this.handler.session(wire));
    socket
      .on('data', (bytes) => session().received(bytes, 0, bytes.length, false))
      .on('end', () => session().ended())
      .on('drain', () => wire.session?.drained())
      .on('error', () => undefined) // close follows
      .on('close', () => {
        this.sockets.delete(socket);
        wire.session?.closed();
      });
  }

  counters(): Counters {
    const { served, errors } = this.handler.counters;
    return {
      accepted: this.accepted,
      connections: this.sockets.size,
      serving: this.sockets.size,
      served,
      refused: 0,
      errors: errors + this.acceptErrors,
      queued: 0,
      threads: 1,
    };
  }

  async stop(): Promise<void> {
    this.calls.close();
    const closed = new Promise<void>((resolve) => {
      this.server.close(() => resolve());
    });
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}

export const node = new NodeModel();
