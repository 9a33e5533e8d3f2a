// What a datagram socket calls, and whom it may send to.

import { argumentError, checkObject, type SystemError, type UnderloopError } from '../errors.js';
import type { SocketAddress } from '../kernel/kernel.js';
import { checkAddress, checkPath } from './address.js';
import type { DatagramSocket } from './datagram-socket.js';
import type { Sender } from './sender.js';

/** Where a datagram goes: a numeric host and a port, or the path (or abstract name) of a Unix socket. */
export type DatagramTarget =
  | {
      /** A numeric address of IPv4 or IPv6. */
      readonly host: string;
      /** 1 to 65,535. */
      readonly port: number;
      /** Of a Unix socket only. */
      readonly path?: undefined;
    }
  | {
      /** A file's path, or an abstract name that begins with `\0` (Linux). */
      readonly path: string;
      /** Of IPv4 and IPv6 only. */
      readonly host?: undefined;
      /** Of IPv4 and IPv6 only. */
      readonly port?: undefined;
    };

/** Handlers run one at a time; one that throws loses no other datagram, and goes to `reactor.onError`. */
export interface DatagramHandlers<Context = unknown> {
  /**
   * One datagram has come, whole: `buffer[start..end)`, which may be empty. Buffer and sender are the socket's own and are
   * used again after the call: answer with `socket.send(buffer, sender, start, end)`, or keep copies.
   */
  message?(
    socket: DatagramSocket<Context>,
    buffer: Uint8Array,
    start: number,
    end: number,
    sender: Sender,
  ): void;
  /**
   * A datagram was longer than `messageBytesMax`; `buffer[start..end)` is what was left of it, `realBytes` how long it was
   * (on Linux; elsewhere as much as is left). Without this handler it is only counted: it is never taken for a whole one.
   */
  truncated?(
    socket: DatagramSocket<Context>,
    buffer: Uint8Array,
    start: number,
    end: number,
    sender: Sender,
    realBytes: number,
  ): void;
  /** What the system had not taken is sent: `send()` has room again. */
  drain?(socket: DatagramSocket<Context>): void;
  /**
   * The system refused a datagram (EMSGSIZE, EACCES, ENOENT, ...), to `to`; or it told of one that was sent earlier, and then
   * `to` is null: ECONNREFUSED when nobody listens at a connected peer's port. The socket goes on.
   */
  error?(
    socket: DatagramSocket<Context>,
    error: SystemError | UnderloopError,
    to: SocketAddress | null,
  ): void;
  /** The last call, made once after `close()`, in a later turn. */
  close?(socket: DatagramSocket<Context>): void;
}

export const datagramHandlerNames = ['message', 'truncated', 'drain', 'error', 'close'] as const;

/** Checks a target and gives it as an address. Throws ERR_ARGUMENT, ERR_HOST_NAME. */
export function checkTarget(name: string, to: unknown): SocketAddress {
  checkObject(name, to);
  const { host, port, path } = to as Partial<SocketAddress>;
  if (path === undefined) {
    const address = checkAddress(name, host, port);
    if (address.port === 0) throw argumentError(`${name}.port`, 'a port from 1 to 65535', 0);
    return address;
  }
  return checkPath(`${name}.path`, path);
}
