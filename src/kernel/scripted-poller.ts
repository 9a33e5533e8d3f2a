// The scripted kernel's descriptor table and its poller: the in-memory counterpart of epoll(7), entry for entry.

import { constants } from 'node:os';
import {
  ALWAYS_REPORTED,
  EDGE,
  EVENT_STRIDE,
  INTEREST_MASK,
  ONESHOT,
  READABLE,
  READ_CLOSED,
  TRIGGER_MASK,
} from '../poller/poller.js';
import type { KernelPoller, PollerCapabilities } from '../poller/poller.js';
import type { VirtualClock } from './clock.js';

const E = constants.errno;

/** Every bit: a change of state, at which the kernel wakes all waiters whatever they wait for. */
export const ANY_CHANGE = -1;

/** A `wait` that could never end: nothing is ready, nothing is scheduled, and no timeout was given. */
export class ScriptDeadlockError extends Error {
  /** Stable from version to version. */
  readonly code = 'ERR_SCRIPT_DEADLOCK';
  /** The name of the class. */
  override readonly name = 'ScriptDeadlockError';
}

/**
 * What a descriptor names: an open file description (open(2)). Several descriptors may name one, and it goes only when
 * the last of them is closed. Poller entries hang off the description, not off the descriptor: hence epoll's phantoms.
 */
export abstract class OpenFile {
  descriptors = 0;
  readonly watchers = new Set<Watcher>();
  /** Regular files and /dev/null have no poll operation; epoll_ctl(2) refuses them with EPERM. */
  readonly pollable: boolean = true;

  /** All that is true of the file now, as readiness bits. */
  abstract poll(): number;
  /** The last descriptor is gone. */
  protected released?(): void;

  /**
   * Something happened: `key` says what, and only watchers that asked for it take notice. Who came last is told first, as in
   * the kernel's wait queues.
   */
  signal(key: number): void {
    for (const watcher of [...this.watchers].reverse()) watcher.poller.notice(watcher, key);
  }

  dispose(): void {
    for (const watcher of this.watchers) watcher.poller.forget(watcher);
    this.released?.();
  }
}

/** The placeholder that `openReserve` opens: /dev/null. */
export class NullFile extends OpenFile {
  override readonly pollable = false;
  poll(): number {
    return 0;
  }
}

/** Numbers for open files: always the lowest free one (open(2)), so that a closed number comes back at once. */
export class DescriptorTable {
  readonly #files: (OpenFile | undefined)[] = [];
  readonly #limits: { readonly fdLimit: number };
  /** No number below is free. 0, 1 and 2 belong to the process's standard streams. */
  #lowest = 3;

  constructor(limits: { readonly fdLimit: number }) {
    this.#limits = limits;
  }

  get(fd: number): OpenFile | undefined {
    return this.#files[fd];
  }

