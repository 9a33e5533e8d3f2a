// stale-readiness of a program that waits by itself: an event taken for another's is found; who reads by chance is left alone.

import { beforeEach, expect, test } from 'vitest';
import { Diagnosis } from '../../src/doctor/diagnosis.js';
import type { Draft } from '../../src/doctor/finding.js';
import { Taker } from '../../src/doctor/scene.js';
import { READABLE } from '../../src/index.js';

const EAGAIN = -11;
const VICTIM_SLOT = 1;

let found: Draft[];
let diagnosis: Diagnosis;
let generation: number;

beforeEach(() => {
  found = [];
  generation = 0;
  diagnosis = new Diagnosis({
    poller: 'epoll',
    pollerFd: -1,
    isRaw: true,
    eyes: null,
    report: (draft) => found.push(draft),
  });
});

function add(fd: number, slot: number): void {
  const taker = new Taker(`fd ${fd}`, 'readiness', '', fd, false, true);
  generation++;
  diagnosis.added(fd, READABLE, slot, generation, { trigger: 0, isRaw: true, taker, source: null });
}
function wait(...slots: number[]): void {
  diagnosis.waitBegin(0, 'idle', -1);
  diagnosis.waitEnd(slots.length);
  for (const slot of slots) diagnosis.readiness(READABLE, slot, diagnosis.scene.bySlot[slot]!.generation);
}

/** A neighbour's event ends one registration, whose slot the next one gets; `reads`: of the next one, before another wait. */
function round(reads: (fd: number) => void): void {
  const old = diagnosis.scene.bySlot[VICTIM_SLOT]!;
  wait(0, VICTIM_SLOT);
  diagnosis.read(10, 1);
  diagnosis.changed('remove', 0, VICTIM_SLOT, old.generation);
  const fd = old.fd === 20 ? 21 : 20;
  add(fd, VICTIM_SLOT);
  reads(fd);
}

function begin(): void {
  add(10, 0);
  add(20, VICTIM_SLOT);
}
/** Others come as well, and wait for an event of their own; or are read `byChance`. */
function guests(byChance: boolean): void {
  for (let fd = 30; fd < 36; fd++) {
    wait(0);
    add(fd, fd);
    if (byChance) diagnosis.read(fd, EAGAIN);
  }
}

test('an event of a registration that has gone, taken for one of that which has its slot', () => {
  begin();
  guests(false);
  for (let i = 0; i < 2; i++) round((fd) => diagnosis.read(fd, EAGAIN));
  expect(found).toEqual([]);
  round((fd) => diagnosis.read(fd, EAGAIN));
  expect(found).toMatchObject([{ class: 'stale-readiness', fd: 21, evidence: { slot: VICTIM_SLOT } }]);
  expect(found[0]!.message).toContain('fd 20');
});

test('the same, and the others that are not read at once have a used slot, too', () => {
  begin();
  for (let i = 0; i < 4; i++) {
    round((fd) => diagnosis.read(fd, EAGAIN));
    const misread = diagnosis.scene.bySlot[VICTIM_SLOT]!;
    diagnosis.changed('remove', 0, VICTIM_SLOT, misread.generation);
    add(misread.fd, VICTIM_SLOT);
  }
  expect(found[0]).toMatchObject({
    class: 'stale-readiness',
    evidence: { times: 4, registeredWithoutRead: 3 },
  });
});

test.each([
  ['it looks its events up, and reads nobody for an old one', false, () => undefined],
  ['it reads whom it has registered, on the chance', true, (fd: number) => diagnosis.read(fd, EAGAIN)],
  ['what it reads is there', false, (fd: number) => diagnosis.read(fd, 5)],
])('not found: %s', (_what, byChance, reads) => {
  begin();
  guests(byChance);
  for (let i = 0; i < 10; i++) round(reads);
  expect(found).toEqual([]);
});

test('not found: nobody else has come, so that it may be its way to read at once', () => {
  begin();
  for (let i = 0; i < 10; i++) round((fd) => diagnosis.read(fd, EAGAIN));
  expect(found).toEqual([]);
});
