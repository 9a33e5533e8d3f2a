// What the tests of the turn share: a reactor on the scripted kernel, and a log of what it calls.

import { afterEach, expect } from 'vitest';
import { Reactor, SilentObserver } from '../../src/index.js';
import type { ItemKind, ReactorOptions, TimeoutReason } from '../../src/index.js';
import { ScriptedKernel } from '../../src/testing.js';

/** Notes what the reactor says about itself, in words. */
export class NotingObserver extends SilentObserver {
  readonly waits: { timeoutMs: number; reason: TimeoutReason }[] = [];
  readonly batches: number[][] = [];
  readonly items: ItemKind[] = [];
  readonly stales: { slot: number; generation: number; readiness: number }[] = [];
  readonly errors: { error: unknown; kind: ItemKind }[] = [];
  readonly interests: string[] = [];
  turns = 0;

  override turnBegin(): void {
    this.turns++;
  }
  override waitBegin(timeoutMs: number, reason: TimeoutReason): void {
    this.waits.push({ timeoutMs, reason });
  }
  override batch(...counts: number[]): void {
    this.batches.push(counts);
  }
  override itemBegin(kind: ItemKind): void {
    this.items.push(kind);
  }
  override stale(slot: number, generation: number, readiness: number): void {
    this.stales.push({ slot, generation, readiness });
  }
  override error(error: unknown, kind: ItemKind): void {
    this.errors.push({ error, kind });
  }
  override interest(change: string, fd: number): void {
    this.interests.push(`${change} ${String(fd)}`);
  }
}

export interface Bench {
  kernel: ScriptedKernel;
  reactor: Reactor;
  observer: NotingObserver;
  /** What the program's own handlers wrote. */
  log: string[];
  /** A handler that writes `text`. */
  note(text: string): () => void;
  /** A connected pair of stream sockets. */
  pair(): [number, number];
  /** Makes `fd` readable. */
  feed(fd: number, text?: string): void;
  /** Reads `fd` until nothing is left. */
  drain(fd: number): void;
}

const opened: Reactor[] = [];
afterEach(() => {
  for (const reactor of opened.splice(0)) reactor.close();
});

export function bench(options: Omit<ReactorOptions, 'kernel' | 'observer'> = {}): Bench {
  const kernel = new ScriptedKernel();
  const observer = new NotingObserver();
  const reactor = new Reactor({ kernel, observer, ...options });
  opened.push(reactor);
  const log: string[] = [];
  return {
    kernel,
    reactor,
    observer,
    log,
    note: (text) => () => void log.push(text),
    pair() {
      const ends = new Int32Array(2);
      expect(kernel.socketPair(ends)).toBe(0);
      return [ends[0]!, ends[1]!];
    },
    feed(fd, text = 'x') {
      expect(kernel.feed(fd, Buffer.from(text))).toBe(text.length);
    },
    drain(fd) {
      while (kernel.recv(fd, 0, kernel.buffer.length) > 0);
    },
  };
}

/** The error that `call` throws; fails when it throws none. */
export function thrown(call: () => unknown): Error & { code?: string } {
  try {
    call();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}
