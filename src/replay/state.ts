// The state of a program's reactors as one hash: registrations, interests, timers, queues, counters, and every byte written.
// All of it is read from the live structures: in a replay it says what the program that runs now has reached.

import { createHash, type Hash } from 'node:crypto';
import { itemName } from '../reactor/observer.js';
import type { Reactor } from '../reactor/reactor.js';
import type { Source } from '../reactor/run-queue.js';
import type { Lanes } from './hash.js';

export interface StateHash {
  /** 64 hexadecimal digits. */
  readonly hash: string;
  /** Registrations, timers and tasks that it is made of. */
  readonly parts: number;
}

/** Gathered and then hashed as one: a call of the hash for each number would be dearer than the number. */
const PIECE_CHARACTERS = 64 * 1024;

class Sum {
  private readonly hash: Hash = createHash('sha256');
  private text = '';
  parts = 0;

  add(...values: readonly (string | number | boolean | bigint)[]): void {
    this.text += `${values.join(' ')}\n`;
    if (this.text.length > PIECE_CHARACTERS) this.flush();
  }
  bytes(bytes: Uint8Array): void {
    this.flush();
    this.hash.update(bytes);
  }
  digest(): string {
    this.flush();
    return this.hash.digest('hex');
  }
  private flush(): void {
    this.hash.update(this.text);
    this.text = '';
  }
}

/** `reactors` by number, with null for those that are closed; `written`: what was sent so far. */
export function stateHash(reactors: readonly (Reactor | null)[], written: Lanes): StateHash {
  const sum = new Sum();
  sum.add('written', written.a, written.b);
  reactors.forEach((reactor, index) => {
    sum.add('reactor', index, reactor === null ? 'closed' : 'open');
    if (reactor !== null) addReactor(sum, reactor);
  });
  return { hash: sum.digest(), parts: sum.parts };
}

function addReactor(sum: Sum, reactor: Reactor): void {
  const { registry, timers, queues, flushes } = reactor;
  sum.add(
    'turn',
    reactor.turnNumber,
    reactor.dueNext,
    reactor.due.length,
    reactor.eventNext,
    reactor.eventEnd,
  );
  sum.add('registry', registry.slotsUsed, registry.size, registry.referenced);
  for (let slot = 0; slot < registry.slotsUsed; slot++) {
    const source = registry.source(slot);
    sum.parts++;
    sum.add(slot, registry.generation(slot));
    if (source === null) continue;
    sum.add(
      registry.fd(slot),
      registry.interest(slot),
      registry.trigger(slot),
      registry.isReferenced(slot),
      itemName(source),
    );
    addSource(sum, source);
  }
  sum.add('timers', timers.size, timers.referenced);
  for (const timer of timers.soonest(timers.size)) {
    sum.parts++;
    sum.add(timer.deadlineMs, timer.sequence, timer.referenced, timer.name);
  }
  for (const queue of [...queues, flushes]) {
    sum.add('queue', queue.kind, queue.left, queue.length);
    for (let i = 0; i < queue.length; i++) sum.add(itemName(queue.peek(i)));
    sum.parts += queue.length;
  }
}

interface Queue {
  readonly bytes: number;
  readonly offset: number;
  readonly pieces: readonly Uint8Array[];
  endOf(index: number): number;
}

/**
 * What a connection, a listener, a watch has in fields of its own: descriptor, state, counters of bytes. By form and not by
 * class: the program may have another copy of this package.
 */
function addSource(sum: Sum, source: Source): void {
  addFields(sum, source);
  const { rare } = source as { rare?: { queue?: Queue | null } | null };
  if (rare === null || rare === undefined) return;
  addFields(sum, rare);
  const { queue } = rare;
  if (queue === null || queue === undefined) return;
  sum.add('write queue', queue.bytes, queue.offset);
  queue.pieces.forEach((piece, i) => sum.bytes(piece.subarray(0, queue.endOf(i))));
}

function addFields(sum: Sum, object: object): void {
  for (const [name, value] of Object.entries(object) as [string, unknown][]) {
    if (name === 'context') continue; // the program's own
    const kind = typeof value;
    if (kind === 'number' || kind === 'boolean' || kind === 'string' || kind === 'bigint') {
      sum.add(name, value as number);
    }
  }
}
