// Entries of a recording in words: what was recorded, what the program does now, and what went before.

import { describeErrno } from '../errors.js';
import { describeReadiness } from '../poller/poller.js';
import { ITEM_KINDS } from '../trace/format.js';
import type { Cursor } from './decode.js';
import { OP } from './format.js';

type Entry = (cursor: Cursor, texts: readonly string[]) => Parts;

/** What the program does, and what it got; the latter can be asked for only where it stands in the entry. */
interface Parts {
  readonly what: string;
  readonly result?: () => string;
}

const number = (result: number): string => {
  const name = result < 0 ? describeErrno(result)?.[0] : undefined;
  return name === undefined ? String(result) : `-${name}`;
};
const hash = (word: number): string => `#${word.toString(16).padStart(8, '0')}`;
const kindOf = (place: number): string => ITEM_KINDS[place] ?? `kind ${place}`;
const named = (name: string): string => (name === '' ? '(without a name)' : name);
export const TIMER_KINDS = ['setTimeout', 'setInterval', 'setImmediate'] as const;

/** One item in words: `readable of fd 7: Connection`. */
export function itemWords(kind: string, fd: number, readiness: number, name: string): string {
  return kind === 'readiness'
    ? `${describeReadiness(readiness)} of fd ${fd}: ${named(name)}`
    : `${kind}: ${named(name)}`;
}

const numbers =
  (call: string, count: number): Entry =>
  (c) => {
    const args = Array.from({ length: count }, () => c.int());
    return { what: `${call}(${args.join(', ')})`, result: () => number(c.int()) };
  };
const bytesOut =
  (call: string): Entry =>
  (c) => {
    const [fd, length] = [c.int(), c.int()];
    return { what: `${call}(${fd}, ${length} bytes ${hash(c.word())})`, result: () => number(c.int()) };
  };
const value =
  (what: string, read: (c: Cursor) => unknown): Entry =>
  (c) => ({ what, result: () => String(read(c)) });
const own =
  (read: (c: Cursor, texts: readonly string[]) => string): Entry =>
  (c, texts) => ({ what: read(c, texts) });

