// Checks of poller arguments, with the capability of the mechanism in the message.

import { SystemError, UnderloopError, argumentError, checkInteger } from '../errors.js';
import { ERANGE } from '../kernel/errno.js';
import type { Kernel } from '../kernel/kernel.js';
import { EDGE, INTEREST_MASK, ONESHOT } from './poller.js';
import type { KernelPoller, PollerKind, Trigger } from './poller.js';

const triggers: Record<Trigger, number> = {
  level: 0,
  edge: EDGE,
  oneshot: ONESHOT,
  'edge-oneshot': EDGE | ONESHOT,
};

/** The kind to open: the one given, else the environment's UNDERLOOP_POLLER, else the kernel's best. */
export function checkPollerKind(name: string, kind: unknown, kernel: Kernel): PollerKind {
  const kinds = kernel.pollerKinds;
  const fromEnvironment = kernel.name === 'native' ? process.env['UNDERLOOP_POLLER'] : undefined;
  const wanted = kind === undefined ? (fromEnvironment ?? kinds[0]) : kind;
  if (!(kinds as readonly unknown[]).includes(wanted)) {
    const source = kind === undefined ? 'the environment variable UNDERLOOP_POLLER' : name;
    throw argumentError(source, `one of the pollers of this system: ${kinds.join(', ')}`, wanted);
  }
  return wanted as PollerKind;
}

/** Opens a poller of a checked kind, or throws what the refusal means. */
export function openPoller(kernel: Kernel, kind: PollerKind): KernelPoller {
  const poller = kernel.openPoller(kind);
  if (typeof poller !== 'number') return poller;
  if (poller !== ERANGE) throw new SystemError(`open ${kind} poller`, poller);
  throw new UnderloopError(
    'ERR_FD_TOO_LARGE',
    "no descriptor below select's FD_SETSIZE is free, and its own waker needs one. Use the poller 'epoll', 'kqueue' or 'poll'",
  );
}

/** The flags of a trigger mode. Throws ERR_UNSUPPORTED where the mechanism has it not. */
export function triggerFlags(name: string, trigger: unknown, poller: KernelPoller): number {
  if (trigger === undefined) return 0;
  if (typeof trigger !== 'string' || !Object.hasOwn(triggers, trigger)) {
    throw argumentError(name, `one of ${Object.keys(triggers).join(', ')}`, trigger);
  }
  const flags = triggers[trigger as Trigger];
  const { edge, oneshot } = poller.capabilities;
  if ((flags & EDGE && !edge) || (flags & ONESHOT && !oneshot)) {
    throw new UnderloopError(
      'ERR_UNSUPPORTED',
      `${name} '${trigger}' is not possible with ${poller.kind}, which is level-triggered only; use epoll or kqueue`,
    );
  }
  return flags;
}

export function checkInterest(name: string, interest: unknown): asserts interest is number {
  checkInteger(`${name} (READABLE | WRITABLE | PRIORITY)`, interest, 0, INTEREST_MASK);
}
