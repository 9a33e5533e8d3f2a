// The public subpath `underloop/node`: what lets libraries written for node:net run on the reactor.

import type * as node from 'node:net';
import { defaultNet } from './net.js';

export { createNet } from './net.js';
export type { Net } from './net.js';

/** The module as a whole, in the place of `import net from 'node:net'`. */
const net = defaultNet();

export default net;
export const {
  /** As `net.connect` of node:net, on the reactor. */
  connect,
  /** Another name of {@link connect}. */
  createConnection,
  /** As `net.Server` of node:net, on the reactor. */
  Server,
  /** As `net.Socket` of node:net, on the reactor. */
  Socket,
  /** Node's own. */
  BlockList,
  /** Node's own. */
  SocketAddress,
  /** Node's own. */
  isIP,
  /** Node's own. */
  isIPv4,
  /** Node's own. */
  isIPv6,
  /** Node's own; {@link connect} obeys it. */
  getDefaultAutoSelectFamily,
  /** Node's own; {@link connect} obeys it. */
  setDefaultAutoSelectFamily,
  /** Node's own; {@link connect} obeys it. */
  getDefaultAutoSelectFamilyAttemptTimeout,
  /** Node's own; {@link connect} obeys it. */
  setDefaultAutoSelectFamilyAttemptTimeout,
} = net;

/** As `net.createServer` of node:net, on the reactor. */
export const createServer: {
  (connectionListener?: (socket: node.Socket) => void): node.Server;
  (options?: node.ServerOpts, connectionListener?: (socket: node.Socket) => void): node.Server;
} = net.createServer;

export { createHttpAgent, createHttpServer, createHttpsAgent, createHttpsServer, serve } from './serve.js';
export { pgStream, redisConnector, undiciConnect } from './libraries.js';
