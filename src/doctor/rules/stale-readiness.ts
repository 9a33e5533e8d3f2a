// Registrations of descriptors that are closed: the kernel's set holds open files, not numbers.

import { INVALID, NONE } from '../../poller/poller.js';
import { decodeToken, type InterestDifference } from '../../probe/index.js';
import type { Belief } from '../../reactor/registry.js';
import type { Rule } from '../rule.js';
import type { Registration, Scene } from '../scene.js';
import { Misdelivered } from './misdelivered.js';

/** Between two looks at the kernel's own list, which is text to be read: some microseconds for each entry. */
const LIST_EVERY_MS = 250;
/** A larger set is looked at more rarely, and one beyond the second bound not at all. */
const LIST_ENTRIES_MAX = 128;
const LIST_RARELY_EVERY_MS = 2000;
const LIST_RARELY_ENTRIES_MAX = 1024;
/** Identities looked at in one tick: one fstat(2) each. */
const IDENTITIES_MAX = 64;
/** A ring tells of what was cancelled once more: that is no phantom. */
const RING_EVENTS_MIN = 3;

const REMEDY =
  'Deregister first, then close: watch.close() (poller.remove(registration)), and only then the descriptor. And see who ' +
  'else has a duplicate of it: dup, a child process, another thread.';

interface Pollerlike {
  readonly kind: string;
  readonly fd: number;
}

export class StaleReadiness implements Rule {
  /** The last that went of each slot. */
  private readonly gone = new Map<number, Registration>();
  /** Closed while registered, and the loop has not waited since. */
  private readonly closed = new Set<Registration>();
  /** Events of those that went. */
  private readonly phantoms = new WeakMap<Registration, number>();
  private listedMs = -Infinity;
  private nextSlot = 0;
  /** Of a reactor, which looks each event up by itself, there is nothing to see. */
  private readonly misdelivered: Misdelivered | null;

  constructor(
    private readonly scene: Scene,
    /** Null over a trace. */
    private readonly poller: Pollerlike | null,
  ) {
    this.misdelivered = scene.isRaw ? new Misdelivered(scene) : null;
  }

  added(registration: Registration, replaced: Registration | null): void {
    const { eyes } = this.scene;
    if (eyes !== null && registration.isRaw) registration.identity = eyes.identity(registration.fd);
    this.misdelivered?.added(registration);
    if (replaced === null) return;
    this.closed.delete(replaced);
    this.report(
      replaced,
      `fd ${replaced.fd} was closed while it was registered, and its number was given to another file, which is registered now`,
      { shownBy: 'the same number was registered again' },
    );
  }

  removed(registration: Registration): void {
    this.gone.set(registration.slot, registration);
  }

  closing(fd: number): void {
    const registration = this.scene.byFd.get(fd);
    if (registration === undefined || registration.taker.isHosts) return;
    const place = this.scene.caller();
    if (place !== null) registration.closedAt = `${place.file}:${place.line}`;
    this.closed.add(registration);
  }

  waitBegin(): void {
    this.misdelivered?.waitBegin();
    for (const registration of this.closed) {
      const { fd, gone } = registration;
      this.report(
        registration,
        gone
          ? `fd ${fd} was closed before its registration was taken out`
          : `fd ${fd} is closed, and is registered still`,
        { shownBy: 'close was called while it was registered' },
        gone ? 'warning' : 'error',
      );
    }
    this.closed.clear();
  }

  read(fd: number, count: number): void {
    this.misdelivered?.read(fd, count);
  }

  readiness(registration: Registration | null, readiness: number, slot: number): void {
    this.misdelivered?.readiness(registration, slot);
    if (registration === null || (readiness & INVALID) === 0 || registration.taker.isHosts) return;
    this.report(registration, `fd ${registration.fd} is closed, and is registered still`, {
      shownBy: `${this.scene.poller} reports it as invalid`,
    });
  }

  /** Dropped by the check of the generation. Harmless in the batch in which the registration went; a phantom later. */
  stale(slot: number, generation: number): void {
    const registration = this.gone.get(slot);
    if (registration?.generation !== generation || registration.goneAtWait >= this.scene.waits) return;
    const events = (this.phantoms.get(registration) ?? 0) + 1;
    this.phantoms.set(registration, events);
    if (this.scene.poller === 'uring' && events < RING_EVENTS_MIN) return;
    this.report(
      registration,
      `the kernel goes on reporting fd ${registration.fd}, whose registration has gone: it was closed first, and a duplicate keeps it in the set`,
      { shownBy: 'events for a registration that was taken out before the wait', events },
    );
  }

