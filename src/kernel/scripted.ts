// The scripted kernel: a whole kernel in memory, whose every result a test can also dictate. No system call, no wall clock.

import { isIP } from 'node:net';
import { constants } from 'node:os';
import type { KernelPoller } from '../poller/poller.js';
import { VirtualClock } from './clock.js';
import { DatagramMemory } from './datagram-memory.js';
import type {
  DescriptorFacts,
  Kernel,
  Membership,
  SocketAddress,
  SocketOption,
  SocketType,
} from './kernel.js';
import { CallBook } from './scripted-calls.js';
import type { KernelCall, ScriptableCall, ScriptedResult } from './scripted-calls.js';
import { DatagramNetwork, ScriptedDatagram, receiveMany, sendMany } from './scripted-datagram.js';
import { Pipe, PipeEnd } from './scripted-pipe.js';
import { Network } from './scripted-net.js';
import { getStreamOption, setStreamOption } from './scripted-options.js';
import { DescriptorTable, NullFile, ScriptedPoller, type OpenFile } from './scripted-poller.js';
import { DEFAULTS } from './scripted-settings.js';
import type { ScriptedKernelOptions, ScriptedSettings } from './scripted-settings.js';
import { Socket } from './scripted-socket.js';
import { Transfers, gathered, within } from './scripted-transfers.js';

const E = constants.errno;

/**
 * A deterministic {@link Kernel} in memory, with the semantics of Linux: descriptor table, stream sockets, TCP over
 * in-memory addresses, and epoll. Waiting moves its {@link VirtualClock}. Any call's results can be scripted, and recorded.
 */
export class ScriptedKernel implements Kernel {
  /** Tells it from the native kernel. */
  readonly name = 'scripted';
  readonly pollerKinds = ['scripted'] as const;
  readonly buffer: Uint8Array;
  /** Moves when a wait would last. */
  readonly clock: VirtualClock;
  /** What the simulated system is like; can be changed at any time. */
  readonly settings: ScriptedSettings;
  readonly #table: DescriptorTable;
  readonly #network: Network;
  readonly #letters: DatagramNetwork;
  readonly #transfers: Transfers;
  readonly #book: CallBook;

  constructor({ clock = new VirtualClock(), bufferBytes = 65536, ...settings }: ScriptedKernelOptions = {}) {
    this.clock = clock;
    this.buffer = new Uint8Array(bufferBytes);
    this.settings = { ...DEFAULTS, ...settings };
    this.#table = new DescriptorTable(this.settings);
    this.#network = new Network(clock, this.settings);
    this.#letters = new DatagramNetwork(this.settings);
    this.#transfers = new Transfers(this.buffer);
    this.#book = new CallBook(this);
  }

  // Scripting, recording and looking inside.

  /**
   * Dictates the results of the next calls of `call` on `fd` (null: on any fd; results for one fd go first). For `wait` and
   * `wake` the fd is the poller's own. A number is returned as it is, and nothing else happens; a function gets the call's
   * arguments and returns a number, or undefined to let the simulation answer.
   */
  script(call: ScriptableCall, fd: number | null, ...results: ScriptedResult[]): void {
    this.#book.script(call, fd, results);
  }

  /** How many scripted results no call has used yet. */
  get scriptsLeft(): number {
    return this.#book.left;
  }

  /** Hears of every call, after it. Returns a function that ends this. Nothing is paid for it before the first one listens. */
  onCall(listener: (call: KernelCall) => void): () => void {
    return this.#book.listen(listener);
  }

  /** Switches the recording of {@link calls} on or off. */
  record(on = true): void {
    this.#book.record(on);
  }

  /** The calls made while recording was on, oldest first. A live list: set its length to 0 to begin afresh. */
  get calls(): KernelCall[] {
    return this.#book.calls;
  }

  /** Makes every poller that holds `fd` report `readiness` once, as far as it was asked for, though it is not so. */
  setReady(fd: number, readiness: number): void {
    for (const watcher of this.#table.get(fd)?.watchers ?? []) {
      watcher.forced |= readiness;
      watcher.poller.notice(watcher, readiness);
    }
  }

  /** From here on no recv gives more than `bytes` at once; Infinity: as many as there are. */
  shortReads(bytes: number): void {
    this.#transfers.readMax = bytes;
  }

  /** From here on no send takes more than `bytes` at once; Infinity: as many as there is room for. */
  shortWrites(bytes: number): void {
    this.#transfers.writeMax = bytes;
  }

  /** The open descriptors, lowest first, pollers' own included: what a test compares to find a leak. */
  openFds(): number[] {
    return this.#table.list();
  }

  /** dup(2): another descriptor of the same open file. */
  duplicate(fd: number): number {
    const file = this.#table.get(fd);
    return file === undefined ? -E.EBADF : this.#table.open(file);
  }

