// Readiness derived from outside is what poll(2) says, or unknown; and looking takes nothing: no byte, no error, no edge.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ERROR,
  HANGUP,
  PRIORITY,
  Poller,
  READABLE,
  READ_CLOSED,
  WRITABLE,
  descriptors,
  nativeKernel as kernel,
} from '../../src/index.js';
import type { Registration, Trigger } from '../../src/index.js';
import type { InternetAddress } from '../../src/kernel/kernel.js';
import {
  EPOLL_FLAGS,
  derivedReadiness,
  epollEvents,
  isKnown,
  noInspector,
  readDescriptors,
} from '../../src/probe/index.js';
import type { DerivedReadiness, DescriptorFacts, DescriptorOptions } from '../../src/probe/index.js';

const ALL = READABLE | WRITABLE | PRIORITY;
const BITS = {
  readable: READABLE,
  writable: WRITABLE,
  priority: PRIORITY,
  readClosed: READ_CLOSED,
  hangup: HANGUP,
  error: ERROR,
} as const;

/** A poller and what it last said of each fd. */
class Watcher {
  private readonly poller: Poller;
  private readonly registrations = new Map<number, Registration>();
  private readonly events = new Int32Array(3 * 256);

  constructor(
    kind: 'poll' | 'epoll',
    private readonly trigger: Trigger = 'level',
  ) {
    this.poller = new Poller({ kind });
  }
  add(fd: number): void {
    this.registrations.set(fd, this.poller.add(fd, ALL, this.trigger));
  }
  remove(fd: number): void {
    this.poller.remove(this.registrations.get(fd)!);
    this.registrations.delete(fd);
  }
  look(): Map<number, number> {
    const count = this.poller.wait(this.events, 0);
    const found = new Map<number, number>();
    for (let i = 0; i < count; i++) {
      const [slot, generation, readiness] = this.events.subarray(i * 3, i * 3 + 3);
      found.set(this.poller.lookup(slot!, generation!)!.fd, readiness!);
    }
    return found;
  }
  close(): void {
    this.poller.close();
  }
}

const loopback: InternetAddress = { family: 4, host: '127.0.0.1', port: 0 };
const bytes = Buffer.alloc(8192, 'x');

/** Sockets in random states: pairs, TCP connections, listeners, sockets that never connected. */
class Sockets {
  readonly fds: number[] = [];
  private readonly listeners: number[] = [];
  readonly poll = new Watcher('poll');
  readonly level = new Watcher('epoll');
  readonly edgeBefore = new Watcher('epoll', 'edge');
  readonly edgeAfter = new Watcher('epoll', 'edge');
  private readonly watchers = [this.poll, this.level, this.edgeBefore, this.edgeAfter];

  private own(fd: number): number {
    expect(fd).toBeGreaterThanOrEqual(0);
    this.fds.push(fd);
    for (const watcher of this.watchers) watcher.add(fd);
    return fd;
  }
  pair(): void {
    for (const fd of descriptors.socketPair()) this.own(fd);
  }
  unconnected(): void {
    this.own(kernel.socket(4));
  }
  listener(): number {
    const fd = this.own(kernel.socket(4));
    kernel.setOption(fd, 'receiveBufferBytes', 4096);
    expect(kernel.bind(fd, loopback)).toBe(0);
    expect(kernel.listen(fd, 16)).toBe(0);
    this.listeners.push(fd);
    return fd;
  }
  /** Leaves a connection in a listener's queue. */
  pending(): number {
    const listener = this.listeners.at(-1) ?? this.listener();
    const fd = this.own(kernel.socket(4));
    kernel.setOption(fd, 'sendBufferBytes', 4096);
    kernel.connect(fd, kernel.localAddress(listener) as InternetAddress);
    return listener;
  }
  connection(): void {
    this.accept(this.pending());
  }
  accept(listener = this.listeners.at(-1)): void {
    const fd = listener === undefined ? -1 : kernel.accept(listener);
    if (fd >= 0) this.own(fd);
  }
  refused(): void {
    const listener = kernel.socket(4);
    kernel.bind(listener, loopback);
    const address = kernel.localAddress(listener) as InternetAddress;
    kernel.close(listener);
    kernel.connect(this.own(kernel.socket(4)), address);
  }
  closeOne(fd: number): void {
    this.fds.splice(this.fds.indexOf(fd), 1);
    if (this.listeners.includes(fd)) this.listeners.splice(this.listeners.indexOf(fd), 1);
    for (const watcher of this.watchers) watcher.remove(fd);
    kernel.close(fd);
  }
  closeAll(): void {
    for (const fd of [...this.fds]) this.closeOne(fd);
    for (const watcher of this.watchers) watcher.close();
  }
}

