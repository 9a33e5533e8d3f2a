// unbounded-write-queue: writes that ignore a full queue, or make it grow without end, are found; large and bounded ones are not.

import { describe, expect, test } from 'vitest';
import { connect, listen, type Connection } from '../../src/index.js';
import { examined, type Bed } from './fixture.js';

const chunk = new Uint8Array(64 * 1024);

/** A server's end of a connection whose client does not read. */
function stuck(bed: Bed, options: { writeQueueBytesMax?: number } = {}): Connection {
  const { reactor } = bed;
  let server: Connection | undefined;
  const listener = listen(reactor, { port: 0, ...options }, { open: (one) => (server = one) });
  connect(reactor, { port: listener.address.port }, { open: (one) => one.pause() });
  bed.pass(20);
  return server!;
}

function every(bed: Bed, ms: number, act: () => void): void {
  const again = (): void => {
    act();
    bed.reactor.setTimer(ms, again);
  };
  again();
}

describe('found', () => {
  test('writes to a full queue, again and again', () => {
    const bed = examined();
    const connection = stuck(bed);
    every(bed, 10, () => void connection.write(chunk));
    bed.pass(600);
    expect(bed.classes).toEqual(['unbounded-write-queue']);
    expect(bed.findings[0]!.fd).toBe(connection.fd);
  });

  test('a queue with a bound that is none, and grows', () => {
    const bed = examined();
    const connection = stuck(bed, { writeQueueBytesMax: 1024 * 1024 * 1024 });
    every(bed, 10, () => {
      for (let i = 0; i < 4; i++) connection.write(chunk);
    });
    bed.pass(1000);
    expect(bed.classes).toEqual(['unbounded-write-queue']);
  });

  test("the queue of a stream above it, beyond the stream's mark", () => {
    const bed = examined();
    const connection = stuck(bed);
    const stream = { writableLength: 0, writableHighWaterMark: 16_384 };
    connection.context = stream;
    connection.write(chunk);
    every(bed, 10, () => (stream.writableLength += 20_000));
    bed.pass(1000);
    expect(bed.classes).toEqual(['unbounded-write-queue']);
  });
});

describe('not found', () => {
  test('writes that stop at a full queue, and go on in drain', () => {
    const bed = examined();
    const { reactor } = bed;
    let sent = 0;
    const total = 6_000_000;
    const push = (one: Connection): void => {
      while (sent < total) {
        const taken = one.write(chunk);
        sent += taken;
        if (taken < chunk.length) return;
      }
      one.end();
    };
    const listener = listen(reactor, { port: 0 }, { open: push, drain: push });
    let got = 0;
    connect(
      reactor,
      { port: listener.address.port },
      {
        data(one, _, start, end) {
          got += end - start;
          one.pause();
          reactor.setTimer(5, () => one.resume());
        },
      },
    );
    bed.pass(3000);
    expect(got).toBeGreaterThanOrEqual(total);
    expect(bed.findings).toEqual([]);
  });

  test('one large reply, handed over in one go, of which a part is not taken', () => {
    const bed = examined();
    const connection = stuck(bed);
    for (let i = 0; i < 100; i++) connection.write(chunk);
    bed.pass(1000);
    expect(bed.findings).toEqual([]);
  });

  test('large replies, each of which finds the queue empty again', () => {
    const bed = examined();
    const connection = stuck(bed);
    const client = bed.kernel.peerOf(connection.fd)!;
    for (let reply = 0; reply < 10; reply++) {
      for (let i = 0; i < 20; i++) connection.write(chunk);
      for (let reads = 0; reads < 200; reads++) {
        bed.kernel.recv(client, 0, 65_536);
        bed.reactor.turn(0);
      }
      bed.pass(20);
      expect(connection.queuedBytes).toBe(0);
    }
    expect(bed.findings).toEqual([]);
  });

  test('a queue that is longer at a few looks, and then no more', () => {
    const bed = examined();
    const connection = stuck(bed, { writeQueueBytesMax: 64 * 1024 * 1024 });
    for (let i = 0; i < 3; i++) {
      for (let writes = 0; writes < 50; writes++) connection.write(chunk);
      bed.pass(150);
    }
    bed.pass(1000);
    expect(bed.findings).toEqual([]);
  });

  test('a large queue within a bound of its own, filled once', () => {
    const bed = examined();
    const connection = stuck(bed, { writeQueueBytesMax: 64 * 1024 * 1024 });
    for (let i = 0; i < 500; i++) connection.write(chunk);
    bed.pass(1000);
    expect(bed.findings).toEqual([]);
  });
});
