// The real kernel: each call goes straight to the addon. One object per thread, since the read buffer is the thread's.

import { constants, lstatSync, unlinkSync } from 'node:fs';
import { binding } from '../binding.js';
import { EVENT_STRIDE } from '../poller/poller.js';
import type { KernelPoller, PollerCapabilities, PollerKind } from '../poller/poller.js';
import { DatagramMemory } from './datagram-memory.js';
import { EINVAL, ENOENT, ENOTSOCK } from './errno.js';
import type {
  DescriptorFacts,
  Kernel,
  Membership,
  SocketAddress,
  SocketOption,
  SocketType,
} from './kernel.js';

// The order is that of kOptions in native/socket.cc.
const socketOptions: readonly SocketOption[] = [
  'error',
  'reuseAddress',
  'reusePort',
  'ipv6Only',
  'noDelay',
  'keepAlive',
  'keepAliveIdleS',
  'receiveBufferBytes',
  'sendBufferBytes',
  'lingerS',
  'broadcast',
  'ttl',
  'hopLimit',
  'multicastTtl',
  'multicastHopLimit',
  'multicastLoopback',
  'multicastLoopback6',
  'keepAliveIntervalS',
  'keepAliveCount',
  'userTimeoutMs',
  'deferAcceptS',
];
const optionNumber = Object.fromEntries(socketOptions.map((name, i) => [name, i])) as Record<
  SocketOption,
  number
>;

// As the enum of native/datagram.cc has them.
const membershipNumber: Record<Membership, number> = { leave: 0, join: 1, outgoing: 2 };

// The order is that of Kind in native/stream.cc.
const kinds: readonly DescriptorFacts['kind'][] = [
  'stream',
  'listener',
  'datagram',
  'pipe',
  'character',
  'file',
  'directory',
  'other',
];

export class NativePoller implements KernelPoller {
  readonly capabilities: PollerCapabilities;
  readonly fd: number;
  #handle: number;
  #own: Int32Array | null = null;

  constructor(
    readonly kind: PollerKind,
    handle: number,
  ) {
    this.#handle = handle;
    const { fd, fdMax, ...rest } = binding.pollerDescribe(handle);
    this.fd = fd;
    this.capabilities = { ...rest, fdMax: fdMax < 0 ? Infinity : fdMax };
    leaked.register(this, handle, this);
  }

