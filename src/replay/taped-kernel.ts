// A kernel in front of another that puts each call on a tape; in a replay there is no other, and the tape gives the results.

import { ADDRESS_BYTES, ROW_NUMBERS, senderAt, type DatagramMemory } from '../kernel/datagram-memory.js';
import type { Kernel } from '../kernel/kernel.js';
import { RARE_CALLS } from '../kernel/rare-calls.js';
import type { KernelPoller, PollerKind } from '../poller/poller.js';
import { OP } from './format.js';
import { tapedCall, type AnyTape } from './taped-call.js';
import { DATAGRAM_ROOM, datagramBytes } from './taped-datagrams.js';
import { TapedPoller, describePoller, type OpenedPoller } from './taped-poller.js';

type Method = (...args: unknown[]) => unknown;

/** What a kernel is without its calls: memory, and what it can open. */
export type KernelMemory = Pick<Kernel, 'name' | 'buffer' | 'pollerKinds' | 'datagrams'>;

/** Hot calls each in words of their own; `real` is null in a replay. */
class TapedKernel {
  readonly name: string;
  readonly buffer: Uint8Array;
  readonly pollerKinds: readonly PollerKind[];
  private pollers = 0;

  constructor(
    private readonly tape: AnyTape,
    private readonly real: Kernel | null,
    private readonly memory: KernelMemory,
  ) {
    this.name = memory.name;
    this.buffer = memory.buffer;
    this.pollerKinds = memory.pollerKinds;
  }

  get datagrams(): DatagramMemory {
    return this.memory.datagrams;
  }

  now(): number {
    const { tape, real } = this;
    if (!tape.live || tape.aside) return real === null ? tape.nowMs : real.now();
    tape.open(OP.now);
    tape.check();
    const nowMs = tape.clock(real === null ? 0 : real.now());
    tape.close();
    return nowMs;
  }

  openPoller(kind: PollerKind): KernelPoller | number {
    const { tape, real } = this;
    if (!tape.live || tape.aside) return (real as Kernel).openPoller(kind);
    tape.open(OP.openPoller);
    tape.putName(kind);
    tape.check();
    const opened = real === null ? null : real.openPoller(kind);
    if (!tape.replaying) tape.resultText(JSON.stringify(opened === null ? 0 : describePoller(opened)));
    const told = tape.replaying ? (JSON.parse(tape.resultText()) as OpenedPoller | number) : 0;
    tape.close();
    if (typeof opened === 'number') return opened;
    if (opened !== null) return new TapedPoller(tape, this.pollers++, opened, opened);
    if (typeof told === 'number') return told;
    const { fdMax, ...rest } = told.capabilities;
    const capabilities = { ...rest, fdMax: fdMax ?? Infinity };
    return new TapedPoller(tape, this.pollers++, null, { ...told, capabilities });
  }

  accept(fd: number): number {
    const { tape, real } = this;
    if (!tape.live) return (real as Kernel).accept(fd);
    tape.open(OP.accept);
    tape.putInt(fd);
    tape.check();
    const result = tape.result(real === null ? 0 : real.accept(fd));
    tape.close();
    return result;
  }
  close(fd: number): number {
    const { tape, real } = this;
    if (!tape.live) return (real as Kernel).close(fd);
    tape.open(OP.close);
    tape.putInt(fd);
    tape.check();
    const result = tape.result(real === null ? 0 : real.close(fd));
    tape.close();
    return result;
  }
  recv(fd: number, start: number, length: number): number {
    const { tape, real } = this;
    if (!tape.live) return (real as Kernel).recv(fd, start, length);
    tape.open(OP.recv, length);
    tape.putInt(fd);
    tape.putInt(start);
    tape.putInt(length);
    tape.check();
    const count = tape.result(real === null ? 0 : real.recv(fd, start, length));
    if (count > 0) tape.resultBytes(this.buffer, start, count);
    tape.close();
    return count;
  }
  read(fd: number, start: number, length: number): number {
    const { tape, real } = this;
    if (!tape.live) return (real as Kernel).read(fd, start, length);
    tape.open(OP.read, length);
    tape.putInt(fd);
    tape.putInt(start);
    tape.putInt(length);
    tape.check();
    const count = tape.result(real === null ? 0 : real.read(fd, start, length));
    if (count > 0) tape.resultBytes(this.buffer, start, count);
    tape.close();
    return count;
  }
  send(fd: number, start: number, length: number): number {
    const { tape, real } = this;
    if (!tape.live) return (real as Kernel).send(fd, start, length);
    this.out(OP.send, fd, this.buffer, start, length);
    return this.taken(real === null ? 0 : real.send(fd, start, length), fd, this.buffer, start);
  }
  sendBytes(fd: number, bytes: Uint8Array, start: number, length: number): number {
    const { tape, real } = this;
    if (!tape.live) return (real as Kernel).sendBytes(fd, bytes, start, length);
    this.out(OP.sendBytes, fd, bytes, start, length);
    return this.taken(real === null ? 0 : real.sendBytes(fd, bytes, start, length), fd, bytes, start);
  }
  write(fd: number, bytes: Uint8Array, start: number, length: number): number {
    const { tape, real } = this;
    if (!tape.live) return (real as Kernel).write(fd, bytes, start, length);
    this.out(OP.write, fd, bytes, start, length);
    return this.taken(real === null ? 0 : real.write(fd, bytes, start, length), fd, bytes, start);
  }
  sendPieces(fd: number, pieces: readonly Uint8Array[], count: number, start: number, end: number): number {
    return this.pieces('sendPieces', fd, pieces, count, start, end);
  }
  writePieces(fd: number, pieces: readonly Uint8Array[], count: number, start: number, end: number): number {
    return this.pieces('writePieces', fd, pieces, count, start, end);
  }

