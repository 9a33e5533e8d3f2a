// How connect() reaches its peer: the name is looked up, then one address after another is tried.

import { lookup as resolve } from 'node:dns';
import * as nodeNet from 'node:net';
import { SystemError } from '../errors.js';
import { ECONNREFUSED } from '../kernel/errno.js';
import { connect } from '../net/connect.js';
import { checkString, checkedPort, type Options } from './arguments.js';
import {
  argumentValueError,
  attemptTimedOut,
  coded,
  connectError,
  connectionError,
  invalidIp,
} from './errors.js';
import { LINK_QUEUE_BYTES_MAX } from './outlet.js';
import type { Link, Socket } from './socket.js';

interface Candidate {
  address: string;
  family: 4 | 6;
}

type Lookup = (
  host: string,
  options: object,
  callback: (error: Error | null | undefined, address: unknown, family?: unknown) => void,
) => void;

/** Connects `socket` as `options` say, which are checked already. What goes wrong is told by 'error'. */
export function dial(socket: Socket, options: Options): void {
  const port = checkedPort('Port', options['port']);
  const host = stringOr(options['host'], 'localhost');
  const dialing = new Dialing(socket, port, options);
  socket._dialing = dialing;
  const family = nodeNet.isIP(host);
  if (family !== 0) {
    process.nextTick(() => dialing.begin([{ address: host, family: family as 4 | 6 }]));
    return;
  }
  checkString('hostname', host);
  dialing.lookUp(host);
}

export class Dialing {
  private candidates: Candidate[] = [];
  private tried = 0;
  private readonly errors: Error[] = [];
  private current: Link | null = null;
  private timer: NodeJS.Timeout | undefined;
  private cancelled = false as boolean;

  constructor(
    private readonly socket: Socket,
    private readonly port: number,
    private readonly options: Options,
  ) {}

  lookUp(host: string): void {
    const { options, socket } = this;
    const family = familyOf(options['family']);
    const auto = options['autoSelectFamily'] ?? nodeNet.getDefaultAutoSelectFamily();
    const all = auto === true && family === 0 && !options['localAddress'];
    if (all) socket.autoSelectFamilyAttemptedAddresses = [];
    const lookup = (options['lookup'] ?? resolve) as Lookup;
    const wanted = { family: options['family'] ?? 0, hints: options['hints'] ?? 0, ...(all ? { all } : {}) };
    lookup(host, wanted, (error, address, family) => {
      if (this.cancelled) return;
      if (error) {
        socket.emit('lookup', error, undefined, undefined, host);
        process.nextTick(() => this.giveUp(error));
        return;
      }
      const found = all ? (Array.isArray(address) ? address : [{}]) : [{ address, family }];
      for (const one of found as Candidate[]) socket.emit('lookup', null, one.address, one.family, host);
      // A listener may have destroyed the socket.
      if (socket.connecting) this.check(found as Candidate[], host);
    });
  }

  private check(found: readonly Candidate[], host: string): void {
    const good = found.filter(({ address, family }) => nodeNet.isIP(address) !== 0 && isFamily(family));
    if (good.length > 0) this.begin(interleaved(good));
    else {
      const [first] = found;
      const error =
        nodeNet.isIP(first.address) === 0
          ? invalidIp(first.address)
          : coded(
              new RangeError(`Invalid address family: ${String(first.family)} ${host}:${String(this.port)}`),
              'ERR_INVALID_ADDRESS_FAMILY',
            );
      process.nextTick(() => this.giveUp(error));
    }
  }

  begin(candidates: readonly Candidate[]): void {
    if (this.cancelled) return;
    this.candidates = [...candidates];
    this.tryNext();
  }

  private tryNext(): void {
    const { socket, port } = this;
    const candidate = this.candidates[this.tried++];
    const { address, family } = candidate;
    socket.autoSelectFamilyAttemptedAddresses?.push(`${address}:${String(port)}`);
    socket.emit('connectionAttempt', address, port, family);
    if (this.cancelled) return;
    try {
      const link = this.open(candidate);
      this.current = link;
      socket._adopt(link);
      if (this.tried < this.candidates.length) this.limit(candidate);
    } catch (error) {
      this.attemptFailed(candidate, error as Error);
    }
  }

