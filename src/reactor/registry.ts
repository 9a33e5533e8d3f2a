// Owns registrations: which fd, what interest, whose handler; gives out tokens (slot and generation), never a bare fd.

import { SystemError, UnderloopError } from '../errors.js';
import { EBADF, EEXIST, ENOENT, ENOSPC, ENOTSUP, EPERM, ERANGE } from '../kernel/errno.js';
import {
  ALWAYS_REPORTED,
  INTEREST_MASK,
  NONE,
  READABLE,
  READ_CLOSED,
  TRIGGER_MASK,
} from '../poller/poller.js';
import type { KernelPoller } from '../poller/poller.js';
import type { InterestChange, Observer } from './observer.js';

/** The highest generation; the next is 1 again. 2^31 reuses of one slot within one batch cannot happen. */
const GENERATION_MAX = 0x7fffffff;

/** What the registry believes of one registration: what the kernel should have, if nobody went behind its back. */
export interface Belief {
  readonly slot: number;
  readonly generation: number;
  readonly fd: number;
  /** READABLE | WRITABLE | PRIORITY; NONE: parked, and not in the kernel's set. */
  readonly interest: number;
  /** EDGE | ONESHOT | EXCLUSIVE; 0 is level. */
  readonly trigger: number;
}

/** In a slot's state, beside interest and trigger: it keeps `run()` going. */
const REFERENCED = 1 << 15;

/**
 * Registrations of one poller. Plain arrays indexed by slot: 10 bytes and one reference per registration, and nothing
 * is allocated per event. A registration without interest is *parked*: known here, but taken out of the kernel's set,
 * since a hang-up is reported whatever the interest and a level-triggered one would be reported for ever (epoll_ctl(2)).
 */
export class Registry<Source> {
  private fds = new Int32Array(16);
  private generations = new Int32Array(16).fill(1);
  /** Interest, trigger and {@link REFERENCED} in one. */
  private states = new Uint16Array(16);
  private sources: (Source | null)[] = [];
  private slotByFd = new Int32Array(64).fill(-1);
  private readonly free: number[] = [];
  /** How many slots have been used; slots at or above it are unknown. */
  private used = 0;
  /** Whether registrations are taken: until {@link close}. */
  open = true;
  /** Live registrations. */
  size = 0;
  /** What keeps `run()` going: referenced registrations, and what {@link hold} holds. */
  referenced = 0;
  /** Told of what may concern a wait in another thread: see thread-host.ts. Else null. @internal */
  changed: (() => void) | null = null;

  constructor(
    readonly poller: KernelPoller,
    private readonly observer: Observer | null = null,
  ) {}

  /** Registers `fd` and returns its slot. Throws a coded error that explains a refusal. */
  add(fd: number, interest: number, trigger: number, source: Source, referenced = true): number {
    if (!this.open) throw new UnderloopError('ERR_CLOSED', 'the reactor or poller is closed; make a new one');
    const before = fd < this.slotByFd.length ? this.slotByFd[fd] : -1;
    // A parked one is not in the kernel's set, which therefore cannot refuse the second.
    if (before >= 0 && this.interest(before) === NONE) throw registeredTwice(fd);
    const slot = this.free.length > 0 ? (this.free.pop() as number) : this.nextSlot();
    const generation = this.generations[slot];
    const result = this.poller.add(fd, (interest === NONE ? READABLE : interest) | trigger, slot, generation);
    if (result < 0) {
      this.free.push(slot);
      throw explain(result, fd, this.poller);
    }
    // Parked from the start: the kernel was asked all the same, so that a wrong descriptor is refused here.
    if (interest === NONE) this.poller.remove(fd);
    // The kernel did not know this number: whoever had it closed the descriptor without deregistering it.
    if (before >= 0) this.release(before);
    this.growFds(fd);
    this.slotByFd[fd] = slot;
    this.fds[slot] = fd;
    this.states[slot] = interest | trigger;
    this.sources[slot] = source;
    this.size++;
    this.setReferenced(slot, referenced);
    this.tell('add', slot, interest);
    return slot;
  }

