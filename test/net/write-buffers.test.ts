// The buffers that write() is given: shared, resized, or detached at any time. Their bytes go as they were at the call.

import { describe, expect, test } from 'vitest';
import { fill, realModes, useWorld } from './world.js';

/** ArrayBuffer as Node 20 has it; the library of types is a little older. */
const Resizable = ArrayBuffer as unknown as new (
  length: number,
  options: { maxByteLength: number },
) => ArrayBuffer & { resize(length: number): void };

describe.each(realModes)('$name', (mode) => {
  const world = useWorld(mode);

  test('a view into the middle of an ArrayBuffer, a shared one, a resizable one', async () => {
    const w = world();
    const { client, serverLog } = await w.pair();
    const shared = new Uint8Array(new SharedArrayBuffer(6), 1, 4);
    shared.set(Buffer.from('ared'));
    const resizable = new Resizable(4, { maxByteLength: 16 });
    const tracking = new Uint8Array(resizable);
    resizable.resize(6);
    tracking.set(Buffer.from('resize'));
    expect(client.write(shared)).toBe(4);
    expect(client.write(tracking)).toBe(6);
    resizable.resize(2);
    expect(client.write(tracking)).toBe(2);
    await w.until(() => serverLog.length === 12);
    expect(serverLog.text).toBe('aredresizere');
  });

  test("caller's buffer detached, resized or shared while its bytes are queued: what was taken arrives", async () => {
    const w = world();
    const { client, server, serverLog } = await w.pair();
    server.pause();
    const before = fill(client);
    const detached = new Uint8Array(Buffer.from('to be detached, '));
    const resizable = new Resizable(12, { maxByteLength: 16 });
    const resized = new Uint8Array(resizable);
    resized.set(Buffer.from('to shrink, '));
    const shared = new Uint8Array(new SharedArrayBuffer(8));
    shared.set(Buffer.from('to share'));
    expect([client.write(detached), client.write(resized, 0, 11), client.write(shared)]).toEqual([16, 11, 8]);
    structuredClone(detached, { transfer: [detached.buffer] });
    resizable.resize(0);
    shared.fill(0xff);
    expect([detached.length, resized.length]).toEqual([0, 0]);
    expect([client.write(detached), client.write(resized)]).toEqual([0, 0]);
    server.resume();
    await w.until(() => serverLog.length === before + 35);
    expect(serverLog.bytes.subarray(before).toString()).toBe('to be detached, to shrink, to share');
    expect(client.write(detached)).toBe(0);
    expect(client.closed).toBe(false);
  });

  test('a detached buffer is never taken for its old bytes, however hot the code and whatever went before', async () => {
    const w = world();
    const { client, serverLog } = await w.pair();
    const resizable = new Uint8Array(new Resizable(1, { maxByteLength: 16 }));
    const plain = new Uint8Array(1);
    // V8 optimizes write() on the way, having seen buffers that resize.
    for (let i = 0; i < 20_000; i++) {
      client.write(i % 2 === 0 ? resizable : plain);
      if (i % 1000 === 0) await w.until(() => serverLog.length === i + 1);
    }
    const bytes = new Uint8Array(5000);
    structuredClone(bytes, { transfer: [bytes.buffer] });
    expect(client.write(bytes)).toBe(0);
    await w.until(() => serverLog.length === 20_000);
    expect(client.closed).toBe(false);
  });
});
