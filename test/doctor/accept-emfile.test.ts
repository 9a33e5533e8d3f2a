// accept-emfile: a spin, and rests without an end, are found; a burst that recovers is not.

import { describe, expect, test } from 'vitest';
import { READABLE, connect, listen } from '../../src/index.js';
import { EMFILE } from '../../src/kernel/errno.js';
import { examined, type Bed } from './fixture.js';

/** A listener, and a client that comes every 20 ms. */
function served(bed: Bed): void {
  const { reactor } = bed;
  const listener = listen(reactor, { port: 0 }, {});
  const come = (): void => {
    try {
      connect(reactor, { port: listener.address.port }, { open: (one) => one.close() });
    } catch {
      // no descriptor is left for it either
    }
    if (!listener.closed) reactor.setTimer(20, come);
  };
  come();
}

/** As many descriptors as there are may be open, and so many more. */
const limit = (bed: Bed, more: number): void => {
  bed.kernel.settings.fdLimit = Math.max(...bed.kernel.openFds()) + 1 + more;
};

test('found: rests in a row, without a connection served in between', () => {
  const bed = examined();
  served(bed);
  bed.pass(100);
  limit(bed, 1);
  bed.pass(6000);
  expect(bed.classes).toEqual(['accept-emfile']);
  expect(bed.findings[0]).toMatchObject({ evidence: { error: 'EMFILE' }, handler: { name: 'Listener' } });
});

/** A handler that accepts once per turn, with these results: a turn takes 1 ms. */
function accepting(bed: Bed, results: number[]): void {
  const [ours] = bed.pair();
  bed.reactor.watch(ours, READABLE, () => void bed.reactor.kernel.accept(ours));
  bed.kernel.feed(ours, new Uint8Array(1));
  bed.kernel.script('accept', ours, ...results);
  for (const _ of results) {
    bed.reactor.turn(5);
    bed.take(1);
  }
}

test('found: a spin in which a connection is served now and then', () => {
  const bed = examined();
  accepting(bed, [...Array.from({ length: 200 }, (_, i) => (i % 20 === 0 ? 100 : EMFILE))]);
  expect(bed.classes).toEqual(['accept-emfile']);
});

test('found: a handler that tries again in each turn', () => {
  const bed = examined();
  accepting(
    bed,
    Array.from({ length: 100 }, () => EMFILE),
  );
  expect(bed.classes).toEqual(['accept-emfile']);
});

describe('not found', () => {
  test('a short burst, after which connections are served again', () => {
    const bed = examined();
    served(bed);
    bed.pass(100);
    limit(bed, 1);
    bed.pass(250);
    limit(bed, 100);
    bed.pass(1500);
    bed.reactor.close();
    expect(bed.findings).toEqual([]);
  });

  test('rests that are as many, with a connection served after each few of them', () => {
    const bed = examined();
    served(bed);
    bed.pass(100);
    for (let i = 0; i < 12; i++) {
      limit(bed, 1);
      bed.pass(500);
      limit(bed, 100);
      bed.pass(200);
    }
    expect(bed.findings).toEqual([]);
  });

  test('rests for two seconds', () => {
    const bed = examined();
    served(bed);
    bed.pass(100);
    limit(bed, 1);
    bed.eyes.outOf = 'EMFILE';
    bed.pass(2000);
    bed.reactor.close();
    expect(bed.findings).toEqual([]);
  });

  test('errors of single connections', () => {
    const bed = examined();
    served(bed);
    const listener = bed.kernel.openFds()[1]!;
    bed.kernel.script('accept', listener, ...Array.from({ length: 20 }, () => -103));
    bed.pass(1000);
    expect(bed.findings).toEqual([]);
  });
});
