// Notes what the thread is in, where another thread can read it: for an item that never returns, and so is never told of.

import { Worker } from 'node:worker_threads';
import type { Taker } from './scene.js';

/** Places in the shared memory. */
export const NAME = 0;
export const SERIAL = 1;
export const FD = 2;
export const TRANSFERS = 3;
const WORDS = 4;

/** Different names; further ones are called by the empty name. */
const NAMES_MAX = 4096;

/** What an item is called. */
export interface StuckName {
  readonly id: number;
  readonly kind: Taker['kind'];
  readonly name: string;
  /** Of which loop. */
  readonly loop: string;
  readonly poller: string;
}

/** Told by the other thread, over the doctor's descriptor. */
export interface StuckMessage extends StuckName {
  readonly type: 'stuck';
  readonly fd: number;
  readonly forMs: number;
  /** System calls that gave something since it was looked at first. */
  readonly transfers: number;
}

export class StuckWatch {
  private readonly words = new Int32Array(new SharedArrayBuffer(WORDS * 4));
  private readonly worker: Worker;
  private readonly ids = new Map<string, number>();

  constructor(controlFd: number) {
    // No options or environment of the program's: it shall not run what the program asks Node to load.
    this.worker = new Worker(new URL('./stuck-thread.js', import.meta.url), {
      workerData: { words: this.words, controlFd },
      execArgv: [],
      env: {},
      name: 'underloop doctor',
    });
    this.worker.on('error', () => undefined);
    this.worker.unref();
  }

  begin(taker: Taker, loop: string, poller: string): void {
    const { words } = this;
    words[FD] = taker.fd;
    words[NAME] = this.idOf(taker, loop, poller);
    words[SERIAL]++;
  }
  end(): void {
    this.words[NAME] = 0;
  }
  transferred(): void {
    this.words[TRANSFERS]++;
  }

  private idOf({ kind, name }: Pick<Taker, 'kind' | 'name'>, loop: string, poller: string): number {
    const key = `${loop} ${kind} ${name}`;
    let id = this.ids.get(key);
    if (id === undefined) {
      if (this.ids.size >= NAMES_MAX && name !== '') return this.idOf({ kind, name: '' }, loop, poller);
      id = this.ids.size + 1;
      this.ids.set(key, id);
      const told: StuckName = { id, kind, name, loop, poller };
      this.worker.postMessage(told);
    }
    return id;
  }
}
