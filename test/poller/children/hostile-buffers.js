// Does things to memory that native code has been told of, then uses it. Prints what came of each, one a line; a crash ends
// it early. Run with --expose-gc and the kind of poller.
import { writeSync } from 'node:fs';
import { Poller, READABLE, descriptors, nativeKernel } from '../../../dist/index.js';

const kind = process.argv[2];
const { buffer } = nativeKernel;
// Anew for each case: a socket with three unread bytes, in a public poller and in the one below, which checks less.
let near, far, poller, bare, slot, generation;

function setUp() {
  [near, far] = descriptors.socketPair();
  descriptors.write(far, new Uint8Array([1, 2, 3]));
  poller = new Poller({ kind });
  ({ slot, generation } = poller.add(near, READABLE));
  bare = nativeKernel.openPoller(kind);
  bare.add(near, READABLE, slot, generation);
}

function tearDown() {
  poller.close();
  bare.close();
  descriptors.close(near);
  descriptors.close(far);
}

const detach = (memory) => structuredClone(memory, { transfer: [memory] });
const collect = () => {
  for (let i = 0; i < 3; i++) globalThis.gc();
};
const triple = (events) => (events.length === 0 ? '' : [...events.subarray(0, 3)].join());
const attempt = (action) => {
  try {
    return String(action());
  } catch (error) {
    return error.code ?? error.name;
  }
};

/** A public wait, the bare one, and what stands in the array then. */
const waits = (events) => [
  attempt(() => poller.wait(events, 0)),
  attempt(() => bare.wait(events, 0)),
  triple(events),
];

