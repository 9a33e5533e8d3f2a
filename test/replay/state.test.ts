// The state hash: the same for the same state, and another one for whatever is different in it.

import { expect, test } from 'vitest';
import { NONE, READABLE, Reactor, WRITABLE, socketPair } from '../../src/index.js';
import type { Connection, Timer, Watch } from '../../src/index.js';
import { Lanes } from '../../src/replay/hash.js';
import { stateHash } from '../../src/replay/state.js';
import { ScriptedKernel } from '../../src/testing.js';

interface Program {
  readonly kernel: ScriptedKernel;
  readonly reactor: Reactor;
  readonly watch: Watch;
  readonly timer: Timer;
  readonly near: Connection;
  readonly far: Connection;
  readonly written: Lanes;
}

/** A reactor with something of everything; `change` makes one thing another one. */
function hashAfter(change: (program: Program) => void = () => undefined): string {
  const kernel = new ScriptedKernel();
  const reactor = new Reactor({ kernel });
  const ends = new Int32Array(2);
  kernel.socketPair(ends);
  const watch = reactor.watch(ends[0]!, READABLE, () => undefined);
  const timer = reactor.setTimer(10, function late() {});
  const [near, far] = socketPair(reactor, {}, {}, { writeQueueBytesMax: 2 ** 20 });
  const written = new Lanes();
  near.write(new Uint8Array(500_000).fill(1)); // more than the kernel takes: the rest is queued
  change({ kernel, reactor, watch, timer, near, far, written });
  const { hash } = stateHash([null, reactor], written);
  reactor.close();
  return hash;
}

test.each<[string, (program: Program) => void]>([
  ['an interest', ({ watch }) => (watch.interest = WRITABLE)],
  ['a parked watch', ({ watch }) => (watch.interest = NONE)],
  ['a watch that keeps nothing going', ({ watch }) => watch.unref()],
  ['a closed watch', ({ watch }) => watch.close()],
  [
    'a slot that was used again',
    ({ reactor, watch }) => {
      const { fd } = watch;
      watch.close();
      reactor.watch(fd, READABLE, () => undefined);
    },
  ],
  ['a timer more', ({ reactor }) => reactor.setTimer(10, () => undefined)],
  ['a timer more, a little later', ({ reactor }) => reactor.setTimer(10.5, () => undefined)],
  ['a timer less', ({ timer }) => timer.cancel()],
  [
    'a timer with another deadline',
    ({ reactor, timer }) => {
      timer.cancel();
      reactor.setTimer(11, function late() {});
    },
  ],
  ['a timer that keeps nothing going', ({ timer }) => timer.unref()],
  ['a posted task', ({ reactor }) => reactor.post(() => undefined)],
  ['a deferred task', ({ reactor }) => reactor.defer(() => undefined)],
  ['a task with another name', ({ reactor }) => reactor.post(function named() {})],
  ['a queued byte more', ({ near }) => near.write('x')],
  ['another queued byte', ({ near }) => near.write('y')],
  ['a paused connection', ({ far }) => far.pause()],
  ['a half that is ending', ({ near }) => near.end()],
  ['bytes that were read', ({ reactor }) => reactor.turn(0)],
  ['a byte that was written', ({ written }) => written.addBytes(new Uint8Array([7]), 0, 1)],
  ['another byte that was written', ({ written }) => written.addBytes(new Uint8Array([8]), 0, 1)],
])('%s is another state, and the same one each time', (_name, change) => {
  const hash = hashAfter(change);
  expect(hash).toMatch(/^[0-9a-f]{64}$/);
  expect(hashAfter(change)).toBe(hash);
  expect(seen.get(hash)).toBeUndefined();
  seen.set(hash, _name);
});
const seen = new Map([[hashAfter(), 'unchanged']]);

test('a reactor that was closed is not one that was never made', () => {
  const written = new Lanes();
  expect(stateHash([null], written).hash).not.toBe(stateHash([], written).hash);
});
