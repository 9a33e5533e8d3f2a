// Puts an http, https, http2 or tls server on the reactor, by the event that Node documents for it: 'connection'.

import type { EventEmitter } from 'node:events';
import * as http from 'node:http';
import * as https from 'node:https';
import type * as nodeNet from 'node:net';
import * as tls from 'node:tls';
import { defaultNet, type Net } from './net.js';

/** What such a server has of net.Server, and may be asked for. */
type Shell = EventEmitter &
  Partial<{
    allowHalfOpen: boolean;
    noDelay: boolean;
    keepAlive: boolean;
    keepAliveInitialDelay: number;
    highWaterMark: number;
    pauseOnConnect: boolean;
    maxConnections: number;
    closeIdleConnections(): void;
    close(callback?: (error?: Error) => void): unknown;
  }>;

/**
 * Makes `server` listen on the reactor: its listen(), close(), address(), getConnections(), ref(), unref() and
 * `listening` are those of a server of `net`, whose connections it is given. Returns it. Call it before listen().
 */
export function serve<S extends EventEmitter>(server: S, net: Net = defaultNet()): S {
  const shell: Shell = server;
  const front = net.createServer({
    // The layer above ends what it serves. A TLS server that does not allow half-open connections means its own.
    allowHalfOpen: shell instanceof tls.Server || (shell.allowHalfOpen ?? true),
    noDelay: shell.noDelay ?? true,
    keepAlive: shell.keepAlive ?? false,
    keepAliveInitialDelay: (shell.keepAliveInitialDelay ?? 0) * 1000,
    pauseOnConnect: shell.pauseOnConnect ?? false,
    ...(shell.highWaterMark === undefined ? {} : { highWaterMark: shell.highWaterMark }),
  });
  front.on('connection', (socket) => server.emit('connection', socket));
  for (const event of ['listening', 'error', 'drop']) {
    front.on(event, (...args: unknown[]) => void server.emit(event, ...args));
  }
  const closeShell = shell.close?.bind(shell);
  const close = (callback?: (error?: Error) => void): S => {
    if (!front.listening) {
      closeShell?.(callback);
      return server;
    }
    if (callback !== undefined) server.once('close', () => callback());
    // The server itself never listened: closing it stops its own timers and emits 'close'.
    front.close(() => closeShell?.());
    shell.closeIdleConnections?.();
    return server;
  };
  const own: Record<string, unknown> = {
    listen: (...args: unknown[]) => {
      const last = args.at(-1);
      if (typeof last === 'function') server.once('listening', last as () => void);
      front.maxConnections = shell.maxConnections as number;
      (front.listen as (...given: unknown[]) => void)(...args.filter((arg) => typeof arg !== 'function'));
      return server;
    },
    close,
    address: () => front.address(),
    getConnections: (callback: (error: Error | null, count: number) => void) => {
      front.getConnections(callback);
      return server;
    },
    ref: () => (front.ref(), server),
    unref: () => (front.unref(), server),
  };
  for (const [name, value] of Object.entries(own)) {
    Object.defineProperty(server, name, { value, writable: true, configurable: true });
  }
  Object.defineProperty(server, 'listening', { get: () => front.listening, configurable: true });
  return server;
}

/** http.createServer(), on the reactor. */
export function createHttpServer(
  options?: http.ServerOptions | http.RequestListener,
  listener?: http.RequestListener,
  net?: Net,
): http.Server {
  return serve(new http.Server(options as http.ServerOptions, listener), net);
}

/** https.createServer(), on the reactor. */
export function createHttpsServer(
  options: https.ServerOptions,
  listener?: http.RequestListener,
  net?: Net,
): https.Server {
  return serve(new https.Server(options, listener), net);
}

type CreateConnection = (options: object, callback?: unknown) => nodeNet.Socket;

/** An http.Agent whose connections are on the reactor: agent.createConnection() is its documented hook. */
export function createHttpAgent(options?: http.AgentOptions, net: Net = defaultNet()): http.Agent {
  const agent = new http.Agent(options);
  const create: CreateConnection = (wanted) => net.connect(wanted as nodeNet.NetConnectOpts);
  return Object.assign(agent, { createConnection: create });
}

/** An https.Agent: TLS by the runtime, over a connection on the reactor. */
export function createHttpsAgent(options?: https.AgentOptions, net: Net = defaultNet()): https.Agent {
  const agent = new https.Agent(options);
  const secure = (agent as unknown as { createConnection: CreateConnection }).createConnection;
  const create: CreateConnection = (wanted, callback) =>
    secure.call(agent, { socket: net.connect(tcpOptions(wanted)), ...wanted }, callback);
  return Object.assign(agent, { createConnection: create });
}

/** What of the options of a TLS connection is for the connection below it. */
export function tcpOptions(options: object): nodeNet.TcpNetConnectOpts {
  const { host, port, localAddress, localPort, family, lookup, noDelay, keepAlive, keepAliveInitialDelay } =
    options as nodeNet.TcpNetConnectOpts;
  const all: Record<string, unknown> = {
    host,
    port,
    localAddress,
    localPort,
    family,
    lookup,
    noDelay,
    keepAlive,
    keepAliveInitialDelay,
    allowHalfOpen: true, // TLS says by itself that it ends, and may have to write after the peer has
  };
  return Object.fromEntries(
    Object.entries(all).filter(([, value]) => value !== undefined && value !== null),
  ) as unknown as nodeNet.TcpNetConnectOpts;
}