  add(fd: number, interest: number, slot: number, generation: number): number {
    return binding.pollerAdd(this.#handle, fd, interest, slot, generation);
  }
  modify(fd: number, interest: number, slot: number, generation: number): number {
    return binding.pollerModify(this.#handle, fd, interest, slot, generation);
  }
  remove(fd: number): number {
    return binding.pollerRemove(this.#handle, fd);
  }
  allocateEvents(eventsMax: number): Int32Array {
    const block = binding.pollerEvents(this.#handle, eventsMax);
    if (typeof block === 'number') return new Int32Array(eventsMax * EVENT_STRIDE);
    this.#own = new Int32Array(block);
    return this.#own;
  }
  rawFlags(eventsMax: number): Int32Array | null {
    const block = binding.pollerRaw(this.#handle, eventsMax);
    return block instanceof ArrayBuffer ? new Int32Array(block) : null;
  }
  wait(events: Int32Array, timeoutMs: number): number {
    const nativeMs = timeoutMs === Infinity ? -1 : timeoutMs;
    // The array allocated above needs no look-up of where it stands.
    if (events === this.#own) return binding.pollerWaitOwn(this.#handle, nativeMs);
    return binding.pollerWait(this.#handle, events, nativeMs);
  }
  wake(): void {
    binding.pollerWake(this.#handle);
  }
  close(): void {
    if (this.#handle < 0) return;
    leaked.unregister(this);
    binding.pollerClose(this.#handle);
    this.#handle = -1;
  }
}

// A poller that nobody closed gives its descriptors back when it is collected.
const leaked = new FinalizationRegistry<number>((handle) => {
  binding.pollerClose(handle);
});

class NativeKernel implements Kernel {
  readonly name = 'native';
  readonly buffer = new Uint8Array(binding.buffer);
  readonly pollerKinds = binding.pollerKinds as readonly PollerKind[];

  // The addon's own functions, so that a hot call crosses one boundary and no wrapper.
  readonly now = binding.now;
  readonly listen = binding.listen;
  readonly accept = binding.accept;
  readonly recv = binding.recv;
  readonly send = binding.send;
  readonly sendBytes = binding.sendBytes;
  readonly receiveDatagrams = binding.receiveDatagrams;
  readonly sendDatagrams = binding.sendDatagrams;
  readonly sendPieces = binding.sendPieces;
  readonly write = binding.write;
  readonly writePieces = binding.writePieces;
  readonly shutdown = binding.shutdown;
  readonly close = binding.close;
  readonly localAddress = binding.localAddress;
  readonly peerAddress = binding.peerAddress;
  readonly socketPair = binding.socketPair;
  readonly pipe = binding.pipe;
  readonly adopt = binding.adopt;
  readonly openReserve = binding.openReserve;

  openPoller(kind: PollerKind): KernelPoller | number {
    const handle = binding.pollerOpen(kind);
    return handle < 0 ? handle : new NativePoller(kind, handle);
  }
  socket(family: SocketAddress['family'], type: SocketType = 'stream'): number {
    return binding.socket(familyNumber(family), type === 'datagram' ? 1 : 0);
  }
  bind(fd: number, address: SocketAddress): number {
    return binding.bind(fd, familyNumber(address.family), nameOf(address), portOf(address));
  }
  connect(fd: number, address: SocketAddress): number {
    return binding.connect(fd, familyNumber(address.family), nameOf(address), portOf(address));
  }
  /** Most programs have no datagram sockets, and then there is no block for them. */
  get datagrams(): DatagramMemory {
    return (this.#datagrams ??= new DatagramMemory(binding.datagramBlock()));
  }
  #datagrams: DatagramMemory | undefined;
  setMembership(
    fd: number,
    membership: Membership,
    family: 4 | 6,
    group: string,
    networkInterface: string,
  ): number {
    return binding.setMembership(fd, membershipNumber[membership], family, group, networkInterface);
  }
  read(fd: number, start: number, length: number): number {
    return binding.read(fd, this.buffer, start, length);
  }
  inspect(fd: number): DescriptorFacts | number {
    const facts = binding.inspect(fd);
    if (facts < 0) return facts;
    return { kind: kinds[facts & 7], readable: (facts & 8) !== 0, writable: (facts & 16) !== 0 };
  }
  socketFile(path: string): string | number {
    try {
      const { dev, ino, mode } = lstatSync(path, { bigint: true });
      const isSocket = (Number(mode) & constants.S_IFMT) === constants.S_IFSOCK;
      return isSocket ? `${String(dev)}:${String(ino)}` : ENOTSOCK;
    } catch (error) {
      return (error as NodeJS.ErrnoException).errno ?? EINVAL;
    }
  }
  unlink(path: string, file: string): number {
    const now = this.socketFile(path);
    if (now !== file) return typeof now === 'number' ? now : ENOENT;
    try {
      unlinkSync(path);
      return 0;
    } catch (error) {
      return (error as NodeJS.ErrnoException).errno ?? EINVAL;
    }
  }
  setOption(fd: number, option: SocketOption, value: number): number {
    return binding.setOption(fd, optionNumber[option], value);
  }
  getOption(fd: number, option: SocketOption): number {
    return binding.getOption(fd, optionNumber[option]);
  }
}

// As native/address.cc takes them: 4 and 6 are the internet's families, 1 (AF_UNIX) has a path where they have a host.
function familyNumber(family: SocketAddress['family']): number {
  return family === 'unix' ? 1 : family;
}
function nameOf(address: SocketAddress): string {
  return address.family === 'unix' ? address.path : address.host;
}
function portOf(address: SocketAddress): number {
  return address.family === 'unix' ? 0 : address.port;
}

/** The kernel of this machine, for this thread. */
export const nativeKernel: Kernel = new NativeKernel();
