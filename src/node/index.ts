// The public subpath `underloop/node`: what lets libraries written for node:net run on the reactor.

import { defaultNet } from './net.js';

export { createNet } from './net.js';
export type { Net } from './net.js';

const net = defaultNet();

/** The module as a whole, in the place of `import net from 'node:net'`. */
export default net;
export const {
  connect,
  createConnection,
  createServer,
  Server,
  Socket,
  BlockList,
  SocketAddress,
  isIP,
  isIPv4,
  isIPv6,
  getDefaultAutoSelectFamily,
  setDefaultAutoSelectFamily,
  getDefaultAutoSelectFamilyAttemptTimeout,
  setDefaultAutoSelectFamilyAttemptTimeout,
} = net;

export { createHttpAgent, createHttpServer, createHttpsAgent, createHttpsServer, serve } from './serve.js';
export { pgStream, redisConnector, undiciConnect } from './libraries.js';