const entries: Readonly<Record<number, Entry>> = {
  [OP.now]: (c) => ({
    what: 'reads the clock',
    result: () => {
      const delta = c.int();
      return delta === 0 ? `${c.double()} ms` : `${(delta - 1) / 1000} us later`;
    },
  }),
  [OP.recv]: numbers('recv', 3),
  [OP.read]: numbers('read', 3),
  [OP.send]: bytesOut('send'),
  [OP.sendBytes]: bytesOut('send'),
  [OP.write]: bytesOut('write'),
  [OP.pieces]: (c, texts) => {
    const [call, fd, count, length] = [c.name(texts), c.int(), c.int(), c.int()];
    const what = `${call}(${fd}, ${count} pieces, ${length} bytes ${hash(c.word())})`;
    return { what, result: () => number(c.int()) };
  },
  [OP.accept]: numbers('accept', 1),
  [OP.close]: numbers('close', 1),
  [OP.call]: (c, texts) => {
    const [call, args] = [c.name(texts), c.text()];
    return { what: `${call}(${args.slice(1, -1)})`, result: () => c.text() };
  },
  [OP.openPoller]: (c, texts) => ({ what: `opens a poller: ${c.name(texts)}`, result: () => c.text() }),
  [OP.pollerAdd]: (c) => interest('adds to', c),
  [OP.pollerModify]: (c) => interest('changes in', c),
  [OP.pollerRemove]: (c) => ({
    what: `removes from poller ${c.int()} fd ${c.int()}`,
    result: () => number(c.int()),
  }),
  [OP.wait]: (c) => ({
    what: `waits on poller ${c.int()} for at most ${c.number()} ms`,
    result: () => `${number(c.int())} ready`,
  }),
  [OP.pollerClose]: own((c) => `closes poller ${c.int()}`),
  [OP.pollerWake]: own((c) => `wakes poller ${c.int()}`),
  [OP.receiveDatagrams]: numbers('receiveDatagrams', 3),
  [OP.sendDatagrams]: (c) => {
    const [fd, count] = [c.int(), c.int()];
    return { what: `sendDatagrams(${fd}, ${count} of ${hash(c.word())})`, result: () => number(c.int()) };
  },
  [OP.reactor]: own((c) => `goes on with reactor ${c.int() + 1}`),
  [OP.reactorOpened]: own((c, texts) => `makes reactor ${c.int() + 1} on ${c.name(texts)}`),
  [OP.reactorClosed]: own(() => 'closes the reactor'),
  [OP.turnBegin]: own((c) => `begins turn ${c.int()}`),
  [OP.item]: own((c, texts) => {
    const [kind, fd, readiness, timer] = [kindOf(c.int()), c.int(), c.int(), c.int()];
    const words = itemWords(kind, fd, readiness, c.name(texts));
    return `runs ${words}${timer < 0 ? '' : ` (timer ${timer})`}`;
  }),
  [OP.itemEnd]: own(() => 'is done with the item'),
  [OP.stale]: own((c) => `drops a stale readiness of slot ${c.int()}, generation ${c.int()}`),
  [OP.timerSet]: own((c, texts) => `sets timer ${c.int()} for ${c.number()} ms: ${named(c.name(texts))}`),
  [OP.timerCancelled]: own((c) => `cancels timer ${c.int()}`),
  [OP.queued]: own((c, texts) => `queues ${kindOf(c.int())}: ${named(c.name(texts))}`),
  [OP.resumed]: own((c, texts) => `settles ${c.name(texts)}`),
  [OP.error]: own((c) => `throws in ${kindOf(c.int())}: ${c.text()}`),
  [OP.turnEnd]: own((c) => {
    const [turn, size, timers, posted, deferred, closed] = Array.from({ length: 6 }, () => c.int());
    const queues = `${posted}, ${deferred}, ${closed} queued`;
    const bytes = `bytes written so far ${hash(c.word())}`;
    return `ends turn ${turn}: ${size} registrations, ${timers} timers, ${queues}, ${bytes}`;
  }),
  [OP.state]: own((c) => `is in the state ${c.text()}`),
  [OP.date]: value('asks for the date', (c) => c.number()),
  [OP.performanceNow]: value('calls performance.now()', (c) => c.number()),
  [OP.random]: value('calls Math.random()', (c) => c.number()),
  [OP.uuid]: value('calls randomUUID()', (c) => c.text()),
  [OP.timeout]: own((c) => {
    const [id, kind, delay] = [c.int(), c.int(), c.number()];
    return `calls ${TIMER_KINDS[kind] ?? 'a timer'}${kind === 2 ? '' : ` for ${delay} ms`} (number ${id})`;
  }),
  [OP.clearTimeout]: own((c) => `clears the runtime's timer ${c.int()}`),
  [OP.outcome]: (c) => ({
    what: `takes what a native thread has done (pool ${c.int()})`,
    result: () => (c.int() === 0 ? 'nothing' : `call ${c.int()}: ${number(c.int())}`),
  }),
  [OP.host]: value("asks for the runtime's descriptors", (c) => `${c.int()}, ${c.int()}`),
  [OP.turn]: own((c) => `the host: a turn of reactor ${c.int() + 1}, with waits of at most ${c.number()} ms`),
  [OP.shared]: own(() => 'the host: one wait for several reactors'),
  [OP.drain]: own(() => 'the host: process.nextTick and promises run'),
  [OP.runEnded]: own((c) => `the host: run() of reactor ${c.int() + 1} ends`),
  [OP.callback]: own((c) => `the runtime: its timer ${c.int()} fires`),
  [OP.signal]: own((c) => `the runtime: ${c.text()} comes`),
  [OP.beforeExit]: own((c) => `has nothing more to do (beforeExit), with exit status ${c.int()}`),
  [OP.exit]: own((c) => `exits with status ${c.int()}, in the state ${c.text()}`),
  [OP.limit]: own(() => 'the recording ends at its bound of bytes'),
};

function interest(what: string, c: Cursor): Parts {
  const [poller, fd, bits, slot, generation] = Array.from({ length: 5 }, () => c.int());
  return {
    what: `${what} poller ${poller} fd ${fd}: ${describeReadiness(bits & 0xff)}, slot ${slot}, generation ${generation}`,
    result: () => number(c.int()),
  };
}

function parts(cursor: Cursor, texts: readonly string[]): Parts {
  const op = cursor.byte();
  return Object.hasOwn(entries, op) ? entries[op](cursor, texts) : { what: `an unknown entry ${op}` };
}

/** An entry of the recording, with its result. */
export function describeEntry(cursor: Cursor, texts: readonly string[]): string {
  try {
    const { what, result } = parts(cursor, texts);
    return result === undefined ? what : `${what} = ${result()}`;
  } catch {
    return 'an entry that cannot be read';
  }
}

/** What the program does now, which has no result. */
export function describeOwn(cursor: Cursor, texts: readonly string[]): string {
  return parts(cursor, texts).what;
}
