// A first-in, first-out queue of things to run: a ring that grows by doubling and allocates nothing per item.

import type { ItemKind } from './observer.js';

/** What the reactor runs a source with at the end of a turn in which it asked for that. No readiness has this bit. */
export const FLUSH = 1 << 30;

/** Something that the reactor runs. `value`: a readiness for what waits on an fd, 0 for everything else. */
export interface Runnable {
  /** Called once per item. What it throws goes to `reactor.onError`. */
  run(value: number): void;
  /** What an observer calls it, as a function has a name; without it, the name of its class. */
  readonly name?: string;
  /** The program's own function that `value` will call, where there is one: a stepper shows its source. */
  handlerFor?(value: number): unknown;
}

/** What a registration calls when its fd is ready. `dispose` closes it when the whole reactor is closed. */
export interface Source extends Runnable {
  dispose?(): void;
}

/** A task is a plain function, or a {@link Runnable} where no closure shall be made per event. */
export type Task = Runnable | (() => void);

export class RunQueue {
  /** How many of the oldest tasks belong to this turn's batch. What is pushed later belongs to a later turn. */
  left = 0;
  /** Told of what may concern a wait in another thread: see thread-host.ts. Else null. @internal */
  changed: (() => void) | null = null;
  // Both rings have a power of two places, so that the position is a mask and not a division.
  private tasks: (Task | null)[] = new Array<Task | null>(16).fill(null);
  private mask = 15;
  private head = 0;
  private size = 0;

  constructor(readonly kind: ItemKind) {}

  get length(): number {
    return this.size;
  }

  push(task: Task): void {
    if (this.size > this.mask) this.grow();
    this.tasks[(this.head + this.size) & this.mask] = task;
    this.size++;
    this.changed?.();
  }

  /** A batch begins: at most `max` of the tasks queued now are in it. */
  seal(max: number): void {
    this.left = Math.min(this.size, max);
  }

  /** The task `index` places behind the oldest. Call it only when {@link length} is above that. */
  peek(index: number): Task {
    return this.tasks[(this.head + index) & this.mask] as Task;
  }

  /** The oldest task of the batch. Call it only when {@link left} is above 0. */
  next(): Task {
    this.left--;
    return this.shift();
  }

  /** The oldest task. Call it only when {@link length} is above 0. */
  shift(): Task {
    const task = this.tasks[this.head] as Task;
    this.tasks[this.head] = null; // keeps nothing alive that has run
    this.head = (this.head + 1) & this.mask;
    this.size--;
    return task;
  }

  private grow(): void {
    const bigger = new Array<Task | null>((this.mask + 1) * 2).fill(null);
    for (let i = 0; i < this.size; i++) bigger[i] = this.tasks[(this.head + i) & this.mask] ?? null;
    this.tasks = bigger;
    this.mask = bigger.length - 1;
    this.head = 0;
  }
}
