// What pg, ioredis and undici take in the place of their own sockets, each by the option that it documents.

import type * as nodeNet from 'node:net';
import * as tls from 'node:tls';
import { defaultNet, type Net } from './net.js';

/** For pg: `new Pool({ stream: pgStream() })`. pg connects the socket itself, and puts TLS on it if asked to. */
export function pgStream(net: Net = defaultNet()): () => nodeNet.Socket {
  return () => new net.Socket();
}

interface RedisOptions {
  host?: string;
  port?: number;
  family?: number;
  path?: string;
  tls?: tls.ConnectionOptions;
}

/** What ioredis asks of a connector. */
export interface RedisConnector {
  firstError: Error | undefined;
  check(info: unknown): boolean;
  connect(emitter: unknown): Promise<nodeNet.Socket>;
  disconnect(): void;
}

/** How long a Redis server may take to answer our end before the socket is destroyed. */
const REDIS_END_MS = 2000;

/** For ioredis: `new Redis({ Connector: redisConnector() })`. One server; no Sentinel. */
export function redisConnector(net: Net = defaultNet()): new (options: RedisOptions) => RedisConnector {
  return class implements RedisConnector {
    firstError: Error | undefined;
    readonly #options: RedisOptions;
    #wanted = false;
    #stream: nodeNet.Socket | undefined;

    constructor(options: RedisOptions) {
      this.#options = options;
    }

    private isWanted(): boolean {
      return this.#wanted;
    }
    check(): boolean {
      return true;
    }
    async connect(): Promise<nodeNet.Socket> {
      this.#wanted = true;
      await Promise.resolve(); // ioredis sets the rest of its state first
      if (!this.isWanted()) throw new Error('Connection is closed.');
      const { host = '127.0.0.1', port = 6379, family, path, tls: secure } = this.#options;
      const where = path === undefined ? { host, port, ...(family ? { family } : {}) } : { path };
      const socket = net.connect({ ...where, allowHalfOpen: secure !== undefined } as nodeNet.NetConnectOpts);
      const stream = secure === undefined ? socket : tls.connect({ servername: host, ...secure, socket });
      this.#stream = stream;
      stream.once('error', (error: Error) => (this.firstError ??= error));
      return stream;
    }
    disconnect(): void {
      this.#wanted = false;
      const stream = this.#stream;
      if (stream === undefined) return;
      const timer = setTimeout(() => stream.destroy(), REDIS_END_MS).unref();
      stream.once('close', () => clearTimeout(timer));
      stream.end();
    }
  };
}

interface UndiciTarget {
  hostname: string;
  protocol: string;
  port: string;
  servername?: string | null | undefined;
  localAddress?: string | null | undefined;
}
type UndiciCallback = (...result: [Error, null] | [null, nodeNet.Socket]) => void;

/** For undici: `new Agent({ connect: undiciConnect() })`. `secure`: options of tls.connect() for https. */
export function undiciConnect(secure: tls.ConnectionOptions = {}, net: Net = defaultNet()) {
  return (target: UndiciTarget, callback: UndiciCallback): void => {
    const isSecure = target.protocol === 'https:';
    const host = target.hostname.replace(/^\[(.*)\]$/, '$1');
    const raw = net.connect({
      host,
      port: Number(target.port) || (isSecure ? 443 : 80),
      noDelay: true,
      allowHalfOpen: isSecure,
      ...(target.localAddress ? { localAddress: target.localAddress } : {}),
    });
    const socket = isSecure
      ? tls.connect({
          ALPNProtocols: ['http/1.1'],
          ...secure,
          socket: raw,
          servername: target.servername ?? (net.isIP(host) === 0 ? host : ''),
        })
      : raw;
    const failed = (error: Error): void => callback(error, null);
    socket.once('error', failed);
    socket.once(isSecure ? 'secureConnect' : 'connect', () => {
      socket.off('error', failed);
      callback(null, socket);
    });
  };
}
