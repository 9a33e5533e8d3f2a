// A poller that the program waits on by itself (`new Poller()`), with the rules told of it: registrations, waits, readinesses.

import { INTEREST_MASK, EVENT_STRIDE, TRIGGER_MASK } from '../poller/poller.js';
import type { KernelPoller, PollerCapabilities, PollerKind } from '../poller/poller.js';
import { Diagnosis, type DiagnosisOptions } from './diagnosis.js';
import { callerPlace } from './handlers.js';
import { Taker } from './scene.js';
import type { StuckWatch } from './stuck.js';

/** While an edge is suspected to have left data behind, somebody looks again so often. */
const LOOK_AGAIN_MS = 100;

export interface RawOptions extends Omit<DiagnosisOptions, 'poller' | 'pollerFd' | 'isRaw'> {
  /** Is told what the thread is in: between two waits, the program. */
  readonly stuck: { readonly watch: StuckWatch; readonly name: string };
}

export class WatchedPoller implements KernelPoller {
  readonly diagnosis: Diagnosis;
  private readonly slotOfFd = new Map<number, readonly [slot: number, generation: number]>();
  private readonly program = new Taker('program', 'readiness', '', -1, false, true);
  private waits = 0;
  private woken = false;
  /** The program goes on since its wait; the runtime's own loop has not had the thread. */
  private between = false;

  constructor(
    private readonly poller: KernelPoller,
    private readonly options: RawOptions,
    private readonly told: { closed(): void },
  ) {
    this.diagnosis = new Diagnosis({ ...options, poller: poller.kind, pollerFd: poller.fd, isRaw: true });
    this.diagnosis.begin(performance.now());
  }

  get kind(): PollerKind {
    return this.poller.kind;
  }
  get fd(): number {
    return this.poller.fd;
  }
  get capabilities(): PollerCapabilities {
    return this.poller.capabilities;
  }

  /** Outside of its waits: brings the clock up to date. */
  readonly touch = (): void => {
    this.diagnosis.setTime(performance.now());
    if (this.between) this.options.stuck.watch.end();
    this.between = false;
  };

  add(fd: number, interest: number, slot: number, generation: number): number {
    const result = this.poller.add(fd, interest, slot, generation);
    if (result < 0) return result;
    const place = callerPlace();
    const taker = new Taker(
      `fd ${fd} ${slot}/${generation}`,
      'readiness',
      place?.name ?? '',
      fd,
      false,
      true,
    );
    taker.place = place;
    this.touch();
    this.slotOfFd.set(fd, [slot, generation]);
    this.diagnosis.added(fd, interest & INTEREST_MASK, slot, generation, {
      trigger: interest & TRIGGER_MASK,
      isRaw: true,
      taker,
      source: null,
    });
    return result;
  }
  modify(fd: number, interest: number, slot: number, generation: number): number {
    const result = this.poller.modify(fd, interest, slot, generation);
    if (result >= 0) this.diagnosis.changed('modify', interest & INTEREST_MASK, slot, generation);
    return result;
  }
  remove(fd: number): number {
    const result = this.poller.remove(fd);
    const token = this.slotOfFd.get(fd);
    if (token !== undefined) {
      this.slotOfFd.delete(fd);
      this.touch();
      this.diagnosis.changed('remove', 0, token[0], token[1]);
    }
    return result;
  }

  allocateEvents(eventsMax: number): Int32Array {
    return this.poller.allocateEvents(eventsMax);
  }
  rawFlags(eventsMax: number): Int32Array | null {
    return this.poller.rawFlags?.(eventsMax) ?? null;
  }

  wait(events: Int32Array, timeoutMs: number): number {
    const { diagnosis } = this;
    this.touch();
    diagnosis.turnBegin(++this.waits);
    diagnosis.waitBegin(timeoutMs, 'idle', -1);
    const count = this.waitInSlices(events, timeoutMs);
    this.touch();
    diagnosis.waitEnd(count);
    for (let at = 0; at < count * EVENT_STRIDE; at += EVENT_STRIDE) {
      const [slot, generation, readiness] = [events[at], events[at + 1], events[at + 2]];
      diagnosis.readiness(readiness, slot, generation);
      if (diagnosis.scene.registration(slot, generation) === null)
        diagnosis.stale(slot, generation, readiness);
    }
    const { watch, name } = this.options.stuck;
    watch.begin(this.program, name, this.kind);
    this.between = true;
    return count;
  }

  /** The program sleeps as long as it wants. Only while data may lie unread is somebody awake in between, and looks. */
  private waitInSlices(events: Int32Array, timeoutMs: number): number {
    const { diagnosis, poller } = this;
    const deadlineMs = performance.now() + timeoutMs;
    for (let leftMs = timeoutMs; ;) {
      const sliceMs = diagnosis.suspects ? Math.min(leftMs, LOOK_AGAIN_MS) : leftMs;
      const count = poller.wait(events, sliceMs);
      leftMs = deadlineMs - performance.now();
      // A wake ends it as well, and is no event.
      if (count !== 0 || this.woken || leftMs <= 0 || sliceMs === timeoutMs) {
        this.woken = false;
        return count;
      }
      this.touch();
      diagnosis.tick();
    }
  }

  wake(): void {
    this.woken = true;
    this.poller.wake();
  }

  close(): void {
    this.touch();
    this.diagnosis.finish();
    this.told.closed();
    this.poller.close();
  }
}
