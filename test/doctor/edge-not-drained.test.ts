// edge-not-drained: data left behind by an edge-triggered handler is found, and every lawful way to leave it is not.

import { describe, expect, test } from 'vitest';
import { READABLE, WRITABLE } from '../../src/index.js';
import { EMFILE } from '../../src/kernel/errno.js';
import type { Trigger } from '../../src/index.js';
import { examined, type Bed } from './fixture.js';

const bytes = new Uint8Array(1000);

/** Watches one end of a pair; the handler is given what reads a piece of it. */
function watched(bed: Bed, trigger: Trigger, handler: (readSome: () => number) => void): [number, number] {
  const [ours, theirs] = bed.pair();
  const readSome = (): number => bed.reactor.kernel.recv(ours, 0, 100);
  bed.reactor.watch(ours, READABLE, () => handler(readSome), { trigger });
  bed.kernel.feed(ours, bytes);
  return [ours, theirs];
}

describe('found', () => {
  test('a handler that reads once, while nothing more comes', () => {
    const bed = examined();
    const [ours] = watched(bed, 'edge', function readOnce(readSome) {
      readSome();
    });
    bed.pass(600);
    expect(bed.classes).toEqual(['edge-not-drained']);
    expect(bed.findings[0]).toMatchObject({ fd: ours, severity: 'error', poller: 'scripted' });
  });

  test('a handler that reads once per message, so that each time a message is left until the next comes', () => {
    const bed = examined();
    const [ours] = watched(bed, 'edge', (readSome) => void readSome());
    for (let i = 0; i < 6; i++) {
      bed.pass(60);
      bed.kernel.feed(ours, bytes);
    }
    expect(bed.classes).toEqual(['edge-not-drained']);
    expect(bed.findings[0]!.message).toContain('until more comes');
  });

  test('an edge-oneshot that was not armed again, though later', () => {
    const bed = examined();
    watched(bed, 'edge-oneshot', (readSome) => void readSome());
    bed.pass(600);
    expect(bed.findings).toEqual([]);
    bed.pass(1000);
    expect(bed.classes).toEqual(['edge-not-drained']);
  });

  test('at the end of the program, what was left a moment before', () => {
    const bed = examined();
    watched(bed, 'edge', (readSome) => void readSome());
    bed.pass(200);
    expect(bed.findings).toEqual([]);
    bed.reactor.close();
    expect(bed.classes).toEqual(['edge-not-drained']);
  });
});

describe('not found', () => {
  test('a handler that reads until there is nothing', () => {
    const bed = examined();
    const [ours] = watched(bed, 'edge', (readSome) => {
      while (readSome() > 0);
    });
    for (let i = 0; i < 6; i++) {
      bed.pass(100);
      bed.kernel.feed(ours, bytes);
    }
    bed.pass(600);
    expect(bed.findings).toEqual([]);
  });

  test('a level trigger, which reports the rest again', () => {
    const bed = examined();
    watched(bed, 'level', (readSome) => void readSome());
    bed.pass(600);
    expect(bed.findings).toEqual([]);
  });

  test('a handler that reads on in tasks of its own, or by a timer', () => {
    const bed = examined();
    watched(bed, 'edge', (readSome) => {
      const readOn = (): void => {
        if (readSome() > 0) bed.reactor.post(readOn);
      };
      readOn();
    });
    watched(bed, 'edge', (readSome) => {
      const readOn = (): void => {
        if (readSome() > 0) bed.reactor.setTimer(150, readOn);
      };
      readOn();
    });
    bed.pass(2000);
    expect(bed.findings).toEqual([]);
  });

  test('a reader at a pace of its own, which was seen to read outside of its handler', () => {
    const bed = examined();
    watched(bed, 'edge', (readSome) => {
      const readOn = (): void => {
        if (readSome() > 0) bed.reactor.setTimer(800, readOn);
      };
      bed.reactor.setTimer(100, readOn);
    });
    bed.pass(5000);
    expect(bed.findings).toEqual([]);
  });

  test('a listening socket whose connections are asked for again by a timer, while there is no descriptor', () => {
    const bed = examined();
    const [ours] = bed.pair();
    const again = (): void => {
      if (bed.reactor.kernel.accept(ours) < 0) bed.reactor.setTimer(100, again);
    };
    bed.kernel.script('accept', ours, ...Array.from({ length: 30 }, () => EMFILE));
    bed.reactor.watch(ours, READABLE, again, { trigger: 'edge' });
    bed.kernel.feed(ours, bytes);
    bed.pass(2000);
    expect(bed.findings).toEqual([]);
  });

  test('a handler that sets its interest anew, or withdraws it', () => {
    const bed = examined();
    const [one] = bed.pair();
    const [two] = bed.pair();
    bed.reactor.watch(
      one,
      READABLE,
      (_, watch) => {
        if (bed.reactor.kernel.recv(one, 0, 100) > 0) watch.interest = READABLE;
      },
      { trigger: 'edge' },
    );
    bed.reactor.watch(two, READABLE, (_, watch) => (watch.interest = 0), { trigger: 'edge' });
    bed.kernel.feed(one, bytes);
    bed.kernel.feed(two, bytes);
    bed.pass(1000);
    expect(bed.findings).toEqual([]);
  });

  test('descriptors whose every event is an edge of its own', () => {
    const bed = examined();
    const [ours] = watched(bed, 'edge', () => undefined);
    bed.eyes.kinds.set(ours, 'eventfd');
    bed.pass(1000);
    expect(bed.findings).toEqual([]);
  });

  test('what stays because the next one takes nothing now; and it is, once that one takes something', () => {
    const bed = examined();
    const [out] = bed.pair();
    bed.reactor.watch(out, WRITABLE, () => undefined, { trigger: 'edge' });
    bed.pass(20);
    const block = new Uint8Array(65_536);
    while (bed.kernel.sendBytes(out, block, 0, block.length) > 0);
    watched(bed, 'edge', (readSome) => void readSome());
    bed.pass(1000);
    expect(bed.findings).toEqual([]);
  });

  test('an end-of-file that is not read', () => {
    const bed = examined();
    const [ours, theirs] = bed.pair();
    bed.reactor.watch(ours, READABLE, () => undefined, { trigger: 'edge' });
    bed.eyes.look = () => ({ readable: true, writable: true, hungUp: true, bytes: 0 });
    bed.kernel.close(theirs);
    bed.pass(1000);
    expect(bed.findings).toEqual([]);
  });
});
