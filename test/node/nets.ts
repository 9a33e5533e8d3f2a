// The two nets that the behaviour suite holds against each other, and what its tests open on either of them.

import { once } from 'node:events';
import * as nodeNet from 'node:net';
import { afterEach } from 'vitest';
import ours from '../../src/node/index.js';

export type Net = typeof nodeNet;

export const nets: [string, Net][] = [
  ['node:net', nodeNet],
  ['underloop/node', ours],
];

export interface Pair {
  server: nodeNet.Server;
  port: number;
  /** The end that has connected. */
  client: nodeNet.Socket;
  /** The end that the server has accepted. */
  peer: nodeNet.Socket;
}

/** What one test opens, and what is closed after it. */
export class World {
  private readonly open: {
    destroy?(): unknown;
    close?(): unknown;
    on(name: 'error', f: () => void): unknown;
  }[] = [];

  constructor(readonly net: Net) {
    afterEach(() => {
      for (const one of this.open.splice(0)) {
        one.on('error', () => undefined);
        if (one.destroy !== undefined) one.destroy();
        else one.close?.();
      }
    });
  }

  keep<T extends nodeNet.Socket | nodeNet.Server>(one: T): T {
    this.open.push(one as never);
    return one;
  }

  socket(options?: nodeNet.SocketConstructorOpts): nodeNet.Socket {
    return this.keep(new this.net.Socket(options));
  }

  server(options: nodeNet.ServerOpts = {}, accept?: (socket: nodeNet.Socket) => void): nodeNet.Server {
    const server = this.keep(this.net.createServer(options));
    server.on('connection', (socket) => {
      this.keep(socket);
      accept?.(socket);
    });
    return server;
  }

  async listening(
    options: nodeNet.ServerOpts = {},
    accept?: (socket: nodeNet.Socket) => void,
  ): Promise<{ server: nodeNet.Server; port: number }> {
    const server = this.server(options, accept);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { server, port: portOf(server) };
  }

  /** A connection with both its ends. */
  async pair(
    serverOptions: nodeNet.ServerOpts = {},
    clientOptions: Partial<nodeNet.NetConnectOpts> = {},
  ): Promise<Pair> {
    const { server, port } = await this.listening(serverOptions);
    const accepted = once(server, 'connection') as Promise<[nodeNet.Socket]>;
    const client = this.connect({ port, host: '127.0.0.1', ...clientOptions });
    const [[peer]] = await Promise.all([accepted, once(client, 'connect')]);
    return { server, port, client, peer };
  }

  connect(options: Partial<nodeNet.TcpNetConnectOpts>, callback?: () => void): nodeNet.Socket {
    return this.keep(this.net.connect(options as nodeNet.NetConnectOpts, callback));
  }

  /** A port of 127.0.0.1 on which nobody listens. */
  async closedPort(): Promise<number> {
    const server = nodeNet.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const port = portOf(server);
    server.close();
    await once(server, 'close');
    return port;
  }
}

export function portOf(server: nodeNet.Server): number {
  return (server.address() as nodeNet.AddressInfo).port;
}

/** All that comes until the end. */
export async function textOf(socket: nodeNet.Socket): Promise<string> {
  return (await bytesOf(socket)).toString();
}

export async function bytesOf(socket: nodeNet.Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

/** The arguments of 'close', whatever comes before it. */
export function closeOf(emitter: NodeJS.EventEmitter): Promise<unknown[]> {
  return new Promise((resolve) => emitter.once('close', (...args: unknown[]) => resolve(args)));
}

/** The names of events, in the order in which they come. */
export function journal(emitter: NodeJS.EventEmitter, ...names: string[]): string[] {
  const seen: string[] = [];
  for (const name of names) emitter.on(name, () => void seen.push(name));
  return seen;
}

/** What `act` throws. */
export function thrown(act: () => unknown): NodeJS.ErrnoException {
  try {
    act();
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
  throw new Error('nothing was thrown');
}

/** The parts of an error that programs look at. */
export function shape(error: unknown): Record<string, unknown> {
  const { name, message, code, errno, syscall } = error as NodeJS.ErrnoException;
  return { name, message, code, errno, syscall };
}
