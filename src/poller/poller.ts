// The poller contract: interest, readiness, trigger and capability flags, shared by every mechanism and by the kernels.

/**
 * The mechanisms a poller can stand on. `scripted` is the in-memory one of `underloop/testing`, `uring` that of
 * src/uring/, which no reactor has without it; `spin` asks nobody and says that all is ready, for the model of that name.
 */
export type PollerKind = 'epoll' | 'kqueue' | 'poll' | 'select' | 'uring' | 'scripted' | 'spin';

/**
 * Interest (what is asked for) and readiness (what the kernel reported) share their bits, so that
 * readiness can be masked with interest in one operation. The numbers are those of `native/poller.h`.
 */
export const NONE = 0;
/** Bytes, a connection to accept, or end-of-file can be read without blocking. */
export const READABLE = 1;
/** At least one byte can be written without blocking, or a connect has finished. */
export const WRITABLE = 2;
/** Urgent data (TCP), or an exceptional condition of a pty or sysfs file: POLLPRI in poll(2). */
export const PRIORITY = 4;
/** Readiness only: the peer has shut down its writing half (EPOLLRDHUP, EV_EOF). Unread data may still be there. */
export const READ_CLOSED = 8;
/** Readiness only, reported whatever the interest: both halves are gone (EPOLLHUP). Unread data may still be there. */
export const HANGUP = 16;
/** Readiness only, reported whatever the interest: an error is pending; `SO_ERROR` tells which. */
export const ERROR = 32;
/** Readiness only: the descriptor was closed while registered (POLLNVAL; select(2)'s EBADF). */
export const INVALID = 64;

/** What the kernel reports although nobody asked for it. */
export const ALWAYS_REPORTED = HANGUP | ERROR | INVALID;

/** Trigger modes, or-ed into the interest handed to a poller. Level is the absence of both. */
export const EDGE = 256;
export const ONESHOT = 512;
/** Linux: of several epoll sets that hold this fd, wake at least one instead of all (EPOLLEXCLUSIVE, Linux 4.5). */
export const EXCLUSIVE = 1024;

/** All the interest bits that a caller may ask for. */
export const INTEREST_MASK = READABLE | WRITABLE | PRIORITY;
export const TRIGGER_MASK = EDGE | ONESHOT | EXCLUSIVE;

/** How a registration reports: `level` while it is so, `edge` when it becomes so, `oneshot` once until modified. */
export type Trigger = 'level' | 'edge' | 'oneshot' | 'edge-oneshot';

/** What a mechanism can do. Ask before relying on it: a poller refuses what it cannot do with `ERR_UNSUPPORTED`. */
export interface PollerCapabilities {
  /** Edge triggers: reports when it becomes so. */
  readonly edge: boolean;
  /** Oneshot: reports once until modified. */
  readonly oneshot: boolean;
  /** Of several pollers with the same descriptor, not all are woken (EPOLLEXCLUSIVE). */
  readonly exclusive: boolean;
  /** The poller itself is a descriptor that another poller can wait on. */
  readonly nestable: boolean;
  /** The highest fd plus one that it can hold; Infinity where the mechanism sets no bound. select(2): FD_SETSIZE. */
  readonly fdMax: number;
  /** The finest timeout that it can honour, in milliseconds. */
  readonly resolutionMs: number;
}

/** Numbers per event in the caller's array: slot, generation, readiness. */
export const EVENT_STRIDE = 3;

/**
 * One kernel poller, as {@link Kernel.openPoller} gives it: mechanism without policy. Every call returns
 * a number >= 0, or -errno; none throws. The token (slot, generation) comes back with each event, untouched.
 */
export interface KernelPoller {
  /** The mechanism. */
  readonly kind: PollerKind;
  /** What the mechanism can do. */
  readonly capabilities: PollerCapabilities;
  /** The descriptor of the poller itself (epoll, kqueue), or -1 where the mechanism has none. */
  readonly fd: number;
  /** Adds `fd`. `interest` is READABLE | WRITABLE | PRIORITY, or-ed with trigger flags. -EEXIST when it is there already. */
  add(fd: number, interest: number, slot: number, generation: number): number;
  /** Replaces interest, trigger and token of `fd`; rearms a oneshot. -ENOENT when it is not there. */
  modify(fd: number, interest: number, slot: number, generation: number): number;
  /** Takes `fd` out. -ENOENT when it is not there. */
  remove(fd: number): number;
  /** An array for {@link wait} with room for `eventsMax` events, where this poller fills it most cheaply. Call it once. */
  allocateEvents(eventsMax: number): Int32Array;
  /**
   * An array in which each wait leaves what the mechanism itself said of event i, untranslated (EPOLLIN, POLLHUP, ...):
   * for an observer. Nothing is paid for it before it is asked for, once; null or absent where there is nothing to tell.
   */
  rawFlags?(eventsMax: number): Int32Array | null;
  /**
   * Waits once for at most `timeoutMs` (fractions allowed; Infinity: without bound; 0: look and return) and fills
   * `events` with [slot, generation, readiness] triples, at most `events.length / 3` of them. Returns their number.
   * A signal (EINTR) does not end the wait: the deadline is recomputed. A wake ends it, and is not an event.
   */
  wait(events: Int32Array, timeoutMs: number): number;
  /** Makes the current wait, or else the next one, return. Wakes are not counted: many are one. */
  wake(): void;
  /** Closes the poller's own descriptors. Idempotent; never closes a registered fd. */
  close(): void;
}

const bitNames: readonly (readonly [number, string])[] = [
  [READABLE, 'readable'],
  [WRITABLE, 'writable'],
  [PRIORITY, 'priority'],
  [READ_CLOSED, 'read-closed'],
  [HANGUP, 'hangup'],
  [ERROR, 'error'],
  [INVALID, 'invalid'],
];

/** Interest or readiness in words: `readable+hangup`; `none` for 0. */
export function describeReadiness(bits: number): string {
  const names = bitNames.filter(([bit]) => (bits & bit) !== 0).map(([, name]) => name);
  return names.length === 0 ? 'none' : names.join('+');
}