  receiveDatagrams(fd: number, count: number, bytesMax: number): number {
    const { tape, real } = this;
    if (!tape.live) return (real as Kernel).receiveDatagrams(fd, count, bytesMax);
    tape.open(OP.receiveDatagrams, DATAGRAM_ROOM);
    tape.putInt(fd);
    tape.putInt(count);
    tape.putInt(bytesMax);
    tape.check();
    const came = tape.result(real === null ? 0 : real.receiveDatagrams(fd, count, bytesMax));
    const { bytes, received } = this.datagrams;
    for (let i = 0; i < came; i++) {
      for (let k = 0; k < ROW_NUMBERS; k++) {
        received[i * ROW_NUMBERS + k] = tape.result(received[i * ROW_NUMBERS + k]);
      }
      tape.resultBytes(bytes, senderAt(i), ADDRESS_BYTES);
      tape.resultBytes(bytes, received[i * ROW_NUMBERS], received[i * ROW_NUMBERS + 1]);
    }
    tape.close();
    return came;
  }
  sendDatagrams(fd: number, bytes: Uint8Array, table: Int32Array, first: number, count: number): number {
    const { tape, real } = this;
    if (!tape.live) return (real as Kernel).sendDatagrams(fd, bytes, table, first, count);
    const gathered = datagramBytes(bytes, table, first, count);
    tape.open(OP.sendDatagrams);
    tape.putInt(fd);
    tape.putInt(count);
    tape.putHash(gathered, 0, gathered.length);
    tape.check();
    const went = tape.result(real === null ? 0 : real.sendDatagrams(fd, bytes, table, first, count));
    if (went > 0) {
      const taken = went === count ? gathered : datagramBytes(bytes, table, first, went);
      tape.sent(fd, taken, 0, taken.length);
    }
    tape.close();
    return went;
  }

  private out(op: number, fd: number, bytes: Uint8Array, start: number, length: number): void {
    const { tape } = this;
    tape.open(op);
    tape.putInt(fd);
    tape.putInt(length);
    tape.putHash(bytes, start, start + length);
    tape.check();
  }
  private taken(given: number, fd: number, bytes: Uint8Array, start: number): number {
    const { tape } = this;
    const count = tape.result(given);
    tape.sent(fd, bytes, start, count);
    tape.close();
    return count;
  }

  private pieces(
    call: 'sendPieces' | 'writePieces',
    fd: number,
    pieces: readonly Uint8Array[],
    count: number,
    start: number,
    end: number,
  ): number {
    const { tape, real } = this;
    if (!tape.live) return (real as Kernel)[call](fd, pieces, count, start, end);
    const last = count - 1;
    const all = Buffer.concat(
      pieces
        .slice(0, count)
        .map((piece, i) => piece.subarray(i === 0 ? start : 0, i === last ? end : piece.length)),
    );
    tape.open(OP.pieces);
    tape.putName(call);
    tape.putInt(fd);
    tape.putInt(count);
    tape.putInt(all.length);
    tape.putHash(all, 0, all.length);
    tape.check();
    return this.taken(real === null ? 0 : real[call](fd, pieces, count, start, end), fd, all, 0);
  }
}

/** A kernel with the results of `real`, which are recorded, or in a replay (`real` is null) with those that were. */
export function tapedKernel(tape: AnyTape, real: Kernel | null, memory: KernelMemory): Kernel {
  const taped = new TapedKernel(tape, real, memory) as TapedKernel & Record<string, unknown>;
  for (const name of RARE_CALLS) {
    const method: Method = (...args) =>
      tapedCall(tape, name, args, () => (real as unknown as Record<string, Method>)[name](...args));
    taped[name] = method;
  }
  return taped as unknown as Kernel;
}
