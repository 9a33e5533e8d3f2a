// Which reactor sockets and servers live on, and how long it runs: as long as something on it is open.

import { Reactor } from '../reactor/reactor.js';

/** What has a place on the loop while it is open: a link of a socket, or a listener. */
export interface Referable {
  ref(): unknown;
  unref(): unknown;
}

/** The reactor under a net, and what its sockets and servers tell it. */
export interface Loop {
  readonly reactor: Reactor;
  /** Something was opened; `referenced`: it keeps the process alive. */
  opened(what: Referable, referenced: boolean): void;
  /** It has closed. */
  closed(referenced: boolean): void;
  /** socket.ref(), socket.unref(). */
  setReferenced(what: Referable, referenced: boolean): void;
}

/** A reactor that the program runs itself. What is unreferenced does not keep its run() going. */
export class GivenLoop implements Loop {
  constructor(readonly reactor: Reactor) {}
  opened(what: Referable, referenced: boolean): void {
    if (!referenced) what.unref();
  }
  closed(): void {
    // The registry has counted it out.
  }
  setReferenced(what: Referable, referenced: boolean): void {
    if (referenced) what.ref();
    else what.unref();
  }
}

/**
 * The thread's own reactor. It runs while anything is open on it, referenced or not: an unreferenced server must still
 * accept while something else keeps the process alive, as node:net's does. Whether the process may end is another count.
 */
export class DefaultLoop implements Loop {
  readonly reactor = new Reactor();
  private running = false;
  private open = 0;
  private referenced = 0;

  opened(_what: Referable, referenced: boolean): void {
    this.open++;
    if (referenced) this.referenced++;
    if (!this.running) this.start();
    else if (referenced && this.referenced === 1) this.reactor.ref();
  }

  closed(referenced: boolean): void {
    this.open--;
    if (referenced) this.count(-1);
  }

  setReferenced(_what: Referable, referenced: boolean): void {
    this.count(referenced ? 1 : -1);
  }

  private count(change: number): void {
    const before = this.referenced;
    this.referenced += change;
    if (before === 0) this.reactor.ref();
    else if (this.referenced === 0) this.reactor.unref();
  }

  private start(): void {
    this.running = true;
    this.reactor.run().then(
      () => {
        this.running = false;
        // Something was opened between the end of the run and this reaction.
        if (this.open > 0) this.start();
      },
      (error: unknown) => {
        this.running = false;
        process.nextTick(() => {
          throw error; // the wait itself failed: nothing on this loop can go on
        });
      },
    );
    if (this.referenced === 0) this.reactor.unref();
  }
}

let shared: DefaultLoop | null = null;

/** The default loop of this thread, made when first needed. */
export function defaultLoop(): Loop {
  return (shared ??= new DefaultLoop());
}
