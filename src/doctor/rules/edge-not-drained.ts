// An edge-triggered descriptor whose handler left data behind: nothing reports it again until more comes.

import { EDGE, HANGUP, ONESHOT, READABLE, READ_CLOSED } from '../../poller/poller.js';
import type { Rule } from '../rule.js';
import type { Registration, RunningItem, Scene } from '../scene.js';

/**
 * Data that nobody reads for so long, while the loop waits, is left behind. A program that goes on reading by a queue or a
 * timer of its own does so within milliseconds.
 */
export const LEFT_MS = 300;
/** Not armed any more: to leave it so for a while (while a thread reads it) is a known design. */
const LEFT_ONESHOT_MS = 1000;
/** Who was seen reading by himself outside of the handler reads at a pace: he gets so many times the time. */
const PACED_FACTOR = 10;
/** The program ends, and has left data for so long: it waited for what it had. */
const LEFT_AT_END_MS = 100;
/** So many calls in a row that left data to lie until more came: what is left is read a message late, each time. */
const LATE_CALLS_MIN = 3;
/** Looks at descriptors in one wait: they are system calls. */
const LOOKS_MAX = 32;
/** So many waits that did not report it: one may have had no place for it. */
const PENDING_WAITS = 4;
/** Between two looks at the same descriptor. */
const LOOK_EVERY_MS = 20;

/** They need no reading to be reported again: each event is an edge, whatever was read. */
const NEVER_DRAINED = new Set(['eventfd', 'timerfd', 'pidfd', 'eventpoll']);

class Left {
  sinceMs = 0;
  bytes = -1;
  /** Data was left, and no edge is pending that will report it. */
  seen = false;
  /** {@link Scene.waits} and the time when something to read was seen first, an edge of which may be pending; -1: not seen. */
  maybeAtWait = -1;
  maybeMs = 0;
  lookedMs = -Infinity;
  /** Calls in a row that left data until the next report. */
  late = 0;
  paced = false;
  inHandler = false;

  constructor(readonly kind: string) {}
}

export class EdgeNotDrained implements Rule {
  private readonly touched = new Map<Registration, Left>();
  /** Taken out with data left, since the last wait: if the loop is closed now, the program waited for it to the end. */
  private readonly takenOut: [Registration, Left][] = [];

  constructor(private readonly scene: Scene) {}

  readiness(registration: Registration | null, readiness: number): void {
    if (registration === null || !this.concerns(registration)) return;
    if ((readiness & (READABLE | READ_CLOSED | HANGUP)) === 0) return;
    const left = this.touched.get(registration);
    if (left === undefined) {
      // A raw Poller tells of no items: the program handles what was reported before it waits again.
      this.touched.set(registration, new Left(this.scene.eyes?.kind(registration.fd) ?? ''));
      return;
    }
    if (left.seen) {
      left.late++;
      if (left.late >= LATE_CALLS_MIN && !left.paced) this.report(registration, left);
    }
    left.seen = false;
    left.maybeAtWait = -1;
    left.lookedMs = -Infinity;
  }

  itemBegin({ registration, kind }: RunningItem): void {
    if (kind !== 'readiness' || registration === null) return;
    const left = this.touched.get(registration);
    if (left !== undefined) left.inHandler = true;
  }
  itemEnd({ registration, kind }: RunningItem): void {
    if (kind !== 'readiness' || registration === null) return;
    const left = this.touched.get(registration);
    if (left !== undefined) left.inHandler = false;
  }

  removed(registration: Registration): void {
    const left = this.touched.get(registration);
    if (left?.seen === true) this.takenOut.push([registration, left]);
    this.touched.delete(registration);
  }
  changed(registration: Registration): void {
    const left = this.touched.get(registration);
    // Set anew, an edge is looked at anew: what is there is reported.
    if (left !== undefined) left.seen = false;
  }

  read(fd: number, count: number): void {
    if (count > 0) this.readOn(fd);
  }
  /** To try again is to read on, also where no descriptor can be had yet. */
  call(name: string, fd: number): void {
    if (name === 'accept') this.readOn(fd);
  }
  private readOn(fd: number): void {
    if (this.touched.size === 0) return;
    const registration = this.scene.byFd.get(fd);
    const left = registration === undefined ? undefined : this.touched.get(registration);
    if (left?.seen !== true || left.inHandler) return;
    left.paced = true;
    left.sinceMs = this.scene.nowMs;
    left.late = 0;
  }

  waitBegin(timeoutMs: number): void {
    this.takenOut.length = 0;
    if (this.touched.size > 0 && timeoutMs > 0) this.look();
  }
  tick(): void {
    if (this.touched.size > 0 && this.scene.running === null) this.look();
  }
  finish(): void {
    for (const [registration, left] of [...this.touched, ...this.takenOut]) {
      if (!left.seen || left.paced || this.scene.nowMs - left.sinceMs < LEFT_AT_END_MS) continue;
      // Whose descriptor is closed by now had it when it was last looked at.
      if (registration.gone || this.isLeft(registration, left)) this.report(registration, left);
    }
  }

