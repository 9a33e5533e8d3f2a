// A poller in front of another that puts each call on a tape with what came; in a replay there is no other.

import { EVENT_STRIDE } from '../poller/poller.js';
import type { KernelPoller, PollerCapabilities, PollerKind } from '../poller/poller.js';
import { OP } from './format.js';
import type { AnyTape } from './taped-call.js';

export interface OpenedPoller {
  readonly kind: PollerKind;
  readonly fd: number;
  /** JSON has no Infinity. */
  readonly capabilities: Omit<PollerCapabilities, 'fdMax'> & { readonly fdMax: number | null };
  readonly hasRaw: boolean;
}

/** As it stands on a tape; -errno as it is. */
export function describePoller(poller: KernelPoller | number): OpenedPoller | number {
  if (typeof poller === 'number') return poller;
  const { kind, fd, capabilities } = poller;
  return { kind, fd, capabilities, hasRaw: poller.rawFlags !== undefined };
}

/** `real` is null in a replay. */
export class TapedPoller implements KernelPoller {
  readonly kind: PollerKind;
  readonly fd: number;
  readonly capabilities: PollerCapabilities;
  private raw: Int32Array | null = null;

  constructor(
    private readonly tape: AnyTape,
    private readonly number: number,
    private readonly real: KernelPoller | null,
    { kind, fd, capabilities }: Pick<KernelPoller, 'kind' | 'fd' | 'capabilities'>,
  ) {
    this.kind = kind;
    this.fd = fd;
    this.capabilities = capabilities;
  }

  allocateEvents(eventsMax: number): Int32Array {
    return this.real?.allocateEvents(eventsMax) ?? new Int32Array(eventsMax * EVENT_STRIDE);
  }
  rawFlags(eventsMax: number): Int32Array | null {
    this.raw = this.real === null ? new Int32Array(eventsMax) : (this.real.rawFlags?.(eventsMax) ?? null);
    return this.raw;
  }

  add(fd: number, interest: number, slot: number, generation: number): number {
    const { tape, real } = this;
    if (!tape.live) return (real as KernelPoller).add(fd, interest, slot, generation);
    this.asked(OP.pollerAdd, fd, interest, slot, generation);
    const result = tape.result(real === null ? 0 : real.add(fd, interest, slot, generation));
    tape.close();
    return result;
  }
  modify(fd: number, interest: number, slot: number, generation: number): number {
    const { tape, real } = this;
    if (!tape.live) return (real as KernelPoller).modify(fd, interest, slot, generation);
    this.asked(OP.pollerModify, fd, interest, slot, generation);
    const result = tape.result(real === null ? 0 : real.modify(fd, interest, slot, generation));
    tape.close();
    return result;
  }
  remove(fd: number): number {
    const { tape, real } = this;
    if (!tape.live) return (real as KernelPoller).remove(fd);
    tape.open(OP.pollerRemove);
    tape.putInt(this.number);
    tape.putInt(fd);
    tape.check();
    const result = tape.result(real === null ? 0 : real.remove(fd));
    tape.close();
    return result;
  }

  wait(events: Int32Array, timeoutMs: number): number {
    const { tape, real, raw } = this;
    if (!tape.live) return (real as KernelPoller).wait(events, timeoutMs);
    if (!tape.replaying) tape.beforeWait(timeoutMs);
    tape.open(OP.wait, events.length * 12);
    tape.putInt(this.number);
    tape.putNumber(timeoutMs);
    tape.check();
    const count = tape.result(real === null ? 0 : real.wait(events, timeoutMs));
    for (let i = 0; i < count; i++) {
      const at = i * EVENT_STRIDE;
      events[at] = tape.result(events[at]);
      events[at + 1] = tape.result(events[at + 1]);
      events[at + 2] = tape.result(events[at + 2]);
      const flags = tape.result(raw === null ? 0 : raw[i]);
      if (raw !== null) raw[i] = flags;
    }
    tape.close();
    return count;
  }
  wake(): void {
    this.told(OP.pollerWake);
    this.real?.wake();
  }
  close(): void {
    this.told(OP.pollerClose);
    this.real?.close();
  }

  private told(op: number): void {
    const { tape } = this;
    if (!tape.live) return;
    tape.open(op);
    tape.putInt(this.number);
    tape.closeChecked();
  }
  private asked(op: number, fd: number, interest: number, slot: number, generation: number): void {
    const { tape } = this;
    tape.open(op);
    tape.putInt(this.number);
    tape.putInt(fd);
    tape.putInt(interest);
    tape.putInt(slot);
    tape.putInt(generation);
    tape.check();
  }
}
