// The oracle of stale calls: holds each call into the program against the inode that the socket had when it was registered.

import { fstatSync } from 'node:fs';

const STRIDE = 3;
/** Stale calls that are told in words; the rest are counted. */
const TOLD_MAX = 5;

/** The inode behind a descriptor; -1 when it is not open. Sockets get a new inode each, however often a number is reused. */
export function inodeOf(fd) {
  if (fd < 0) return -1;
  try {
    return fstatSync(fd).ino;
  } catch {
    return -1;
  }
}

/**
 * Knows of each token (slot, generation) which file it was registered for, by its own notes, and which token is being
 * dispatched. It looks into the reactor for that: an observer would change what is tested, and is not told the token.
 */
export class Guard {
  /** Readinesses that the reactor dispatched, stale ones included. */
  events = 0;
  /** Calls into the program. */
  calls = 0;
  /** Readinesses whose registration had gone when their turn came. */
  staleEvents = 0;
  /** Of those, the ones whose slot had been given to another registration meanwhile. */
  reusedSlots = 0;
  staleCalls = 0;
  /** @type {string[]} */
  told = [];
  #generations = new Int32Array(64);
  #inodes = new Float64Array(64).fill(-1);
  /** Tokens whose slot was given away in this batch. @type {Map<number, number>} */
  #replaced = new Map();
  #slot = -1;
  #generation = -1;

  constructor(reactor) {
    const { poller, registry } = reactor;
    const add = poller.add.bind(poller);
    const wait = poller.wait.bind(poller);
    const dispatch = reactor.dispatchReadiness.bind(reactor);
    poller.add = (fd, interest, slot, generation) => {
      const result = add(fd, interest, slot, generation);
      if (result >= 0) this.#note(slot, generation, inodeOf(fd));
      return result;
    };
    poller.wait = (events, timeoutMs) => {
      // What the last batch was told of has been dispatched.
      if (this.#replaced.size > 0) this.#replaced.clear();
      return wait(events, timeoutMs);
    };
    reactor.dispatchReadiness = (at) => {
      const { events } = reactor;
      this.#slot = events[at];
      this.#generation = events[at + 1];
      this.events++;
      if (registry.generation(this.#slot) !== this.#generation) {
        this.staleEvents++;
        if (registry.source(this.#slot) !== null) this.reusedSlots++;
      }
      dispatch(at);
      this.#slot = -1;
    };
    this.reactor = reactor;
  }

  #note(slot, generation, inode) {
    if (slot >= this.#generations.length) {
      const generations = new Int32Array(slot * 2);
      generations.set(this.#generations);
      const inodes = new Float64Array(slot * 2).fill(-1);
      inodes.set(this.#inodes);
      this.#generations = generations;
      this.#inodes = inodes;
    }
    const before = this.#generations[slot];
    if (before !== 0 && before !== generation)
      this.#replaced.set(slot * 2 ** 31 + before, this.#inodes[slot]);
    this.#generations[slot] = generation;
    this.#inodes[slot] = inode;
  }

  #registered(slot, generation) {
    if (this.#generations[slot] === generation) return this.#inodes[slot];
    return this.#replaced.get(slot * 2 ** 31 + generation) ?? -1;
  }

  /**
   * A call into the program that concerns `fd`, whose inode was `inode` when the program got it. `closed`: the program
   * has closed it before. Returns whether the call is one that should be.
   */
  call(what, fd, inode, closed) {
    this.calls++;
    const now = inodeOf(fd);
    if (closed || now !== inode || now === -1) {
      this.#stale(`${what} of fd ${fd}: ${closed ? 'closed before' : `inode ${inode} is ${now} now`}`);
      return false;
    }
    if (this.#slot === -1) return true; // a timer or a task: no readiness
    const registered = this.#registered(this.#slot, this.#generation);
    if (registered === now) return true;
    const token = `slot ${this.#slot}, generation ${this.#generation}`;
    this.#stale(
      `${what} of fd ${fd} with inode ${now}: the readiness of ${token} was for inode ${registered}`,
    );
    return false;
  }

  #stale(text) {
    this.staleCalls++;
    if (this.told.length < TOLD_MAX) this.told.push(text);
  }

  /** The sources whose readiness stands behind in this batch, still registered. */
  *neighbours() {
    const { events, eventEnd, registry } = this.reactor;
    for (let at = this.reactor.eventNext; at < eventEnd; at += STRIDE) {
      if (registry.generation(events[at]) === events[at + 1]) yield registry.source(events[at]);
    }
  }
}