  tick(): void {
    const { scene, poller } = this;
    if (scene.eyes === null || poller === null || scene.running !== null) return;
    this.compareIdentities();
    const size = scene.byFd.size;
    if (size > LIST_RARELY_ENTRIES_MAX) return;
    if (scene.nowMs - this.listedMs < (size > LIST_ENTRIES_MAX ? LIST_RARELY_EVERY_MS : LIST_EVERY_MS))
      return;
    this.listedMs = scene.nowMs;
    this.compareLists();
  }
  finish(): void {
    this.listedMs = -Infinity;
    this.tick();
  }

  /** The kernel's own list beside what the program asked for. */
  private compareLists(): void {
    const { scene, poller } = this;
    const beliefs: Belief[] = [];
    for (const { slot, generation, fd, interest, trigger } of scene.byFd.values())
      beliefs.push({ slot, generation, fd, interest, trigger });
    const found = scene.eyes?.differences(poller as never, beliefs) ?? [];
    for (const difference of found) {
      const { fd, kind } = difference;
      const registration = this.registrationOf(difference);
      if (registration === undefined) continue;
      if (kind === 'phantom') {
        this.report(
          registration,
          difference.target === 'closed'
            ? `fd ${fd} is closed, and a duplicate keeps its file in the kernel's set`
            : `fd ${fd} was closed while it was registered: the number names another file now, and the kernel's set holds the old one`,
          { shownBy: "the kernel's interest list" },
        );
      } else if (kind === 'missing-in-kernel') {
        this.report(registration, `fd ${fd} was closed while it was registered: the kernel has dropped it`, {
          shownBy: "the kernel's interest list",
        });
      } else if (kind === 'unknown-in-registry') {
        this.report(
          registration,
          `fd ${fd} was closed before its registration was taken out: it is in the kernel's set still`,
          {
            shownBy: "the kernel's interest list",
          },
        );
      }
    }
  }

  /** Whose entry it is, by the token that the kernel keeps with it: the number may be somebody else's by now. */
  private registrationOf(difference: InterestDifference): Registration | undefined {
    if (difference.kind === 'missing-in-kernel') return this.scene.byFd.get(difference.fd);
    const token = decodeToken(difference.entry.data);
    if (token?.kind !== 'registration') return undefined;
    const gone = this.gone.get(token.slot);
    if (gone?.generation === token.generation) return gone;
    return this.scene.registration(token.slot, token.generation) ?? undefined;
  }

  /** Whether each number still names what was registered: some of them in each tick, in turns. */
  private compareIdentities(): void {
    const { bySlot, eyes } = this.scene;
    let looks = 0;
    for (let i = 0; i < bySlot.length && looks < IDENTITIES_MAX; i++) {
      this.nextSlot = this.nextSlot + 1 < bySlot.length ? this.nextSlot + 1 : 0;
      const registration = bySlot[this.nextSlot];
      if (registration === undefined || registration.gone || registration.identity === null) continue;
      looks++;
      const now = eyes?.identity(registration.fd) ?? null;
      if (now === registration.identity) continue;
      this.report(
        registration,
        now === null
          ? `fd ${registration.fd} is closed, and is registered still`
          : `fd ${registration.fd} was closed while it was registered, and its number names another file now`,
        { shownBy: 'the number names no longer what was registered' },
      );
    }
  }

  private report(
    registration: Registration,
    message: string,
    evidence: Record<string, string | number>,
    severity: 'error' | 'warning' = 'error',
  ): void {
    const { scene } = this;
    if (registration.taker.isHosts) return;
    scene.report({
      class: 'stale-readiness',
      severity,
      key: `${registration.slot}/${registration.generation}`,
      fd: registration.fd,
      handler: registration.taker,
      sinceMs: scene.nowMs,
      message,
      evidence: {
        ...evidence,
        slot: registration.slot,
        generation: registration.generation,
        ...(registration.closedAt !== '' && { closedAt: registration.closedAt }),
        interest: registration.interest === NONE ? 'none' : registration.interest,
      },
      remedy: REMEDY,
    });
  }
}