  /** Changes the interest of a live slot. In edge and oneshot mode the same interest again rearms it. */
  setInterest(slot: number, interest: number): void {
    const old = this.interest(slot);
    const trigger = this.trigger(slot);
    if (old === interest && trigger === 0) return;
    const fd = this.fds[slot];
    const generation = this.generations[slot];
    let result = 0;
    if (interest === NONE) {
      if (old !== NONE) result = this.poller.remove(fd);
      if (result === ENOENT) result = 0; // not in the set: that is what was asked for
    } else if (old === NONE) {
      result = this.poller.add(fd, interest | trigger, slot, generation);
    } else {
      result = this.poller.modify(fd, interest | trigger, slot, generation);
    }
    if (result < 0) throw explain(result, fd, this.poller);
    this.states[slot] ^= old ^ interest;
    this.tell(interest === NONE ? 'park' : 'modify', slot, interest);
  }

  /**
   * Takes `source` out, of the kernel's set too; before its fd is closed. False: it is there no more, for the fd was closed
   * behind its back and its number registered anew. Then the number is another's, and not to be closed.
   */
  removeSource(fd: number, source: Source): boolean {
    const slot = this.slotOf(fd, source);
    if (slot >= 0) this.remove(slot);
    return slot >= 0;
  }

  /** Takes a slot out, of the kernel's set too. Do this before closing the fd, always. */
  remove(slot: number): void {
    // A refusal changes nothing: the fd was closed behind our back, and the kernel has dropped it already.
    if (this.interest(slot) !== NONE) this.poller.remove(this.fds[slot]);
    this.tell('remove', slot, NONE);
    this.release(slot);
  }

  /** Whether this registration keeps `run()` going. */
  setReferenced(slot: number, referenced: boolean): void {
    if (referenced === this.isReferenced(slot)) return;
    this.referenced += referenced ? 1 : -1;
    this.states[slot] ^= REFERENCED;
    this.changed?.();
  }

  /** Work that has no fd here, such as that of another thread, keeps `run()` going until the function returned is called. */
  hold(): () => void {
    let held = true;
    this.referenced++;
    return () => {
      if (held) this.referenced--;
      held = false;
      this.changed?.();
    };
  }

  /** No registration is taken any more. */
  close(): void {
    this.open = false;
  }

  private release(slot: number): void {
    this.setReferenced(slot, false);
    const fd = this.fds[slot];
    if (this.slotByFd[fd] === slot) this.slotByFd[fd] = -1;
    const generation = this.generations[slot];
    this.generations[slot] = generation === GENERATION_MAX ? 1 : generation + 1;
    this.states[slot] = NONE;
    this.sources[slot] = null;
    this.free.push(slot);
    this.size--;
  }

  /** Whether the token still names the registration that it was given for. */
  isCurrent(slot: number, generation: number): boolean {
    return slot < this.used && this.generations[slot] === generation && this.sources[slot] !== null;
  }

  /** What of a reported readiness counts now; 0: its registration has gone, or nobody asks for it any more. */
  readinessNow(slot: number, generation: number, reported: number): number {
    if (!this.isCurrent(slot, generation)) return 0;
    const interest = this.interest(slot);
    if (interest === NONE) return 0;
    // Nobody asks for hang-ups and errors: they come with any interest. The peer's FIN comes with READABLE.
    const asked = interest | ALWAYS_REPORTED | ((interest & READABLE) !== 0 ? READ_CLOSED : 0);
    return reported & asked;
  }

  /** The slot in which `source` has `fd`; -1 if it has not, or not any more. */
  slotOf(fd: number, source: Source): number {
    const slot = fd >= 0 && fd < this.slotByFd.length ? this.slotByFd[fd] : -1;
    return slot >= 0 && this.sources[slot] === source ? slot : -1;
  }

