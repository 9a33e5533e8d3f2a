// What each descriptor of a process is, with what the kernel says of it: sockets, pipes, counters, timers, watches.

import { checkFd, checkInteger } from '../errors.js';
import type { Figure, Reading } from './figure.js';
import { isKnown, known, unavailable } from './figure.js';
import type { Files } from './files.js';
import { systemFiles } from './files.js';
import { inspectorOf } from './interest.js';
import type { EvidenceOptions } from './interest.js';
import type { SocketFacts } from './socket-facts.js';
import { readSocketTable } from './sockets.js';
import type { SocketTable } from './sockets.js';

export type DescriptorFacts = { readonly fd: number } & (
  | {
      readonly kind: 'socket';
      readonly inode: number;
      /** Unavailable for one in no table: it is connected to nothing (any more), or of a family that is not read here. */
      readonly socket: Reading<SocketFacts>;
      /** `TCP`, `UNIX-STREAM`, ...: also of a socket in no table. */
      readonly protocol: Reading<string>;
      /** All tables were read, and it is in none. */
      readonly unlisted: boolean;
    }
  | {
      readonly kind: 'pipe';
      readonly inode: number;
      readonly end: Reading<PipeEnd>;
      /** Only of this process's own: no file tells how full a pipe is, and nobody else's descriptor is duplicated. */
      readonly queuedBytes: Figure;
    }
  | { readonly kind: 'eventfd'; readonly count: Reading<bigint> }
  | { readonly kind: 'timerfd'; readonly timer: Reading<TimerState> }
  | { readonly kind: 'signalfd'; readonly signals: Reading<readonly number[]> }
  | { readonly kind: 'inotify'; readonly watches: Figure }
  | {
      readonly kind: 'pidfd';
      /** -1: it has ended, and its parent has heard of it. */
      readonly ofPid: Figure;
    }
  /** With the number of entries in its interest list. */
  | { readonly kind: 'epoll'; readonly entries: Figure }
  /** A file, a device or an anonymous file of another kind: what the link says. */
  | { readonly kind: 'file'; readonly target: string }
  | { readonly kind: 'unknown'; readonly reason: string }
);

export type PipeEnd = 'read' | 'write' | 'both';

export interface TimerState {
  /** Until it next expires; 0: it is not set. */
  readonly nextMs: number;
  /** 0: once. */
  readonly intervalMs: number;
  /** Not read yet. */
  readonly expirations: number;
}

export interface DescriptorOptions extends EvidenceOptions {
  /** Only these; by default all that are open. */
  readonly fds?: readonly number[];
  /** The socket tables, if they have been read already. */
  readonly sockets?: SocketTable;
}

/**
 * The open descriptors of a process, in the order of their numbers. Reads /proc/PID/fd, an fdinfo for each kind that
 * has something to say, and the socket tables once if there is a socket. Opens, duplicates and consumes nothing.
 */
export function readDescriptors(
  pid: number,
  options: DescriptorOptions = {},
): Reading<ReadonlyMap<number, DescriptorFacts>> {
  checkInteger('pid', pid, 1, 0x7fffffff);
  const { files = systemFiles } = options;
  let { fds } = options;
  if (fds === undefined) {
    const names = files.list(`/proc/${pid}/fd`);
    if (!isKnown(names)) return names;
    fds = names.value.map(Number).sort((a, b) => a - b);
  } else for (const fd of fds) checkFd('options.fds', fd);
  let table: SocketTable | null = options.sockets ?? null;
  const sockets = (): SocketTable => (table ??= readSocketTable(pid, options));
  const found = fds.map((fd) => readOne(pid, fd, sockets, options));
  // In a list of all, one that was closed since is none; one that was asked for by number is told of.
  const kept = options.fds === undefined ? found.filter(({ kind }) => kind !== 'unknown') : found;
  return known(new Map(kept.map((facts) => [facts.fd, facts])), '/proc/PID/fd');
}