  /** Whether data lies where a wait with this timeout would sleep: who waits for long must wake for another look. */
  get suspects(): boolean {
    for (const left of this.touched.values()) if (left.seen) return true;
    return false;
  }

  private concerns({ trigger, interest, taker }: Registration): boolean {
    return trigger > 0 && (trigger & EDGE) !== 0 && (interest & READABLE) !== 0 && !taker.isHosts;
  }

  private look(): void {
    const { nowMs } = this.scene;
    let looks = 0;
    for (const [registration, left] of this.touched) {
      if (nowMs - left.lookedMs < LOOK_EVERY_MS) continue;
      if (++looks > LOOKS_MAX) return;
      left.lookedMs = nowMs;
      if (!this.concerns(registration) || NEVER_DRAINED.has(left.kind)) {
        this.touched.delete(registration);
        continue;
      }
      const before = left.bytes;
      if (!this.isLeft(registration, left)) {
        // Kept for a while: calls that leave data are counted only in a row.
        this.touched.delete(registration);
      } else if (!left.seen) {
        left.seen = this.isNothingPending(left);
        left.sinceMs = nowMs;
      } else if (left.bytes < before) {
        left.paced = true;
        left.sinceMs = nowMs;
      } else if (nowMs - left.sinceMs >= this.limitMs(registration, left)) {
        if (!this.isHeldBack(registration)) this.report(registration, left);
      }
    }
  }

  /**
   * Whether the kernel has nothing more to report of it: what is there may have come just now, with an edge of its own. A set
   * that is not readable itself has no edge pending. One that is may have others': then some waits must bring none of this one.
   */
  private isNothingPending(left: Left): boolean {
    const { eyes, pollerFd, waits, nowMs } = this.scene;
    const set = pollerFd < 0 ? null : (eyes?.look(pollerFd) ?? null);
    if (set?.readable === false) return true;
    if (left.maybeAtWait < 0) {
      left.maybeAtWait = waits;
      left.maybeMs = nowMs;
    }
    return waits - left.maybeAtWait >= PENDING_WAITS && nowMs - left.maybeMs >= LOOK_EVERY_MS;
  }

  /** Something can be read now: bytes, a datagram, a connection. An end-of-file alone is nothing that is lost. */
  private isLeft({ fd }: Registration, left: Left): boolean {
    const look = this.scene.eyes?.look(fd) ?? null;
    if (!look?.readable) return false;
    left.bytes = look.bytes;
    return look.bytes !== 0;
  }

  private limitMs({ trigger }: Registration, { paced }: Left): number {
    return ((trigger & ONESHOT) !== 0 ? LEFT_ONESHOT_MS : LEFT_MS) * (paced ? PACED_FACTOR : 1);
  }

  /** Another descriptor has no room now: who passes bytes on to it rightly leaves them where they are. */
  private isHeldBack(registration: Registration): boolean {
    let looks = 0;
    for (const other of this.scene.byFd.values()) {
      if (other === registration || !other.sawWritable) continue;
      if (++looks > LOOKS_MAX) return false;
      if (this.scene.eyes?.look(other.fd)?.writable === false) return true;
    }
    return false;
  }

  /** A listening socket whose connections nobody can accept now: that is another mistake. */
  private isOutOfDescriptors({ fd }: Registration): boolean {
    const { eyes } = this.scene;
    return eyes !== null && eyes.isListener(fd) && eyes.outOfDescriptors() !== null;
  }

  private report(registration: Registration, left: Left): void {
    const { scene } = this;
    if (this.isOutOfDescriptors(registration)) return;
    const { fd, taker } = registration;
    const what = left.bytes > 0 ? `${left.bytes} bytes` : 'something';
    scene.report({
      class: 'edge-not-drained',
      severity: 'error',
      key: `${registration.slot}/${registration.generation}`,
      fd,
      handler: taker,
      sinceMs: left.sinceMs,
      message:
        left.late >= LATE_CALLS_MIN
          ? `fd ${fd} is edge-triggered, and its handler returns with data left: what is left waits until more comes`
          : `fd ${fd} is edge-triggered, and its handler has returned with ${what} left unread: nothing will report it`,
      evidence: {
        leftBytes: left.bytes < 0 ? null : left.bytes,
        unreadMs: Math.round(scene.nowMs - left.sinceMs),
        callsThatLeftData: Math.max(left.late, 1),
        descriptor: left.kind,
      },
      remedy:
        'Read until the call gives EAGAIN (null from descriptors.read) or fewer bytes than asked for; or set the ' +
        "watch's interest again, which looks anew; or use the trigger 'level'.",
    });
  }
}