const cases = {
  'events detached': () => {
    const events = new Int32Array(30);
    poller.wait(events, 0);
    detach(events.buffer);
    return waits(events);
  },
  'events resized below one event': () => {
    const memory = new ArrayBuffer(120, { maxByteLength: 240 });
    const events = new Int32Array(memory);
    const before = waits(events);
    memory.resize(8);
    return [...before, ...waits(events)];
  },
  'events resized to nothing, then grown': () => {
    const memory = new ArrayBuffer(120, { maxByteLength: 1 << 20 });
    const events = new Int32Array(memory);
    memory.resize(0);
    const gone = waits(events);
    memory.resize(1 << 20);
    return [...gone, ...waits(events)];
  },
  'events of fixed length out of bounds': () => {
    const memory = new ArrayBuffer(240, { maxByteLength: 240 });
    const events = new Int32Array(memory, 120, 30);
    memory.resize(180);
    return waits(events);
  },
  'events with an offset': () => {
    const memory = new Int32Array(12).fill(-7);
    const result = waits(memory.subarray(3, 7));
    return [...result, [...memory].join()];
  },
  'events shared': () => {
    return waits(new Int32Array(new SharedArrayBuffer(120)));
  },
  'events shared and growable': () => {
    const memory = new SharedArrayBuffer(12, { maxByteLength: 240 });
    const events = new Int32Array(memory);
    const before = waits(events);
    memory.grow(240);
    return [...before, ...waits(events)];
  },
  'events not an Int32Array': () => {
    const wrong = [
      undefined,
      null,
      7,
      [],
      {},
      new ArrayBuffer(120),
      new Float64Array(15),
      new DataView(new ArrayBuffer(120)),
    ];
    wrong.push(new Uint32Array(30), Object.create(Int32Array.prototype), new Proxy(new Int32Array(30), {}));
    return wrong.flatMap((events) => [
      attempt(() => poller.wait(events, 0)),
      attempt(() => bare.wait(events, 0)),
    ]);
  },
  "the poller's own events detached": () => {
    const events = bare.allocateEvents(10);
    const first = [bare.wait(events, 0), triple(events)];
    const detached = attempt(() => detach(events.buffer).byteLength);
    const then = attempt(() => bare.wait(events, 0));
    // Either it could not be taken away, or nothing is said to stand in what is no longer there.
    const told =
      detached === 'DataCloneError' || events.length > 0
        ? [then, triple(events)]
        : ['1', `${slot},${generation},1`];
    return [...first, ...told];
  },
  "the poller's own events collected, and kept longer than the poller": () => {
    bare.wait(bare.allocateEvents(1000), 0);
    collect();
    const waited = bare.wait(new Int32Array(3), 0);
    const other = nativeKernel.openPoller(kind);
    const kept = other.allocateEvents(1000);
    other.close();
    collect();
    kept.fill(1);
    return [waited, kept.reduce((sum, n) => sum + n), other.wait(kept, 0) < 0];
  },
  'a poller forgotten without close': () => {
    for (let i = 0; i < 50; i++) nativeKernel.openPoller(kind).allocateEvents(100).fill(1);
    collect();
    return waits(new Int32Array(3));
  },
  'kernel.buffer bounds': () => {
    const size = buffer.length;
    const wrong = [
      [-1, 1],
      [0, -1],
      [0, size + 1],
      [size, 1],
      [size + 1, 0],
      [0x7fffffff, 0x7fffffff],
    ];
    wrong.push([-0x80000000, 5], [2 ** 31, 1], [0, 2 ** 31], ['0', '1'], [null, {}], [undefined, undefined]);
    const results = wrong.flatMap(([start, length]) => [
      attempt(() => nativeKernel.recv(near, start, length) < 0),
      attempt(() => nativeKernel.send(far, start, length) < 0),
    ]);
    return [results, nativeKernel.recv(near, size - 3, 3), [...buffer.slice(-3)].join()];
  },
  'sendBytes detached': () => {
    const bytes = new Uint8Array(100);
    detach(bytes.buffer);
    return [nativeKernel.sendBytes(far, bytes, 0, 100), nativeKernel.sendBytes(far, bytes, 0, 1)];
  },
  'sendBytes resized': () => {
    const memory = new ArrayBuffer(100, { maxByteLength: 200 });
    const bytes = new Uint8Array(memory);
    const fixed = new Uint8Array(memory, 40, 40);
    memory.resize(50);
    return [
      nativeKernel.sendBytes(far, bytes, 0, 51),
      nativeKernel.sendBytes(far, fixed, 0, 40),
      nativeKernel.sendBytes(far, fixed, 0, 1),
      nativeKernel.sendBytes(far, bytes, 49, 1),
    ];
  },
  'sendBytes shared': () => {
    const bytes = new Uint8Array(new SharedArrayBuffer(8)).fill(7);
    const sent = nativeKernel.sendBytes(far, bytes, 2, 4);
    return [sent, nativeKernel.recv(near, 0, 100), [...buffer.subarray(0, 7)].join()];
  },
  'sendBytes bounds and types': () => {
    const bytes = new Uint8Array(10);
    const wrong = [
      [bytes, -1, 1],
      [bytes, 0, -1],
      [bytes, 5, 6],
      [bytes, 0x7fffffff, 0x7fffffff],
      [bytes, 2 ** 31, 1],
    ];
    for (const other of [
      new Int32Array(4),
      new DataView(new ArrayBuffer(8)),
      new ArrayBuffer(8),
      'text',
      null,
      undefined,
      [1, 2],
    ]) {
      wrong.push([other, 0, 1]);
    }
    const results = wrong.map(([of, start, length]) =>
      attempt(() => nativeKernel.sendBytes(far, of, start, length) < 0),
    );
    return [results, nativeKernel.sendBytes(far, Buffer.from('ab'), 1, 1)];
  },
  'descriptors.read and write': () => {
    const memory = new ArrayBuffer(8, { maxByteLength: 8 });
    const bytes = new Uint8Array(memory);
    memory.resize(2);
    const shared = new Uint8Array(new SharedArrayBuffer(4));
    const gone = new Uint8Array(4);
    detach(gone.buffer);
    return [
      attempt(() => descriptors.read(near, bytes, 0, 8)),
      attempt(() => descriptors.read(near, bytes)),
      attempt(() => descriptors.read(near, shared)),
      shared[0],
      attempt(() => descriptors.write(far, gone, 0, 4)),
      attempt(() => descriptors.write(far, gone)),
    ];
  },
  // The last one: what it takes away is gone for good.
  'kernel.buffer detached': () => {
    const detached = attempt(() => detach(buffer.buffer).byteLength);
    const received = nativeKernel.recv(near, 0, 3);
    const bytes = buffer.length === 0 ? '1,2,3' : [...buffer.subarray(0, 3)].join();
    nativeKernel.send(far, 0, 2);
    return [
      detached === 'DataCloneError' || Number(detached) > 0,
      received,
      bytes,
      nativeKernel.recv(near, 0, 100),
    ];
  },
};

for (const [name, run] of Object.entries(cases)) {
  setUp();
  const result = run();
  collect();
  tearDown();
  writeSync(1, `${JSON.stringify([name, result.map(String)])}\n`);
}