const actions = {
  pair: (all) => all.pair(),
  connection: (all) => all.connection(),
  pending: (all) => void all.pending(),
  accept: (all) => all.accept(),
  unconnected: (all) => all.unconnected(),
  refused: (all) => all.refused(),
  send: (_, fd) => void kernel.sendBytes(fd, bytes, 0, 100),
  // Less than full: where a third of the queue (TCP), or three quarters (unix), must be free.
  sendMore: (_, fd) => {
    for (let i = 0; i < 8; i++) kernel.sendBytes(fd, bytes, 0, bytes.length);
  },
  fill: (_, fd) => {
    while (kernel.sendBytes(fd, bytes, 0, bytes.length) > 0);
  },
  // Of a send queue some comes free and not all.
  read: (_, fd) => void kernel.recv(fd, 0, 4096),
  drain: (_, fd) => {
    while (kernel.recv(fd, 0, 65536) > 0);
  },
  endReading: (_, fd) => void kernel.shutdown(fd, 0),
  endWriting: (_, fd) => void kernel.shutdown(fd, 1),
  takeError: (_, fd) => void kernel.getOption(fd, 'error'),
  close: (all, fd) => all.closeOne(fd),
  reset: (all, fd) => {
    kernel.setOption(fd, 'lingerS', 0);
    all.closeOne(fd);
  },
} satisfies Record<string, (all: Sockets, fd: number) => void>;

const step = fc.record({
  action: fc.constantFrom(...(Object.keys(actions) as (keyof typeof actions)[])),
  which: fc.nat(1000),
});
/** Something to act on from the start. */
const script = fc.tuple(
  fc.constantFrom('pair' as const, 'connection' as const, 'pending' as const),
  fc.array(step, { minLength: 9, maxLength: 18 }),
);

function look(all: Sockets, options: DescriptorOptions = {}): ReadonlyMap<number, DescriptorFacts> {
  const facts = readDescriptors(process.pid, { ...options, fds: all.fds });
  if (!isKnown(facts)) throw new Error(facts.unavailable);
  return facts.value;
}

/** Loopback may deliver a moment later on a busy machine: looks again until poll says the same before and after. */
function stableLook(
  all: Sockets,
  options: DescriptorOptions = {},
): { facts: ReadonlyMap<number, DescriptorFacts>; polled: Map<number, number>; level: Map<number, number> } {
  for (let attempt = 0; attempt < 50; attempt++) {
    const before = all.poll.look();
    const facts = look(all, options);
    const level = all.level.look();
    const polled = all.poll.look();
    if (all.fds.every((fd) => before.get(fd) === polled.get(fd))) return { facts, polled, level };
  }
  throw new Error('the sockets did not come to rest');
}

/** The names of the bits that the answers have wrong. */
function wrong(answers: DerivedReadiness, polled: number): string[] {
  return Object.entries(BITS).flatMap(([name, bit]) => {
    const answer = answers[name as keyof typeof BITS];
    return answer === 'unknown' || (answer === 'yes') === ((polled & bit) !== 0)
      ? []
      : [`${name}: ${answer}`];
  });
}

interface Tally {
  states: number;
  answers: number;
  unknown: number;
}

function runScript(
  first: 'pair' | 'connection' | 'pending',
  steps: readonly { action: keyof typeof actions; which: number }[],
  check: (all: Sockets) => void,
): void {
  const all = new Sockets();
  try {
    all[first]();
    check(all);
    for (const { action, which } of steps) {
      if (all.fds.length === 0) all.pair();
      actions[action](all, all.fds[which % all.fds.length]!);
      check(all);
    }
  } finally {
    all.closeAll();
  }
}

