// Cancellation: what an aborted wait rejects with, who hears of an abort, and signals that follow another one.

import { UnderloopError } from '../errors.js';

/** Something that can be given up: nothing here waits without one. */
export interface AbortOptions {
  /** Aborting it rejects with ERR_ABORTED; `cause` is the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** What an aborted wait rejects with: `code` ERR_ABORTED, `name` AbortError as the web platform has it. */
export function abortError(what: string, signal: AbortSignal): UnderloopError {
  const error = new UnderloopError('ERR_ABORTED', `${what} was aborted`, { cause: signal.reason });
  error.name = 'AbortError';
  return error;
}

/** Whether `error` only says that somebody obeyed `signal`, and is no failure of its own. */
export function isCancellation(error: unknown, signal: AbortSignal): boolean {
  if (!signal.aborted) return false;
  if (error === signal.reason) return true;
  const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown };
  return name === 'AbortError' || code === 'ERR_ABORTED' || code === 'ABORT_ERR';
}

// One listener per signal, and a set of what it calls: EventTarget keeps its listeners in a list, where a million sleeps
// on one signal would look for their own a million times.
const listeners = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `act` when `signal` is aborted; at most once. Returns what forgets it. */
export function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal === undefined) return nothing;
  const acts = listeners.get(signal) ?? listen(signal);
  // Wrapped: the same function may be given twice.
  const entry = (): void => act();
  acts.add(entry);
  return () => void acts.delete(entry);
}

function listen(signal: AbortSignal): Set<() => void> {
  const acts = new Set<() => void>();
  listeners.set(signal, acts);
  const aborted = (): void => {
    for (const act of acts) act();
    acts.clear();
  };
  signal.addEventListener('abort', aborted, { once: true });
  return acts;
}

function nothing(): void {
  // There is no signal to forget.
}

/** A signal of our own that is aborted with its parent, or by itself. */
export class LinkedAbort {
  private readonly controller = new AbortController();
  /** Forgets the parent. */
  readonly unlink: () => void;

  constructor(parent: AbortSignal | undefined) {
    if (parent?.aborted === true) this.controller.abort(parent.reason);
    this.unlink = onAbort(parent, () => this.controller.abort(parent?.reason));
  }
  get signal(): AbortSignal {
    return this.controller.signal;
  }
  abort(reason?: unknown): void {
    this.controller.abort(reason);
  }
}
