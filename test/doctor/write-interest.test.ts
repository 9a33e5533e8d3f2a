// write-interest-left-on: a loop that spins on WRITABLE is found, and who sends what it has is not.

import { describe, expect, test } from 'vitest';
import { READABLE, WRITABLE, connect, listen } from '../../src/index.js';
import { examined, type Bed } from './fixture.js';

/** Turns that each take a little: the virtual clock moves only when somebody takes time. */
function spin(bed: Bed, turns: number): void {
  for (let i = 0; i < turns; i++) {
    bed.reactor.turn(5);
    bed.take(0.5);
  }
}

describe('found', () => {
  test('a level trigger with nothing to send', () => {
    const bed = examined();
    const [ours] = bed.pair();
    bed.reactor.watch(ours, READABLE | WRITABLE, function ready() {});
    spin(bed, 200);
    expect(bed.classes).toEqual(['write-interest-left-on']);
    expect(bed.findings[0]).toMatchObject({ fd: ours, handler: { name: 'ready' } });
  });

  test('a oneshot that is armed again each time', () => {
    const bed = examined();
    const [ours] = bed.pair();
    bed.reactor.watch(ours, WRITABLE, (_, watch) => (watch.interest = WRITABLE), { trigger: 'oneshot' });
    spin(bed, 200);
    expect(bed.classes).toEqual(['write-interest-left-on']);
  });

  test('between two messages that are sent', () => {
    const bed = examined();
    const [ours] = bed.pair();
    bed.reactor.watch(ours, WRITABLE, () => undefined);
    for (let i = 0; i < 3; i++) {
      spin(bed, 100);
      bed.reactor.kernel.sendBytes(ours, new Uint8Array(10), 0, 10);
    }
    expect(bed.classes).toEqual(['write-interest-left-on']);
  });
});

describe('not found', () => {
  test('a sender that writes at each report', () => {
    const bed = examined();
    const [ours, theirs] = bed.pair();
    const bytes = new Uint8Array(100);
    bed.reactor.watch(ours, WRITABLE, () => void bed.reactor.kernel.sendBytes(ours, bytes, 0, bytes.length));
    bed.reactor.watch(theirs, READABLE, () => void bed.reactor.kernel.recv(theirs, 0, 1000));
    spin(bed, 500);
    expect(bed.findings).toEqual([]);
  });

  test('an edge with both interests, told of room beside each message', () => {
    const bed = examined();
    const [ours] = bed.pair();
    bed.reactor.watch(
      ours,
      READABLE | WRITABLE,
      () => {
        while (bed.reactor.kernel.recv(ours, 0, 1000) > 0);
      },
      { trigger: 'edge' },
    );
    for (let i = 0; i < 500; i++) {
      bed.kernel.feed(ours, new Uint8Array(10));
      spin(bed, 1);
    }
    expect(bed.findings).toEqual([]);
  });

  test('an interest that is withdrawn as soon as there is nothing to send', () => {
    const bed = examined();
    const [ours] = bed.pair();
    bed.reactor.watch(ours, WRITABLE, (_, watch) => (watch.interest = 0));
    spin(bed, 500);
    expect(bed.findings).toEqual([]);
  });

  test('connections of net/, whose queue is full for long', () => {
    const bed = examined();
    const { reactor } = bed;
    const listener = listen(reactor, { port: 0 }, { open: (one) => void one.write(new Uint8Array(900_000)) });
    let got = 0;
    connect(reactor, { port: listener.address.port }, { data: (_, __, start, end) => (got += end - start) });
    spin(bed, 500);
    expect(got).toBe(900_000);
    expect(bed.findings).toEqual([]);
  });
});