  source(slot: number): Source | null {
    return this.sources[slot] ?? null;
  }
  fd(slot: number): number {
    return this.fds[slot];
  }
  interest(slot: number): number {
    return this.states[slot] & INTEREST_MASK;
  }
  /** EDGE, ONESHOT, ... as it was registered. */
  trigger(slot: number): number {
    return this.states[slot] & TRIGGER_MASK;
  }
  isReferenced(slot: number): boolean {
    return (this.states[slot] & REFERENCED) !== 0;
  }
  generation(slot: number): number {
    return this.generations[slot];
  }

  /** Slots below it have been used, and may be live. */
  get slotsUsed(): number {
    return this.used;
  }

  /** The live slots, in no particular order. For shutting down and for looking at, not for hot paths. */
  *slots(): Generator<number> {
    for (let slot = 0; slot < this.used; slot++) if (this.sources[slot] !== null) yield slot;
  }

  /** Everything believed now, to be held against the kernel's own list. For looking at, not for hot paths. */
  beliefs(): Belief[] {
    return Array.from(this.slots(), (slot) => ({
      slot,
      generation: this.generation(slot),
      fd: this.fd(slot),
      interest: this.interest(slot),
      trigger: this.trigger(slot),
    }));
  }

  private nextSlot(): number {
    const slot = this.used++;
    if (slot >= this.fds.length) {
      this.fds = grown(this.fds);
      const states = new Uint16Array(this.fds.length);
      states.set(this.states);
      this.states = states;
      this.generations = grown(this.generations).fill(1, slot);
    }
    this.sources.push(null);
    return slot;
  }

  private growFds(fd: number): void {
    while (fd >= this.slotByFd.length) this.slotByFd = grown(this.slotByFd).fill(-1, this.slotByFd.length);
  }

  private tell(change: InterestChange, slot: number, interest: number): void {
    if (this.observer === null) return;
    this.observer.interest(change, this.fd(slot), interest, slot, this.generation(slot));
  }
}

function grown(array: Int32Array): Int32Array<ArrayBuffer> {
  const bigger = new Int32Array(array.length * 2);
  bigger.set(array);
  return bigger;
}

function registeredTwice(fd: number): UnderloopError {
  return new UnderloopError(
    'ERR_FD_REGISTERED',
    `fd ${String(fd)} is registered with this poller already; change its interest instead of adding it again`,
  );
}

/** Turns a poller's refusal into an error that says why. Sources: epoll_ctl(2), poll(2), select(2). */
export function explain(result: number, fd: number, poller: KernelPoller): Error {
  const kind = poller.kind;
  switch (result) {
    case EPERM:
      return new UnderloopError(
        'ERR_FD_REFUSED',
        `fd ${String(fd)} cannot be waited on: it is a regular file, a directory or a device such as /dev/null, and ` +
          `${kind} knows readiness only for what can be "not ready yet" (sockets, pipes, terminals, timers, ...). ` +
          'A read from a file always "can" be done and may still block on the disk: hand it to an executor (a thread pool) instead',
      );
    case EEXIST:
      return registeredTwice(fd);
    case ENOENT:
      return new UnderloopError(
        'ERR_NOT_REGISTERED',
        `fd ${String(fd)} is not in the kernel's ${kind} set: it was removed, or closed while it was registered`,
      );
    case ERANGE:
      return new UnderloopError(
        'ERR_FD_TOO_LARGE',
        `fd ${String(fd)} is too large for select: its sets have FD_SETSIZE (${String(poller.capabilities.fdMax)}) bits. ` +
          "Use the poller 'epoll', 'kqueue' or 'poll'",
      );
    case ENOTSUP:
      return new UnderloopError(
        'ERR_UNSUPPORTED',
        `${kind} has no such trigger; ask poller.capabilities what it can do`,
      );
    case EBADF:
      return new SystemError(`${kind}_add`, result, { fd, hint: 'The descriptor is not open' });
    case ENOSPC:
      return new SystemError('epoll_ctl', result, {
        fd,
        hint: 'The limit of epoll watches per user is reached: raise /proc/sys/fs/epoll/max_user_watches',
      });
    default:
      return new SystemError(kind === 'epoll' ? 'epoll_ctl' : `${kind}_add`, result, { fd });
  }
}
