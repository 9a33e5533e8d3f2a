// What the sockets of one net share: the loop, and the one object of handlers that all their connections call.

import type { ConnectionHandlers } from '../net/connection.js';
import { defaultLoop, type Loop } from './loop.js';
import type { Link, Socket } from './socket.js';

/** Hands what happens to a connection on to its socket. A socket that has let go hears of the close only. */
export class Links implements ConnectionHandlers<Socket> {
  constructor(readonly loop: Loop) {}

  open(link: Link): void {
    (link.context as Socket)._dialing?.succeeded(link);
  }
  data(link: Link, buffer: Uint8Array, start: number, end: number): void {
    (link.context as Socket)._received(buffer, start, end);
  }
  drain(link: Link): void {
    (link.context as Socket)._drained();
  }
  readClosed(link: Link): void {
    (link.context as Socket)._receivedEnd();
  }
  close(link: Link, error: Error | null): void {
    const socket = link.context;
    if (socket === undefined) return; // an attempt that was given up, or a connection that a server has dropped
    if (socket._dialing?.failed(link, error) !== true) socket._linkClosed(link, error);
  }
}

let shared: Links | null = null;

/** Those of the thread's default loop. */
export function defaultNetwork(): Links {
  return (shared ??= new Links(defaultLoop()));
}