describe.runIf(process.platform === 'linux')('sockets in random states', () => {
  test('readiness derived from sock_diag is that of poll(2), or unknown', () => {
    const tally: Tally = { states: 0, answers: 0, unknown: 0 };
    const check = (all: Sockets): void => {
      const { facts, polled, level } = stableLook(all);
      tally.states++;
      for (const fd of all.fds) {
        const one = facts.get(fd)!;
        const derived = derivedReadiness(one, epollEvents(ALL, 0));
        const seen = polled.get(fd) ?? 0;
        const faults = wrong(derived, seen);
        if (faults.length > 0) expect({ one, seen, faults }).toEqual({ one, seen, faults: [] });
        if (derived.levelReports !== 'unknown' && (derived.levelReports === 'yes') !== level.has(fd))
          expect({ one, derived, level: level.get(fd) }).toBe('what a level-triggered set reports');
        const { readable, writable } = derived;
        tally.answers += 2;
        for (const answer of [readable, writable]) if (answer === 'unknown') tally.unknown++;
        // Of a connected socket both are known: "unknown" is not a way out.
        const connected = one.kind === 'socket' && isKnown(one.socket);
        if (connected && (readable === 'unknown' || writable === 'unknown'))
          expect({ one, derived }).toBe('known, since it is connected');
      }
    };
    fc.assert(
      fc.property(script, ([first, steps]) => runScript(first, steps, check)),
      { numRuns: 32 },
    );
    expect(tally.states).toBeGreaterThanOrEqual(300);
    expect(tally.unknown / tally.answers).toBeLessThan(0.5);
  }, 120_000); // on a busy machine each look is taken again until nothing has changed meanwhile

  test('what is derived from the files of /proc alone is right too where it is known', () => {
    let known = 0;
    const check = (all: Sockets): void => {
      const { facts, polled } = stableLook(all, { inspector: noInspector });
      for (const fd of all.fds) {
        const derived = derivedReadiness(facts.get(fd)!);
        expect(wrong(derived, polled.get(fd) ?? 0)).toEqual([]);
        if (derived.writable !== 'unknown') known++;
      }
    };
    fc.assert(
      // The kernel walks its whole hash table for each: only the last state is looked at.
      fc.property(script, ([first, steps]) => {
        let left = steps.length;
        runScript(first, steps, (all) => {
          if (left-- === 0) check(all);
        });
      }),
      { numRuns: 12 },
    );
    expect(known).toBeGreaterThan(0);
  });

  test('a look takes no edge: an edge-triggered set reports after it all that another reported before', () => {
    let reports = 0;
    fc.assert(
      fc.property(script, ([first, steps]) => {
        // What came between the two waits (an acknowledgement, say) the second set has reported already, the first not.
        let previous = new Map<number, number>();
        runScript(first, steps, (all) => {
          const before = all.edgeBefore.look();
          look(all);
          const after = all.edgeAfter.look();
          for (const [fd, readiness] of before) {
            if (previous.has(fd)) continue;
            reports++;
            expect((after.get(fd) ?? 0) & readiness).toBe(readiness);
          }
          previous = after;
        });
      }),
      { numRuns: 20 },
    );
    expect(reports).toBeGreaterThan(50);
  });

  test('a look takes no byte and no error', () => {
    const all = new Sockets();
    try {
      all.pair();
      const [near, far] = all.fds as [number, number];
      kernel.sendBytes(near, bytes, 0, 5);
      look(all);
      expect(kernel.recv(far, 0, 100)).toBe(5);
      // Unread data at the close of one end is a reset at the other.
      kernel.sendBytes(far, bytes, 0, 5);
      all.closeOne(near);
      look(all);
      expect(kernel.getOption(far, 'error')).toBeGreaterThan(0);
    } finally {
      all.closeAll();
    }
  });
});

test.each([
  ['edge-triggered', EPOLL_FLAGS.EPOLLIN | EPOLL_FLAGS.EPOLLET, 'yes', /edge .* cannot be seen/],
  ['a oneshot that has fired', EPOLL_FLAGS.EPOLLONESHOT, 'no', /oneshot, and has fired/],
  ['asked only for what is not so', EPOLL_FLAGS.EPOLLHUP, 'no', null],
])('an eventfd above 0, %s', (_, events, levelReports, remark) => {
  const source = { source: 'recorded' };
  const derived = derivedReadiness({ fd: 7, kind: 'eventfd', count: { value: 1n, ...source } }, events);
  expect(derived).toMatchObject({ readable: 'yes', writable: 'yes', error: 'no', levelReports });
  if (remark === null) expect(derived.remarks).toEqual([]);
  else expect(derived.remarks.join()).toMatch(remark);
});
