// The two ways of moving datagrams, many by one call and one by one, give the same; and the calls check what they are given.

import { constants } from 'node:os';
import { afterEach, describe, expect, test } from 'vitest';
import { Reactor, SilentObserver, datagram, nativeKernel } from '../../src/index.js';
import { binding } from '../../src/binding.js';
import { EAGAIN, EINVAL } from '../../src/kernel/errno.js';
import { ROW_NUMBERS, batchMax, slotAt } from '../../src/kernel/datagram-memory.js';
import { pattern } from './world.js';

afterEach(() => void binding.datagramsOneByOne(0));

class Calls extends SilentObserver {
  readonly made: string[] = [];
  override call(name: string, _args: readonly unknown[], result: unknown): void {
    if (/Datagrams/.test(name)) this.made.push(`${name} ${String(result)}`);
  }
}

describe.each([
  { name: 'many by one call', one: 0 },
  { name: 'one by one', one: 1 },
])('$name', ({ one }) => {
  test('a batch of all sizes comes in order, whole, with its sender, and goes back', () => {
    const many = binding.datagramsOneByOne(one);
    if (one === 1) expect(many).toBe(0);
    const observer = new Calls();
    using reactor = new Reactor({ observer });
    const sizes = [0, 1, 64, 1400, 2048, 3000, 5];
    const realBytes = process.platform === 'linux' ? '3000' : '2048';
    const got: string[] = [];
    const server = datagram(
      reactor,
      { messageBytesMax: 2048, receiveBufferBytes: 1 << 20 },
      {
        message(socket, buffer, start, end, sender) {
          got.push(String(end - start));
          expect(Buffer.compare(buffer.subarray(start, end), pattern(end - start))).toBe(0);
          socket.send(buffer, sender, start, end);
        },
        truncated: (_socket, _buffer, start, end, _sender, realBytes) =>
          void got.push(`${String(realBytes)} cut to ${String(end - start)}`),
      },
    );
    const back: number[] = [];
    const client = datagram(
      reactor,
      { to: server.address },
      { message: (_socket, _buffer, start, end) => void back.push(end - start) },
    );
    reactor.post(() => {
      for (const size of sizes) client.send(pattern(size));
    });
    for (let turns = 0; back.length < sizes.length - 1 && turns < 1000; turns++) reactor.turn(5);
    expect(got).toEqual(['0', '1', '64', '1400', '2048', `${realBytes} cut to 2048`, '5']);
    expect(back).toEqual([0, 1, 64, 1400, 2048, 5]);
    // Whichever way they go: one call of the seam for all.
    expect(observer.made).toContain('sendDatagrams 7');
    expect(observer.made).toContain('receiveDatagrams 7');
  });

  test('an error in the middle: those before it went, and the next call tells it', () => {
    binding.datagramsOneByOne(one);
    const kernel = nativeKernel;
    const fd = kernel.socket(4, 'datagram');
    const bytes = new Uint8Array(70_000);
    expect(kernel.bind(fd, { family: 4, host: '127.0.0.1', port: 0 })).toBe(0);
    expect(kernel.connect(fd, kernel.localAddress(fd) as never)).toBe(0);
    const table = new Int32Array(3 * ROW_NUMBERS);
    [10, 66_000, 20].forEach((length, i) => table.set([-1, 0, length, 0], i * ROW_NUMBERS));
    expect(kernel.sendDatagrams(fd, bytes, table, 0, 3)).toBe(1);
    expect(kernel.sendDatagrams(fd, bytes, table, 1, 2)).toBe(-constants.errno.EMSGSIZE);
    expect(kernel.sendDatagrams(fd, bytes, table, 2, 1)).toBe(1);
    expect(kernel.receiveDatagrams(fd, 10, 100)).toBe(2);
    const { received } = kernel.datagrams;
    expect([...received.subarray(0, 3)]).toEqual([slotAt(0, 100), 10, 0]);
    expect([...received.subarray(4, 7)]).toEqual([slotAt(1, 100), 20, 0]);
    expect(kernel.receiveDatagrams(fd, 10, 100)).toBe(EAGAIN);
    kernel.close(fd);
  });
});

test('what does not fit the memory is refused and touches nothing', () => {
  const kernel = nativeKernel;
  const fd = kernel.socket(4, 'datagram');
  const EFAULT = -constants.errno.EFAULT;
  const bytes = new Uint8Array(100);
  const send = (row: number[], first = 0, count = 1): number =>
    kernel.sendDatagrams(fd, bytes, Int32Array.from([...row, 0]), first, count);
  expect(send([-1, 0, 101])).toBe(EFAULT);
  expect(send([-1, 5, 4])).toBe(EFAULT);
  expect(send([-1, -1, 4])).toBe(EFAULT);
  expect(send([0, 0, 4])).toBe(EINVAL); // no room for an address
  expect(send([-1, 0, 4], 1)).toBe(EINVAL);
  expect(send([-1, 0, 4], 0, 2)).toBe(EINVAL);
  expect(send([-1, 0, 4], -1)).toBe(EINVAL);
  for (const bytesMax of [1, 100, 2048, 65_536, 131_072]) {
    expect(kernel.receiveDatagrams(fd, batchMax(bytesMax), bytesMax)).toBe(EAGAIN);
    expect(kernel.receiveDatagrams(fd, batchMax(bytesMax) + 1, bytesMax)).toBe(EINVAL);
  }
  expect(kernel.receiveDatagrams(fd, 0, 10)).toBe(EINVAL);
  expect(kernel.receiveDatagrams(fd, 1, 0)).toBe(EINVAL);
  kernel.close(fd);
});

test('a handler that lets another reactor take its turn keeps its own batch', () => {
  using outer = new Reactor();
  using inner = new Reactor();
  const seen: string[] = [];
  const text = (buffer: Uint8Array, start: number, end: number): string =>
    Buffer.from(buffer.subarray(start, end)).toString();
  const second = datagram(inner, {}, { message: (_s, b, start, end) => void seen.push(text(b, start, end)) });
  const first = datagram(
    outer,
    {},
    {
      message(_socket, buffer, start, end) {
        seen.push(text(buffer, start, end));
        inner.turn(0);
        inner.turn(0);
      },
    },
  );
  const client = datagram(outer, {}, {});
  client.send('in', second.address);
  for (let i = 0; i < 3; i++) client.send(`out ${String(i)}`, first.address);
  for (let turns = 0; seen.length < 3 && turns < 100; turns++) outer.turn(5);
  for (let turns = 0; seen.length < 4 && turns < 100; turns++) inner.turn(5);
  expect(seen).toEqual(['out 0', 'out 1', 'out 2', 'in']);
});
