// stale-readiness: registrations of closed descriptors are found; the stale event within a batch is not.

import { describe, expect, test } from 'vitest';
import { READABLE, connect, listen } from '../../src/index.js';
import { examined } from './fixture.js';

describe('found', () => {
  test('a descriptor closed first, kept in the set by a duplicate', () => {
    const bed = examined();
    const [ours, theirs] = bed.pair();
    const watch = bed.reactor.watch(ours, READABLE, () => undefined);
    const twin = bed.kernel.duplicate(ours);
    bed.kernel.close(ours);
    watch.close();
    bed.kernel.feed(twin, new Uint8Array(1));
    for (let i = 0; i < 3; i++) bed.reactor.turn(0);
    expect(bed.classes).toEqual(['stale-readiness']);
    expect(bed.findings[0]!.fd).toBe(ours);
    bed.kernel.close(theirs);
  });

  test('a number that is registered again while the registration before it stands', () => {
    const bed = examined();
    const [ours] = bed.pair();
    bed.reactor.watch(ours, READABLE, function first() {});
    bed.kernel.close(ours);
    const [again] = bed.pair();
    expect(again).toBe(ours);
    bed.reactor.watch(again, READABLE, function second() {});
    expect(bed.classes).toEqual(['stale-readiness']);
    expect(bed.findings[0]!.handler!.name).toBe('first');
  });

  test('a number that names another file than was registered', () => {
    const bed = examined();
    const [ours] = bed.pair();
    bed.reactor.watch(ours, READABLE, () => undefined);
    bed.pass(100);
    expect(bed.findings).toEqual([]);
    bed.eyes.identities.set(ours, 'other');
    bed.pass(200);
    expect(bed.classes).toEqual(['stale-readiness']);
  });

  test('close told while it is registered, when the loop waits again', () => {
    const bed = examined();
    const [ours] = bed.pair();
    bed.reactor.watch(ours, READABLE, () => undefined);
    bed.diagnosis.closing(ours);
    expect(bed.findings).toEqual([]);
    bed.pass(10);
    expect(bed.findings[0]).toMatchObject({ class: 'stale-readiness', severity: 'error' });
  });

  test('close told before its registration is taken out: a warning', () => {
    const bed = examined();
    const [ours] = bed.pair();
    const watch = bed.reactor.watch(ours, READABLE, () => undefined);
    bed.diagnosis.closing(ours);
    watch.close();
    bed.pass(100);
    expect(bed.findings).toMatchObject([{ class: 'stale-readiness', severity: 'warning', times: 1 }]);
  });
});

describe('not found', () => {
  test('an event for a neighbour that was closed in the same batch', () => {
    const bed = examined();
    const [one] = bed.pair();
    const [two] = bed.pair();
    const close = (): void => {
      for (const watch of watches.splice(0)) watch.close();
      bed.kernel.close(one);
      bed.kernel.close(two);
    };
    const watches = [one, two].map((fd) => bed.reactor.watch(fd, READABLE, close));
    bed.kernel.feed(one, new Uint8Array(1));
    bed.kernel.feed(two, new Uint8Array(1));
    bed.pass(300);
    expect(bed.findings).toEqual([]);
  });

  test('numbers that are used again after they were taken out', () => {
    const bed = examined();
    for (let i = 0; i < 50; i++) {
      const [ours, theirs] = bed.pair();
      const watch = bed.reactor.watch(ours, READABLE, () => undefined);
      bed.kernel.feed(ours, new Uint8Array(1));
      for (let turn = 0; turn < 3; turn++) bed.reactor.turn(0);
      watch.close();
      bed.diagnosis.closing(ours);
      bed.kernel.close(ours);
      bed.kernel.close(theirs);
    }
    expect(bed.findings).toEqual([]);
  });

  test('connections of net/ that come and go', () => {
    const bed = examined();
    const listener = listen(bed.reactor, { port: 0 }, { open: (one) => one.close() });
    for (let i = 0; i < 50; i++) {
      connect(bed.reactor, { port: listener.address.port }, {});
      bed.pass(5);
    }
    bed.reactor.close();
    expect(bed.findings).toEqual([]);
  });

  test('a program that closes its descriptors, then the reactor', () => {
    const bed = examined();
    const [ours] = bed.pair();
    bed.reactor.watch(ours, READABLE, () => undefined);
    bed.pass(10);
    bed.diagnosis.closing(ours);
    bed.reactor.close();
    expect(bed.findings).toEqual([]);
  });
});
