// What the doctor asks the kernel about the program's own descriptors, without taking anything from them.

import { fstatSync, readlinkSync } from 'node:fs';
import { binding } from '../binding.js';
import { EMFILE, ENFILE } from '../kernel/errno.js';
import { nativeKernel } from '../kernel/native.js';
import { EVENT_STRIDE, HANGUP, INVALID, READABLE, WRITABLE } from '../poller/poller.js';
import type { KernelPoller } from '../poller/poller.js';
import { compareInterest, isKnown, readPollerInterest, type InterestDifference } from '../probe/index.js';
import type { Belief } from '../reactor/registry.js';

/** What poll(2) and FIONREAD say of a descriptor at this moment. */
export interface Look {
  readonly readable: boolean;
  readonly writable: boolean;
  readonly hungUp: boolean;
  /** Bytes that a read would find; -1: the kernel does not say of this kind. */
  readonly bytes: number;
}

export interface Eyes {
  /** Null: not open, or of a kind that cannot be asked. */
  look(fd: number): Look | null;
  /** `socket`, `pipe`, `eventfd`, `timerfd`, `pidfd`, `inotify`, ...; `` when it is not known. */
  kind(fd: number): string;
  isListener(fd: number): boolean;
  /** The error that opening one more descriptor gives now: EMFILE or ENFILE; null: one can be had. */
  outOfDescriptors(): 'EMFILE' | 'ENFILE' | null;
  /** What the number names, so that another file under it can be told; null: it is not open. */
  identity(fd: number): string | null;
  /** How long this thread was ready to run and did not, in all; 0 where the system does not say. */
  runDelayMs(): number;
  /** Where the kernel's list and this one differ; null: the mechanism keeps none that can be read. */
  differences(
    poller: Pick<KernelPoller, 'kind' | 'fd'>,
    beliefs: Iterable<Belief>,
  ): readonly InterestDifference[] | null;
}

// The order is that of Kind in native/stream.cc; the kind stands in the low three bits.
const KIND_MASK = 7;
const LISTENER = 1;

/** As it was before anybody listened to what the program closes: a function of the addon's, which knows no this. */
const close = binding.close.bind(binding);

class SystemEyes implements Eyes {
  private readonly poller: KernelPoller | null;
  private readonly events: Int32Array;

  constructor() {
    // Opened now: later the program may be out of descriptors.
    const poller = nativeKernel.pollerKinds.includes('poll') ? nativeKernel.openPoller('poll') : -1;
    this.poller = typeof poller === 'number' ? null : poller;
    this.events = new Int32Array(EVENT_STRIDE);
  }

  look(fd: number): Look | null {
    const { poller, events } = this;
    if (poller === null || poller.add(fd, READABLE | WRITABLE, 0, 1) < 0) return null;
    const count = poller.wait(events, 0);
    poller.remove(fd);
    const bits = count > 0 ? events[2] : 0;
    if ((bits & INVALID) !== 0) return null;
    return {
      readable: (bits & READABLE) !== 0,
      writable: (bits & WRITABLE) !== 0,
      hungUp: (bits & HANGUP) !== 0,
      bytes: Math.max(binding.queuedBytes(fd), -1),
    };
  }

  kind(fd: number): string {
    try {
      const link = readlinkSync(`/proc/self/fd/${fd}`);
      return /^anon_inode:\[?([a-z]+)/.exec(link)?.[1] ?? /^(socket|pipe):/.exec(link)?.[1] ?? '';
    } catch {
      return ''; // no /proc here
    }
  }

  isListener(fd: number): boolean {
    const facts = binding.inspect(fd);
    return facts >= 0 && (facts & KIND_MASK) === LISTENER;
  }

  outOfDescriptors(): 'EMFILE' | 'ENFILE' | null {
    const fd = binding.openReserve();
    if (fd === EMFILE) return 'EMFILE';
    if (fd === ENFILE) return 'ENFILE';
    if (fd >= 0) close(fd);
    return null;
  }

  identity(fd: number): string | null {
    try {
      const { dev, ino, rdev } = fstatSync(fd);
      return `${dev}:${ino}:${rdev}`;
    } catch {
      return null;
    }
  }

  runDelayMs(): number {
    return binding.runDelayNs() / 1e6;
  }

  differences(
    poller: Pick<KernelPoller, 'kind' | 'fd'>,
    beliefs: Iterable<Belief>,
  ): readonly InterestDifference[] | null {
    if (poller.kind !== 'epoll') return null;
    const list = readPollerInterest(poller);
    return isKnown(list) ? compareInterest(list.value.entries, beliefs) : null;
  }
}

export function systemEyes(): Eyes {
  return new SystemEyes();
}