  private open({ address, family }: Candidate): Link {
    const { localAddress, localPort } = this.options as { localAddress?: string; localPort?: number };
    // No port can be 0: the kernel would refuse it in these words.
    if (this.port === 0) throw new SystemError('connect', ECONNREFUSED, { address, port: 0 });
    const bound = Boolean(localAddress) || Boolean(localPort);
    const links = this.socket._network;
    return connect<Socket>(
      links.loop.reactor,
      {
        host: address,
        port: this.port,
        writeQueueBytesMax: LINK_QUEUE_BYTES_MAX,
        ...(bound
          ? {
              from: {
                family,
                host: stringOr(localAddress, family === 4 ? '0.0.0.0' : '::'),
                port: localPort ?? 0,
              },
            }
          : {}),
      },
      links,
    );
  }

  /** The next address gets its turn when this one does not answer in time. */
  private limit(candidate: Candidate): void {
    const limitMs = (this.options['autoSelectFamilyAttemptTimeout'] ??
      nodeNet.getDefaultAutoSelectFamilyAttemptTimeout()) as number;
    this.timer = setTimeout(() => {
      const { socket } = this;
      this.abandon();
      socket.emit('connectionAttemptTimeout', candidate.address, this.port, candidate.family);
      this.errors.push(attemptTimedOut());
      if (!this.cancelled) this.tryNext();
    }, limitMs);
  }

  private abandon(): void {
    const link = this.current as Link;
    this.current = null;
    this.socket._abandon(link);
    link.close();
  }

  /** The connection stands. */
  succeeded(link: Link): void {
    if (link !== this.current) return;
    clearTimeout(this.timer);
    this.socket._connected();
  }

  /** The connection of the attempt under way has failed: returns whether that was seen to here. */
  failed(link: Link, error: Error | null): boolean {
    if (link !== this.current || this.cancelled) return false;
    clearTimeout(this.timer);
    this.current = null;
    this.socket._abandon(link);
    this.attemptFailed(this.candidates[this.tried - 1], error ?? new Error('closed while connecting'));
    return true;
  }

  private attemptFailed(candidate: Candidate, error: Error): void {
    const { socket } = this;
    const told = this.translate(candidate, error);
    this.errors.push(told);
    socket.emit('connectionAttemptFailed', candidate.address, this.port, candidate.family, told);
    if (this.cancelled) return;
    if (this.tried < this.candidates.length) this.tryNext();
    else this.giveUp(this.errors.length === 1 ? this.errors[0] : allFailed(this.errors));
  }

  private translate({ address }: Candidate, error: Error): Error {
    if (!(error instanceof SystemError)) return connectionError(error);
    const { localAddress, localPort } = this.options as { localAddress?: string; localPort?: number };
    if (error.syscall === 'bind') {
      return connectError('bind', error.errno, { address: localAddress ?? '', port: localPort ?? 0 });
    }
    const local = localAddress && localPort ? { address: localAddress, port: localPort } : undefined;
    return connectError('connect', error.errno, { address, port: this.port }, local);
  }

  private giveUp(error: Error): void {
    if (!this.cancelled) this.socket.destroy(error);
  }

  /** The socket was destroyed. */
  cancel(): void {
    this.cancelled = true;
    clearTimeout(this.timer);
  }
}

/** Families take turns, beginning with that of the first address (RFC 8305, section 4). */
function interleaved(found: readonly Candidate[]): Candidate[] {
  const first = found.filter(({ family }) => family === found[0].family);
  const second = found.filter(({ family }) => family !== found[0].family);
  const mixed: Candidate[] = [];
  for (let i = 0; i < Math.max(first.length, second.length); i++) {
    mixed.push(...first.slice(i, i + 1), ...second.slice(i, i + 1));
  }
  return mixed;
}

/** Empty strings count as absent, as they do for node:net. */
function stringOr(value: unknown, otherwise: string): string {
  return value === undefined || value === null || value === '' ? otherwise : (value as string);
}

function isFamily(value: unknown): value is 4 | 6 {
  return value === 4 || value === 6;
}

function allFailed(errors: readonly Error[]): Error {
  const { code } = errors[0] as NodeJS.ErrnoException;
  return Object.assign(new AggregateError(errors), { code });
}

function familyOf(value: unknown): 0 | 4 | 6 {
  if (value === 4 || value === 'IPv4') return 4;
  if (value === 6 || value === 'IPv6') return 6;
  if (value === undefined || value === 0) return 0;
  throw argumentValueError('options.family', value, 'must be one of: 0, 4, 6');
}
