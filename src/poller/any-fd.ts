// The public Poller: wait for readiness of any file descriptor, without a reactor.

import { SystemError, UnderloopError, argumentError, checkFd, checkMs, checkObject } from '../errors.js';
import type { Kernel } from '../kernel/kernel.js';
import { nativeKernel } from '../kernel/native.js';
import { instrumentedPoller } from '../reactor/instrument.js';
import { Registry } from '../reactor/registry.js';
import type { Belief } from '../reactor/registry.js';
import { checkInterest, checkPollerKind, openPoller, triggerFlags } from './checks.js';
import { EVENT_STRIDE } from './poller.js';
import type { KernelPoller, PollerCapabilities, PollerKind, Trigger } from './poller.js';

/** What `new Poller()` can be told. */
export interface PollerOptions {
  /** The mechanism; by default the best one here. */
  kind?: PollerKind;
  /** The seam to the system; by default the real one. */
  kernel?: Kernel;
}

/** What `add` gives and events carry: a slot and the generation that it has. Never a bare fd, for numbers are reused. */
export interface Registration {
  /** Its place among the registrations. */
  readonly slot: number;
  /** How often the slot was given away, from 1 on. */
  readonly generation: number;
  /** The descriptor that was registered. */
  readonly fd: number;
}

/**
 * Waits on any descriptor that can be "not ready yet": sockets, pipes, eventfd, timerfd, signalfd, inotify, pidfd, ptys,
 * netlink, another poller. `wait()` blocks the calling thread: for workers and command-line tools, or with a timeout
 * of 0. Beside Node's own loop use `reactor.watch()`.
 */
export class Poller implements Disposable {
  private readonly poller: KernelPoller;
  private readonly registry: Registry<Registration>;
  private open = true;

  /** Throws ERR_ARGUMENT, or a `SystemError` when the system refuses a poller (EMFILE). */
  constructor(options: PollerOptions = {}) {
    checkObject('options', options);
    const kernel = options.kernel ?? nativeKernel;
    const kind = checkPollerKind('options.kind', options.kind, kernel);
    this.poller = instrumentedPoller(openPoller(kernel, kind));
    this.registry = new Registry(this.poller);
  }

  /** The mechanism. */
  get kind(): PollerKind {
    return this.poller.kind;
  }
  /** What the mechanism can do. */
  get capabilities(): PollerCapabilities {
    return this.poller.capabilities;
  }
  /** The poller's own descriptor, so that another poller can wait on it; -1 where the mechanism has none. */
  get fd(): number {
    return this.open ? this.poller.fd : -1;
  }
  /** Registrations now. */
  get size(): number {
    return this.registry.size;
  }

  /**
   * Watches `fd` for `interest`. Throws ERR_FD_REFUSED for what the kernel cannot wait on (regular files), with the
   * reason; ERR_FD_REGISTERED; ERR_FD_TOO_LARGE (select); a `SystemError` EBADF for a descriptor that is not open.
   */
  add(fd: number, interest: number, trigger?: Trigger): Registration {
    this.check();
    checkFd('fd', fd);
    checkInterest('interest', interest);
    const flags = triggerFlags('trigger', trigger, this.poller);
    const registration = { slot: -1, generation: -1, fd };
    registration.slot = this.registry.add(fd, interest, flags, registration);
    registration.generation = this.registry.generation(registration.slot);
    return registration;
  }

  /** Changes the interest; in edge and oneshot mode this also rearms it. */
  modify(registration: Registration, interest: number): void {
    this.checkCurrent(registration);
    checkInterest('interest', interest);
    this.registry.setInterest(registration.slot, interest);
  }

  /** Takes it out. Do this before closing the fd, always: a duplicate would keep it in the kernel's set. Idempotent. */
  remove(registration: Registration): void {
    this.check();
    checkRegistration(registration);
    if (this.isOurs(registration)) this.registry.remove(registration.slot);
  }

  /** Whether the registration still stands: false after remove(), also for events of the same wait. */
  isCurrent(registration: { slot: number; generation: number }): boolean {
    checkRegistration(registration);
    return this.registry.isCurrent(registration.slot, registration.generation);
  }

  /** The registration that an event's slot and generation name, or null when it has gone meanwhile. */
  lookup(slot: number, generation: number): Registration | null {
    return this.registry.isCurrent(slot, generation) ? this.registry.source(slot) : null;
  }

  /** What this poller believes to be registered, to be held against what the kernel has. @internal */
  beliefs(): Belief[] {
    return this.registry.beliefs();
  }

  /**
   * Waits at most `timeoutMs` (0: only looks; Infinity: until something happens; fractions count) and fills `events`
   * with [slot, generation, readiness] triples. Returns how many. Signals do not end it; {@link wake} does.
   */
  wait(events: Int32Array, timeoutMs: number): number {
    this.check();
    // isView first: what only has the prototype of an array throws when its length is asked.
    if (!ArrayBuffer.isView(events) || !(events instanceof Int32Array) || events.length < EVENT_STRIDE) {
      throw argumentError('events', `an Int32Array of at least ${String(EVENT_STRIDE)} elements`, events);
    }
    checkMs('timeoutMs', timeoutMs, true);
    const count = this.poller.wait(events, timeoutMs);
    if (count < 0) throw new SystemError(`${this.kind}_wait`, count, { fd: this.poller.fd });
    return count;
  }

  /** Makes the current wait, or else the next one, return at once. */
  wake(): void {
    this.check();
    this.poller.wake();
  }

  /** Gives the poller's descriptors back; registered fds stay open. Idempotent. */
  close(): void {
    this.open = false;
    this.poller.close();
  }
  /** The same as {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  private check(): void {
    if (!this.open) throw new UnderloopError('ERR_CLOSED', 'the poller is closed; make a new one');
  }

  private checkCurrent(registration: Registration): void {
    this.check();
    checkRegistration(registration);
    if (!this.isOurs(registration)) {
      throw new UnderloopError(
        'ERR_NOT_REGISTERED',
        `fd ${String(registration.fd)} is not registered with this poller, or not any more`,
      );
    }
  }

  /** Not only the same numbers: another poller gives out the same slots and generations. */
  private isOurs(registration: Registration): boolean {
    return this.isCurrent(registration) && this.registry.source(registration.slot) === registration;
  }
}

function checkRegistration(registration: unknown): void {
  if (typeof registration !== 'object' || registration === null) {
    throw argumentError('registration', 'what add() gave', registration);
  }
}
