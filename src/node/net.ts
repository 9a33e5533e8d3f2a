// The module that stands in for node:net: the same exports, over a reactor.

import * as nodeNet from 'node:net';
import type { Reactor } from '../reactor/reactor.js';
import { checkReactor } from '../net/checks.js';
import { normalizeArguments } from './arguments.js';
import { Links, defaultNetwork } from './links.js';
import { GivenLoop } from './loop.js';
import { Server } from './server.js';
import { Socket } from './socket.js';

/** What node:net exports, with its types: programs and libraries written for it fit. */
export type Net = typeof nodeNet;

/**
 * A net on a reactor of yours, which you run: `reactor.run()` ends when nothing referenced is open on it. Throws
 * ERR_ARGUMENT unless `reactor` is one.
 */
export function createNet(reactor: Reactor): Net {
  checkReactor(reactor);
  return netOn(new Links(new GivenLoop(reactor)));
}

let shared: Net | null = null;

/** The net of this thread's own reactor, which runs while anything on it is open. */
export function defaultNet(): Net {
  return (shared ??= netOn(null));
}

/** `links`: null for the thread's default, which is made when it is first needed. */
function netOn(links: Links | null): Net {
  const network = (): Links => links ?? defaultNetwork();
  class NetSocket extends Socket {
    override get _network(): Links {
      return network();
    }
  }
  class NetServer extends Server {
    override get _network(): Links {
      return network();
    }
    override get _socketClass(): typeof Socket {
      return NetSocket;
    }
  }
  Object.defineProperty(NetSocket, 'name', { value: 'Socket' });
  Object.defineProperty(NetServer, 'name', { value: 'Server' });

  const PublicSocket = callable(NetSocket);
  const connect = (...args: unknown[]): Socket => {
    const [options, callback] = normalizeArguments(args);
    const socket = new NetSocket(options);
    if (typeof options['timeout'] === 'number' && options['timeout'] > 0)
      socket.setTimeout(options['timeout']);
    return callback === null ? socket.connect(options) : socket.connect(options, callback);
  };
  const { BlockList, SocketAddress, isIP, isIPv4, isIPv6 } = nodeNet;
  const { getDefaultAutoSelectFamily, setDefaultAutoSelectFamily } = nodeNet;
  const { getDefaultAutoSelectFamilyAttemptTimeout, setDefaultAutoSelectFamilyAttemptTimeout } = nodeNet;
  return {
    connect,
    createConnection: connect,
    createServer: (options?: unknown, listener?: unknown) => new NetServer(options, listener),
    Socket: PublicSocket,
    Stream: PublicSocket,
    Server: callable(NetServer),
    BlockList,
    SocketAddress,
    isIP,
    isIPv4,
    isIPv6,
    getDefaultAutoSelectFamily,
    setDefaultAutoSelectFamily,
    getDefaultAutoSelectFamilyAttemptTimeout,
    setDefaultAutoSelectFamilyAttemptTimeout,
  } as unknown as Net;
}

/** node:net's constructors may be called without new. */
function callable<Class extends new (...args: never[]) => object>(constructor: Class): Class {
  return new Proxy(constructor, {
    apply: (target, _this, args) => Reflect.construct(target, args) as unknown,
  });
}
