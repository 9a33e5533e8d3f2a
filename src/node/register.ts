// `node --import underloop/register app.js`: puts what a program does with node:net on the reactor, without changing it.

import cluster from 'node:cluster';
// Loaded first, so that the runtime's own classes (TLSSocket, http.Server) keep node:net's below them.
import http from 'node:http';
import https from 'node:https';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import type * as nodeNet from 'node:net';
import 'node:tls';
import { defaultNet } from './net.js';
import { serve, tcpOptions } from './serve.js';

const require = createRequire(import.meta.url);

type Constructor = new (...args: unknown[]) => object;
type Anything = (...args: unknown[]) => unknown;

/** A socket of a descriptor or a handle of the runtime's, or to an IPC path: those stay the runtime's. */
function isRuntimes([first]: readonly unknown[]): boolean {
  if (typeof first === 'string') return !(Number(first) >= 0);
  if (typeof first !== 'object' || first === null) return false;
  const { handle, fd, path } = first as Record<string, unknown>;
  return Boolean(handle) || fd !== undefined || (path !== undefined && path !== null);
}

function construct(made: Constructor, args: unknown[], newTarget = made): object {
  return Reflect.construct<unknown[], object>(made, args, newTarget);
}

/**
 * Stands in for a class of node:net. The runtime's own subclasses call it as a function, with an instance that is theirs
 * already: those go on to the class that they were made for. `instanceof` is true of the runtime's own sockets only: its
 * TLSSocket asks so whether a socket has a handle of libuv's, and takes any other Duplex as what it is.
 */
function stand(ours: Constructor, theirs: Constructor): Constructor {
  const hasInstance = (value: unknown): boolean => value instanceof theirs;
  return new Proxy(ours, {
    construct: (target, args, newTarget: Constructor) =>
      isRuntimes(args) ? construct(theirs, args) : construct(target, args, newTarget),
    apply: (target, self: unknown, args: unknown[]): unknown => {
      if (self instanceof theirs) return Reflect.apply(theirs as unknown as Anything, self, args);
      return construct(isRuntimes(args) ? theirs : target, args);
    },
    get: (target, name, receiver): unknown =>
      name === Symbol.hasInstance ? hasInstance : Reflect.get(target, name, receiver),
  });
}

/** The runtime calls methods of `net.Server.prototype` on its own servers, too: those get their own. */
function shareMethods(ours: Constructor, theirs: Constructor): void {
  const prototype = ours.prototype as Record<string, unknown>;
  for (const [name, { value }] of Object.entries(
    Object.getOwnPropertyDescriptors(theirs.prototype as object),
  )) {
    const mine = prototype[name];
    if (name === 'constructor' || typeof value !== 'function' || typeof mine !== 'function') continue;
    prototype[name] = function (this: unknown, ...args: unknown[]): unknown {
      return Reflect.apply((this instanceof theirs ? value : mine) as Anything, this, args);
    };
  }
}

function patchNet(exports: Record<string, unknown>): void {
  const ours = defaultNet() as unknown as Record<string, unknown>;
  const { createServer } = exports;
  const theirConnect = exports['connect'] as Anything;
  const ourConnect = ours['connect'] as Anything;
  const connect = (...args: unknown[]): unknown =>
    isRuntimes(args) ? theirConnect(...args) : ourConnect(...args);
  const socket = stand(ours['Socket'] as Constructor, exports['Socket'] as Constructor);
  const server = stand(ours['Server'] as Constructor, exports['Server'] as Constructor);
  shareMethods(ours['Server'] as Constructor, exports['Server'] as Constructor);
  Object.assign(exports, { connect, createConnection: connect, createServer: ours['createServer'] });
  Object.assign(exports, { Socket: socket, Stream: socket, Server: server });
  // The primary process of node:cluster makes servers by this function for their handles, which it gives to its workers.
  cluster.once('setup', () => {
    exports['createServer'] = createServer;
    syncBuiltinESMExports();
  });
}

/** Servers by 'connection', clients by agent.createConnection(): the hooks that http and https document. */
function patchHttp(): void {
  const net = defaultNet();
  const { createServer } = http;
  const { createServer: createSecureServer } = https;
  http.createServer = ((...args: Parameters<typeof createServer>) =>
    serve(createServer(...args))) as typeof createServer;
  https.createServer = ((...args: Parameters<typeof createSecureServer>) =>
    serve(createSecureServer(...args))) as typeof createSecureServer;
  type Hook = (this: unknown, options: object, ...rest: unknown[]) => nodeNet.Socket;
  const plain = http.Agent.prototype as unknown as { createConnection: Hook };
  const secure = https.Agent.prototype as unknown as { createConnection: Hook };
  const connectPlain = plain.createConnection;
  const connectSecure = secure.createConnection;
  plain.createConnection = function (options, ...rest) {
    return isRuntimes([options])
      ? connectPlain.call(this, options, ...rest)
      : net.connect(options as nodeNet.NetConnectOpts);
  };
  secure.createConnection = function (options, ...rest) {
    const given = isRuntimes([options]) || 'socket' in options;
    return connectSecure.call(
      this,
      given ? options : { ...options, socket: net.connect(tcpOptions(options)) },
      ...rest,
    );
  };
}

/**
 * Whether this process is on the reactor now. False in a worker of node:cluster, which gets its connections from the
 * primary process, by handles of the runtime's.
 */
export const registered = !cluster.isWorker;

if (registered) {
  patchNet(require('node:net') as Record<string, unknown>);
  patchHttp();
  syncBuiltinESMExports();
}
