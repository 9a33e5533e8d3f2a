// Checks of what listen() and connect() are given, before any system call.

import { argumentError, checkInteger } from '../errors.js';
import { triggerFlags } from '../poller/checks.js';
import { ONESHOT, type KernelPoller } from '../poller/poller.js';
import { Reactor } from '../reactor/reactor.js';

const handlerNames = ['open', 'data', 'drain', 'readClosed', 'idle', 'error', 'close', 'acceptError'];

export function checkReactor(reactor: unknown): void {
  if (!(reactor instanceof Reactor)) throw argumentError('reactor', 'a Reactor', reactor);
}

export function checkObject(name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) throw argumentError(name, 'an object', value);
}

/** Throws unless every handler given is a function. */
export function checkHandlers(handlers: unknown, names: readonly string[] = handlerNames): void {
  if (typeof handlers !== 'object' || handlers === null) {
    throw argumentError('handlers', 'an object of handler functions', handlers);
  }
  for (const name of names) {
    const handler = (handlers as Record<string, unknown>)[name];
    if (handler !== undefined && typeof handler !== 'function') {
      throw argumentError(`handlers.${name}`, 'a function', handler);
    }
  }
}

export function checkQueueBound(bytes: unknown): void {
  if (bytes !== undefined) checkInteger('options.writeQueueBytesMax', bytes, 1, 2 ** 31 - 1);
}

/** `options.flush`: see {@link Flush} in staging.ts. */
export function checkFlush(flush: unknown): void {
  if (flush !== undefined && flush !== 'now' && flush !== 'turn') {
    throw argumentError('options.flush', "'now' or 'turn'", flush);
  }
}

/** A switch: true, false or absent. 1 and 'yes' are refused, for some would mean "on" by them and be ignored. */
export function checkSwitch(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'boolean') throw argumentError(name, 'true or false', value);
}

/** The flags of `options.trigger`. A connection that is told once, and then no more, would stall: so no oneshot. */
export function connectionTrigger(trigger: unknown, poller: KernelPoller): number {
  const flags = triggerFlags('options.trigger', trigger, poller);
  if ((flags & ONESHOT) !== 0) throw argumentError('options.trigger', "'level' or 'edge'", trigger);
  return flags;
}