  /** The descriptor at the other end of `fd`; undefined when it has none (not accepted yet, closed). */
  peerOf(fd: number): number | undefined {
    const file = this.#table.get(fd);
    const peer = file instanceof Socket ? file.peer : null;
    const found = peer === null ? -1 : this.#table.find(peer);
    return found < 0 ? undefined : found;
  }

  /** Sends `bytes` to `fd` as if its peer had: the same bounds and results, but never scripted, recorded or cut short. */
  feed(fd: number, bytes: Uint8Array): number {
    return this.#with(fd, (socket) => socket.peer?.transmit(bytes) ?? -E.ENOTCONN);
  }

  /** Interest and trigger with which `poller` holds `fd` (a spent oneshot has its trigger alone); undefined if it does not. */
  interestOf(poller: KernelPoller, fd: number): number | undefined {
    return poller instanceof ScriptedPoller ? poller.interestOf(fd) : undefined;
  }

  // The kernel itself.

  now(): number {
    return this.clock.now();
  }

  openPoller(kind: string): KernelPoller | number {
    if (kind !== 'scripted') return -E.EINVAL;
    if (this.#table.full) return -E.EMFILE;
    const poller = new ScriptedPoller(this.#table, this.clock);
    this.#book.adopt(poller);
    return poller;
  }

  socket(family: SocketAddress['family'], type: SocketType = 'stream'): number {
    if (type === 'datagram') return this.#table.open(this.#letters.create(family));
    return this.#table.open(this.#network.createSocket(family));
  }

  socketPair(pair: Int32Array): number {
    if (pair.length < 2) return -E.EINVAL;
    return this.#openBoth(pair, ...this.#network.createPair());
  }

  pipe(ends: Int32Array): number {
    if (ends.length < 2) return -E.EINVAL;
    const pipe = new Pipe();
    return this.#openBoth(ends, pipe.reader, pipe.writer);
  }

  #openBoth(fds: Int32Array, a: OpenFile, b: OpenFile): number {
    const first = this.#table.open(a);
    if (first < 0) return first;
    const second = this.#table.open(b);
    if (second < 0) {
      this.#table.close(first);
      return second;
    }
    fds.set([first, second]);
    return 0;
  }

  inspect(fd: number): DescriptorFacts | number {
    const file = this.#table.get(fd);
    if (file === undefined) return -E.EBADF;
    if (file instanceof PipeEnd) return { kind: 'pipe', readable: !file.writes, writable: file.writes };
    const both = { readable: true, writable: true };
    if (file instanceof Socket) return { kind: file.state === 'listening' ? 'listener' : 'stream', ...both };
    return { kind: file instanceof NullFile ? 'character' : 'other', ...both };
  }

  adopt(fd: number): number {
    return this.#table.get(fd) === undefined ? -E.EBADF : 0;
  }

  socketFile(path: string): string | number {
    const file = this.#network.socketFile(path);
    return typeof file === 'string' ? file : this.#letters.socketFile(path);
  }

  unlink(path: string, file: string): number {
    const ofStream = typeof this.#network.socketFile(path) === 'string';
    return (ofStream ? this.#network : this.#letters).unlink(path, file);
  }

  openReserve(): number {
    return this.#table.open(new NullFile());
  }

  /** Made when it is first asked for: it is large, and most tests have no datagrams. */
  get datagrams(): DatagramMemory {
    return (this.#datagrams ??= new DatagramMemory());
  }
  #datagrams: DatagramMemory | undefined;

  receiveDatagrams(fd: number, count: number, bytesMax: number): number {
    return this.#withDatagram(fd, (socket) => receiveMany(socket, this.datagrams, count, bytesMax));
  }

  sendDatagrams(fd: number, bytes: Uint8Array, table: Int32Array, first: number, count: number): number {
    return this.#withDatagram(fd, (socket) => sendMany(socket, bytes, table, first, count));
  }

  setMembership(
    fd: number,
    membership: Membership,
    _family: 4 | 6,
    group: string,
    _interface: string,
  ): number {
    return this.#withDatagram(fd, (socket) => socket.setMembership(membership, group));
  }

  bind(fd: number, address: SocketAddress): number {
    const socket = this.#table.get(fd);
    if (socket instanceof ScriptedDatagram) return isNumeric(address) ? socket.bind(address) : -E.EINVAL;
    return this.#with(fd, (socket) => (isNumeric(address) ? this.#network.bind(socket, address) : -E.EINVAL));
  }

  listen(fd: number, backlog: number): number {
    return this.#with(fd, (socket) => this.#network.listen(socket, backlog));
  }

  connect(fd: number, address: SocketAddress): number {
    const socket = this.#table.get(fd);
    if (socket instanceof ScriptedDatagram) return isNumeric(address) ? socket.connect(address) : -E.EINVAL;
    return this.#with(fd, (socket) =>
      isNumeric(address) ? this.#network.connect(socket, address) : -E.EINVAL,
    );
  }

  accept(fd: number): number {
    // Linux takes the number before it looks at the queue: EMFILE leaves the connection there, and the listener readable.
    if (this.#table.get(fd) !== undefined && this.#table.full) return -E.EMFILE;
    return this.#with(fd, (listener) => {
      if (listener.state !== 'listening') return -E.EINVAL;
      const socket = listener.acceptQueue.shift();
      return socket === undefined ? -E.EAGAIN : this.#table.open(socket);
    });
  }

  recv(fd: number, start: number, length: number): number {
    if (!within(this.buffer, start, length)) return -E.EFAULT;
    return this.#with(fd, (socket) => this.#transfers.receive(socket, start, length));
  }

  send(fd: number, start: number, length: number): number {
    return this.#send(fd, this.buffer, start, length);
  }

  sendBytes(fd: number, bytes: Uint8Array, start: number, length: number): number {
    return this.#send(fd, bytes, start, length);
  }

  sendPieces(fd: number, pieces: readonly Uint8Array[], count: number, start: number, end: number): number {
    const all = gathered(pieces, count, start, end);
    return all === null ? -E.EINVAL : this.#send(fd, all, 0, all.length);
  }

  read(fd: number, start: number, length: number): number {
    const file = this.#table.get(fd);
    if (!(file instanceof PipeEnd)) return this.recv(fd, start, length);
    if (!within(this.buffer, start, length)) return -E.EFAULT;
    return this.#transfers.read(file, start, length);
  }

  write(fd: number, bytes: Uint8Array, start: number, length: number): number {
    const file = this.#table.get(fd);
    if (!(file instanceof PipeEnd)) return this.#send(fd, bytes, start, length);
    if (!within(bytes, start, length)) return -E.EFAULT;
    return this.#transfers.write(file, bytes, start, length);
  }

  writePieces(fd: number, pieces: readonly Uint8Array[], count: number, start: number, end: number): number {
    const all = gathered(pieces, count, start, end);
    return all === null ? -E.EINVAL : this.write(fd, all, 0, all.length);
  }

  #send(fd: number, bytes: Uint8Array, start: number, length: number): number {
    if (!within(bytes, start, length)) return -E.EFAULT;
    return this.#with(fd, (socket) => this.#transfers.transmit(socket, bytes, start, length));
  }