function readOne(
  pid: number,
  fd: number,
  sockets: () => SocketTable,
  options: EvidenceOptions,
): DescriptorFacts {
  const { files = systemFiles } = options;
  const link = files.link(`/proc/${pid}/fd/${fd}`);
  if (!isKnown(link)) return { fd, kind: 'unknown', reason: link.unavailable };
  const target = link.value;
  const numbered = /^(socket|pipe):\[(\d+)\]$/.exec(target);
  if (numbered?.[1] === 'socket') {
    const inode = Number(numbered[2]);
    const protocol = inspectorOf(options).socketProtocol(pid, fd);
    return { fd, kind: 'socket', inode, protocol, ...findSocket(sockets(), inode) };
  }
  const info = new FdInfo(`/proc/${pid}/fdinfo/${fd}`, files);
  if (numbered !== null) {
    const queuedBytes =
      pid === process.pid
        ? inspectorOf(options).queuedBytes(fd)
        : unavailable("only a pipe's own process can ask how full it is, without opening it anew");
    return { fd, kind: 'pipe', inode: Number(numbered[2]), end: info.pipeEnd(), queuedBytes };
  }
  // Older kernels write inotify without the brackets, and a name may be followed by more.
  switch (/^anon_inode:\[?(\w+)\]?/.exec(target)?.[1]) {
    case 'eventfd':
      return {
        fd,
        kind: 'eventfd',
        count: info.line(/^eventfd-count:\s*([0-9a-f]+)$/m, (hex) => BigInt(`0x${hex}`)),
      };
    case 'timerfd':
      return { fd, kind: 'timerfd', timer: info.timer() };
    case 'signalfd':
      return { fd, kind: 'signalfd', signals: info.line(/^sigmask:\s*([0-9a-f]+)$/m, signalsOf) };
    case 'inotify':
      return { fd, kind: 'inotify', watches: info.count(/^inotify wd:/gm) };
    case 'pidfd':
      return { fd, kind: 'pidfd', ofPid: info.line(/^Pid:\s*(-?\d+)$/m, Number) };
    case 'eventpoll':
      return { fd, kind: 'epoll', entries: info.count(/^tfd:/gm) };
    default:
      return { fd, kind: 'file', target };
  }
}

/** A socket by its inode; `unlisted`: all tables were read, and it is in none. */
export function findSocket(
  { sockets, sources }: SocketTable,
  inode: number,
): { socket: Reading<SocketFacts>; unlisted: boolean } {
  const socket = sockets.get(inode);
  if (socket !== undefined) return { socket, unlisted: false };
  const unread = Object.entries(sources).flatMap(([name, source]) =>
    isKnown(source) ? [] : [`${name}: ${source.unavailable}`],
  );
  const reason = 'in no table of tcp, udp and unix sockets: not connected, or of another family';
  return unread.length === 0
    ? { socket: unavailable(reason), unlisted: true }
    : { socket: unavailable(`not all tables can be read (${unread.join('; ')})`), unlisted: false };
}

/** Only TCP sockets leave their table, when they are connected no more, or not yet. */
export function isClosedTcp({ unlisted, protocol }: DescriptorFacts & { kind: 'socket' }): boolean {
  return unlisted && isKnown(protocol) && /^TCP(v6)?$/.test(protocol.value);
}

/** One fdinfo, read when it is first asked. */
class FdInfo {
  #text: Reading<string> | null = null;
  constructor(
    private readonly path: string,
    private readonly files: Files,
  ) {}

  private get text(): Reading<string> {
    return (this.#text ??= this.files.text(this.path));
  }

  line<T>(pattern: RegExp, convert: (text: string) => T): Reading<T> {
    const { text } = this;
    if (!isKnown(text)) return text;
    const match = pattern.exec(text.value);
    return match === null
      ? unavailable(`${this.path} has no such line on this kernel`)
      : known(convert(match[1]), '/proc/PID/fdinfo/FD');
  }

  count(pattern: RegExp): Figure {
    const { text } = this;
    return isKnown(text) ? known([...text.value.matchAll(pattern)].length, '/proc/PID/fdinfo/FD') : text;
  }

  /** By the access mode in the flags, which are octal. */
  pipeEnd(): Reading<PipeEnd> {
    return this.line(/^flags:\s*([0-7]+)$/m, (octal) => {
      const mode = parseInt(octal, 8) & 3;
      return mode === 0 ? 'read' : mode === 1 ? 'write' : 'both';
    });
  }

  timer(): Reading<TimerState> {
    const { text } = this;
    if (!isKnown(text)) return text;
    const match =
      /^ticks:\s*(\d+)\n(?:.*\n)*?it_value: \((\d+), (\d+)\)\nit_interval: \((\d+), (\d+)\)$/m.exec(
        text.value,
      );
    if (match === null) return unavailable(`${this.path} has no such lines on this kernel`);
    const [ticks, seconds, ns, intervalSeconds, intervalNs] = match.slice(1).map(Number);
    return known(
      {
        nextMs: seconds * 1000 + ns / 1e6,
        intervalMs: intervalSeconds * 1000 + intervalNs / 1e6,
        expirations: ticks,
      },
      '/proc/PID/fdinfo/FD',
    );
  }
}

/** Signal 1 is bit 0. */
function signalsOf(mask: string): number[] {
  const bits = BigInt(`0x${mask}`);
  return Array.from({ length: 64 }, (_, i) => i + 1).filter((signal) => (bits >> BigInt(signal - 1)) & 1n);
}
