// A part of the rule of stale readiness: a program that waits by itself, and takes an event for that of another descriptor.

import type { Registration, Scene } from '../scene.js';

/**
 * Who has just been registered is read at once by some programs, on the chance of finding something. Where that gave nothing so
 * often, only where an older event had the same slot, and so often others were not read at once: the event was the reason.
 */
const TIMES_MIN = 3;

/** Registered since the last wait. */
interface Fresh {
  readonly registration: Registration;
  /** Of this wait's events one has its slot: that of the registration before it. -1: none. */
  readonly staleFd: number;
  isRead: boolean;
}

export class Misdelivered {
  /** The events of the last wait: their descriptors by slot. */
  private readonly events = new Map<number, number>();
  private readonly fresh = new Map<number, Fresh>();
  private misled = 0;
  private quiet = 0;
  private byChance = 0;
  private sinceMs = 0;

  constructor(private readonly scene: Scene) {}

  waitBegin(): void {
    if (this.events.size === 0) return;
    for (const { isRead } of this.fresh.values()) if (!isRead) this.quiet++;
    this.fresh.clear();
    this.events.clear();
  }
  readiness(registration: Registration | null, slot: number): void {
    if (registration !== null) this.events.set(slot, registration.fd);
  }
  added(registration: Registration): void {
    // What is registered before the first event is mostly a listener, which nobody reads.
    if (this.events.size === 0) return;
    if (this.fresh.get(registration.fd)?.isRead === false) this.quiet++;
    const staleFd = this.events.get(registration.slot) ?? -1;
    this.fresh.set(registration.fd, { registration, staleFd, isRead: false });
  }

  read(fd: number, count: number): void {
    const fresh = this.fresh.get(fd);
    if (fresh === undefined || fresh.isRead) return;
    fresh.isRead = true;
    const { registration, staleFd } = fresh;
    if (staleFd < 0) this.byChance++;
    if (staleFd < 0 || count >= 0 || registration.gone) return;
    if (this.misled++ === 0) this.sinceMs = this.scene.nowMs;
    if (this.misled < TIMES_MIN || this.quiet < TIMES_MIN || this.byChance > 0) return;
    this.scene.report({
      class: 'stale-readiness',
      severity: 'error',
      key: 'misdelivered',
      fd,
      handler: registration.taker,
      sinceMs: this.sinceMs,
      message: `fd ${fd} was read, and had nothing, right after it was registered in the slot of an older registration (fd ${staleFd}): an event of that one was taken for its own`,
      evidence: { times: this.misled, slot: registration.slot, registeredWithoutRead: this.quiet },
      remedy:
        'Look each event up by its slot and its generation, poller.lookup(slot, generation), and skip what gives null: it ' +
        'is older than the registration.',
    });
  }
}