  /** RLIMIT_NOFILE bounds the number itself, not the count of open files: getrlimit(2). */
  get full(): boolean {
    while (this.#files[this.#lowest] !== undefined) this.#lowest++;
    return this.#lowest >= this.#limits.fdLimit;
  }

  open(file: OpenFile): number {
    if (this.full) return -E.EMFILE;
    file.descriptors++;
    this.#files[this.#lowest] = file;
    return this.#lowest;
  }

  close(fd: number): number {
    const file = this.#files[fd];
    if (file === undefined) return -E.EBADF;
    this.#files[fd] = undefined;
    this.#lowest = Math.min(this.#lowest, fd);
    if (--file.descriptors === 0) file.dispose();
    return 0;
  }

  /** The lowest descriptor that names `file`, or -1. */
  find(file: OpenFile): number {
    return this.#files.indexOf(file);
  }

  list(): number[] {
    return [...this.#files.keys()].filter((fd) => this.#files[fd] !== undefined);
  }
}

/** One entry of a poller, keyed as in epoll by file and descriptor together. */
export interface Watcher {
  readonly poller: ScriptedPoller;
  readonly file: OpenFile;
  readonly fd: number;
  interest: number;
  slot: number;
  generation: number;
  /** False once a oneshot has reported: then not even HANGUP comes until it is modified. */
  armed: boolean;
  /** Readiness forced by a test, reported once. */
  forced: number;
}

/** What an entry reports of what is so. The peer's half-close belongs to reading: it is told to those who asked to read. */
function mask(watcher: Watcher): number {
  if (!watcher.armed) return 0;
  const asked = watcher.interest & INTEREST_MASK;
  return asked | ALWAYS_REPORTED | (asked & READABLE ? READ_CLOSED : 0);
}

function readiness(watcher: Watcher): number {
  return (watcher.file.poll() | watcher.forced) & mask(watcher);
}

/** The poller of kind `scripted`: level, edge and oneshot as epoll gives them; a descriptor itself, so it nests. */
export class ScriptedPoller extends OpenFile implements KernelPoller {
  readonly kind = 'scripted';
  readonly capabilities: PollerCapabilities = {
    edge: true,
    oneshot: true,
    exclusive: false,
    nestable: true,
    fdMax: Infinity,
    // Timeouts are honoured exactly; a nanosecond is named for those who divide by it.
    resolutionMs: 1e-6,
  };
  readonly fd: number;
  readonly #table: DescriptorTable;
  readonly #clock: VirtualClock;
  readonly #entries = new Set<Watcher>();
  /**
   * epoll's ready list: entries that something happened to, in that order. Being here is only a hint; what is reported is
   * what poll() says when the list is read. A Set keeps insertion order, and taking out and adding again moves to the tail.
   */
  readonly #ready = new Set<Watcher>();
  #woken = false;
  #raw: Int32Array | null = null;
  #closed = false;

  constructor(table: DescriptorTable, clock: VirtualClock) {
    super();
    this.#table = table;
    this.#clock = clock;
    this.fd = table.open(this);
  }

  add(fd: number, interest: number, slot: number, generation: number): number {
    const file = this.#table.get(fd);
    if (this.#closed || file === undefined) return -E.EBADF;
    if (!file.pollable) return -E.EPERM;
    if (file === this || (interest & ~(INTEREST_MASK | EDGE | ONESHOT)) !== 0) return -E.EINVAL;
    if (this.#find(fd) !== undefined) return -E.EEXIST;
    if (file instanceof ScriptedPoller && file.#holds(this)) return -E.ELOOP;
    const watcher: Watcher = { poller: this, file, fd, interest, slot, generation, armed: true, forced: 0 };
    this.#entries.add(watcher);
    file.watchers.add(watcher);
    this.#arm(watcher);
    return 0;
  }

  modify(fd: number, interest: number, slot: number, generation: number): number {
    if (this.#closed || this.#table.get(fd) === undefined) return -E.EBADF;
    if ((interest & ~(INTEREST_MASK | EDGE | ONESHOT)) !== 0) return -E.EINVAL;
    const watcher = this.#find(fd);
    if (watcher === undefined) return -E.ENOENT;
    Object.assign(watcher, { interest, slot, generation, armed: true });
    this.#arm(watcher);
    return 0;
  }

  remove(fd: number): number {
    // A phantom cannot be taken out by its old number: that is closed, or names another file by now.
    if (this.#closed || this.#table.get(fd) === undefined) return -E.EBADF;
    const watcher = this.#find(fd);
    if (watcher === undefined) return -E.ENOENT;
    this.forget(watcher);
    return 0;
  }

  allocateEvents(eventsMax: number): Int32Array {
    return new Int32Array(eventsMax * EVENT_STRIDE);
  }

  /** There are no flags below ours here: the same bits. */
  rawFlags(eventsMax: number): Int32Array {
    return (this.#raw = new Int32Array(eventsMax));
  }

  /**
   * Waits as {@link KernelPoller.wait} says, in virtual time: with nothing ready it goes on to the next scheduled action,
   * and stops as soon as one has made something ready. Throws {@link ScriptDeadlockError} instead of waiting for ever.
   */
  wait(events: Int32Array, timeoutMs: number): number {
    const capacity = Math.floor(events.length / EVENT_STRIDE);
    if (capacity === 0 || Number.isNaN(timeoutMs)) return -E.EINVAL;
    const deadlineMs = this.#clock.now() + Math.max(0, timeoutMs);
    // What is due already happens whatever is ready, or a busy set would hold it off for ever.
    while (this.#clock.runNext(this.#clock.now()));
    for (;;) {
      if (this.#closed) return -E.EBADF;
      const count = this.#harvest(events, capacity);
      if (count > 0 || this.#woken) {
        this.#woken = false;
        return count;
      }
      if (Math.min(deadlineMs, this.#clock.nextMs) === Infinity) throw this.#deadlock();
      if (!this.#clock.runNext(deadlineMs)) {
        this.#clock.advanceTo(deadlineMs);
        return 0;
      }
    }
  }

  wake(): void {
    this.#woken = true;
    this.signal(READABLE);
  }

  close(): void {
    if (!this.#closed) this.#table.close(this.fd);
  }

  protected override released(): void {
    this.#closed = true;
    for (const watcher of this.#entries) this.forget(watcher);
  }

  /** A poller is readable while it has something to report; that is how one waits on another. */
  poll(): number {
    for (const watcher of this.#ready) if (readiness(watcher) !== 0) return READABLE;
    return this.#woken ? READABLE : 0;
  }

  /** ep_poll_callback: an entry joins the ready list when what happened concerns it, and is in it once at most. */
  notice(watcher: Watcher, key: number): void {
    if ((mask(watcher) & key) === 0) return;
    this.#ready.add(watcher);
    this.signal(READABLE);
  }

  forget(watcher: Watcher): void {
    this.#entries.delete(watcher);
    this.#ready.delete(watcher);
    watcher.file.watchers.delete(watcher);
  }

  /** Interest and trigger of `fd`, as /proc/PID/fdinfo shows them (a spent oneshot keeps its trigger alone); undefined if absent. */
  interestOf(fd: number): number | undefined {
    const watcher = this.#find(fd);
    return watcher && (watcher.armed ? watcher.interest : watcher.interest & TRIGGER_MASK);
  }

  #find(fd: number): Watcher | undefined {
    for (const watcher of this.#table.get(fd)?.watchers ?? []) {
      if (watcher.poller === this && watcher.fd === fd) return watcher;
    }
    return undefined;
  }

  #holds(poller: ScriptedPoller): boolean {
    return [...this.#entries].some(
      ({ file }) => file === poller || (file instanceof ScriptedPoller && file.#holds(poller)),
    );
  }

  /** Adding and modifying look at once: an edge registration of something ready reports it (epoll(7)). */
  #arm(watcher: Watcher): void {
    const now = readiness(watcher);
    if (now !== 0) this.notice(watcher, now);
  }

  /**
   * ep_send_events: each entry of the list is asked once what is so. Level entries go back to its tail, so that with fewer
   * places than ready entries the next call begins with those not yet told; edge and oneshot ones leave it.
   */
  #harvest(events: Int32Array, capacity: number): number {
    let count = 0;
    let left = this.#ready.size;
    for (const watcher of this.#ready) {
      if (left-- === 0 || count === capacity) break;
      this.#ready.delete(watcher);
      const report = readiness(watcher);
      watcher.forced = 0;
      if (report === 0) continue;
      if (this.#raw !== null) this.#raw[count] = report;
      events.set([watcher.slot, watcher.generation, report], count++ * EVENT_STRIDE);
      if (watcher.interest & ONESHOT) watcher.armed = false;
      else if ((watcher.interest & EDGE) === 0) this.#ready.add(watcher);
    }
    return count;
  }

  #deadlock(): ScriptDeadlockError {
    const list = [...this.#entries]
      .map((watcher) => `fd ${watcher.fd} (interest ${watcher.interest})`)
      .join(', ');
    return new ScriptDeadlockError(
      `wait(Infinity) would never return: nothing is scheduled on the clock and nothing is ready of ${list || 'an empty set'}`,
    );
  }
}