  shutdown(fd: number, how: number): number {
    return this.#with(fd, (socket) => socket.shutdown(how));
  }

  close(fd: number): number {
    return this.#table.close(fd);
  }

  setOption(fd: number, option: SocketOption, value: number): number {
    const datagram = this.#table.get(fd);
    if (datagram instanceof ScriptedDatagram) {
      datagram.options[option] = value;
      return 0;
    }
    return this.#with(fd, (socket) => setStreamOption(socket, option, value));
  }

  getOption(fd: number, option: SocketOption): number {
    const datagram = this.#table.get(fd);
    if (datagram instanceof ScriptedDatagram) {
      return option === 'error' ? datagram.takeError() : (datagram.options[option] ?? 0);
    }
    return this.#with(fd, (socket) => getStreamOption(socket, option));
  }

  localAddress(fd: number): SocketAddress | number {
    const datagram = this.#table.get(fd);
    if (datagram instanceof ScriptedDatagram) return datagram.local ?? unnamed(datagram.family);
    return this.#with(fd, ({ family, local }) => {
      return local ?? unnamed(family);
    });
  }

  peerAddress(fd: number): SocketAddress | number {
    const datagram = this.#table.get(fd);
    if (datagram instanceof ScriptedDatagram) return datagram.remote ?? -E.ENOTCONN;
    return this.#with(fd, ({ family, state, peer, remote }) => {
      if (family === 'unix') return peer === null ? -E.ENOTCONN : (remote ?? { family, path: '' });
      return state === 'connected' && remote !== null ? remote : -E.ENOTCONN;
    });
  }

  #withDatagram(fd: number, use: (socket: ScriptedDatagram) => number): number {
    const file = this.#table.get(fd);
    if (file === undefined) return -E.EBADF;
    return file instanceof ScriptedDatagram ? use(file) : -E.ENOTSOCK;
  }

  #with<T>(fd: number, use: (socket: Socket) => T): T | number {
    const file = this.#table.get(fd);
    if (file === undefined) return -E.EBADF;
    return file instanceof Socket ? use(file) : -E.ENOTSOCK;
  }
}

/** The address of a socket that has none. */
function unnamed(family: SocketAddress['family']): SocketAddress {
  return family === 'unix'
    ? { family, path: '' }
    : { family, host: family === 4 ? '0.0.0.0' : '::', port: 0 };
}

/** The kernel knows no names. */
function isNumeric(address: SocketAddress): boolean {
  return address.family === 'unix' || isIP(address.host) === address.family;
}
