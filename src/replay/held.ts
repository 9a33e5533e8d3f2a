// A replay that is held between two items. Nothing comes from outside, so the thread itself waits for commands: a hold with a
// promise would let promises of the program run between two items, which did not run there when it was recorded.

import * as fs from 'node:fs';
import { binding } from '../binding.js';
import { busy } from '../errors.js';
import type { Held } from '../reactor/hold.js';
import { observerMethods } from '../reactor/instrument.js';
import type { ObservedReactor, Observer } from '../reactor/observer.js';
import { Conductor, type Change } from '../step/conductor.js';
import { LineReader, encode, type Message } from '../step/protocol.js';
import { Puppet, type Stage } from '../step/puppet.js';
import { SourceFinder } from '../step/source.js';
import { REPORT_FD, type HoldFrom } from './protocol.js';
import type { ReplayTape } from './replay-tape.js';

const { readSync, writeSync } = fs;

/** A program that runs freely looks so often whether somebody asks it to pause. */
const ITEMS_PER_LOOK = 256;
const READ_BYTES = 64 * 1024;
/** So much before the first hold is shown with it. */
const NEAR_ITEMS = 3;
const NEAR_EVENTS = 50;

/** Writes everything to the controller now: while the thread waits, nothing would be written later. */
export function tellNow(message: object): void {
  const bytes = Buffer.from(encode(message as Message));
  for (let done = 0; done < bytes.length;) done += writeSync(REPORT_FD, bytes, done);
}

/** All reactors of a held replay, and the way to their controller. */
export class HeldReplay implements Stage {
  readonly conductor = new Conductor((message) => this.tell(message));
  readonly congested = false;
  private readonly lines = new LineReader((line) => this.conductor.obey(line));
  private readonly bytes = Buffer.alloc(READ_BYTES);
  private finder: SourceFinder | null = null;
  private reactors = 0;
  private items = 0;
  private telling = false;

  constructor(
    readonly tape: ReplayTape,
    private readonly from: HoldFrom,
    pid: number,
  ) {
    this.tell({ type: 'hello', pid, version: process.version });
    for (const condition of from.breakpoints) this.conductor.obey({ do: 'break', condition });
  }

  /** The debugger makes the way to the first hold slower: it is asked only from there on. */
  get sources(): SourceFinder {
    return (this.finder ??= new SourceFinder());
  }

  puppet(otherStepper: boolean): Puppet {
    return new ReplayPuppet(this, ++this.reactors, otherStepper);
  }

  tell(message: Message): void {
    tellNow(message);
  }
  keepAlive(): void {
    // The thread itself waits.
  }
  gone(): void {
    // There is nobody to be told.
  }
  readonly replay = (): { event: number; item: number } => ({ event: this.tape.events, item: this.items });

  /** The next item of the program is due. Whether it is one to be held at. */
  arrives(): boolean {
    this.items++;
    if (this.items < this.from.item || this.tape.events < this.from.event) return false;
    if (this.items % ITEMS_PER_LOOK === 0 && binding.queuedBytes(REPORT_FD) > 0) this.readCommands();
    return true;
  }

  /** Few items before the first hold, or behind it: what happened before is told of nobody. */
  private get near(): boolean {
    return this.items >= this.from.item - NEAR_ITEMS && this.tape.events >= this.from.event - NEAR_EVENTS;
  }

  /** `own`, and `puppet` as far as somebody will ask what it has seen: on a long way nobody does. */
  observer(own: Observer, puppet: Puppet): Observer {
    const methods: Record<string, (...args: unknown[]) => void> = {};
    for (const name of observerMethods) {
      const first = own[name].bind(own) as (...args: unknown[]) => void;
      const second = puppet[name].bind(puppet) as (...args: unknown[]) => void;
      const always = name === 'reactorOpened' || name === 'reactorClosed';
      methods[name] = (a, b, c, d, e, f) => {
        first(a, b, c, d, e, f);
        // From a beginning on: the end of an item that nobody saw begin has no time.
        if (!this.telling && this.near && (name === 'turnBegin' || name === 'itemBegin')) this.telling = true;
        if (always || this.telling) second(a, b, c, d, e, f);
      };
    }
    return methods as unknown as Observer;
  }

  /** Obeys commands until `done`. */
  waitFor(done: () => boolean): void {
    while (!done()) this.readCommands();
  }

  private readCommands(): void {
    const count = readSync(REPORT_FD, this.bytes, 0, this.bytes.length, null);
    if (count === 0) process.kill(process.pid, 'SIGKILL'); // nobody is left to let it go
    this.lines.push(this.bytes.toString('utf8', 0, count));
  }
}

class ReplayPuppet extends Puppet {
  readonly synchronous = true;

  constructor(
    private readonly owner: HeldReplay,
    number: number,
    otherStepper: boolean,
  ) {
    super(owner, number, otherStepper);
  }

  override reactorOpened(observed: ObservedReactor): void {
    super.reactorOpened(observed);
    // The recorded clock as it was last read: to read it is the program's.
    this.now = () => this.owner.tape.nowMs;
  }

  override hold(held: Held): void {
    const { owner } = this;
    const { tape } = owner;
    if (!owner.arrives()) return;
    tape.aside = true;
    try {
      if (super.hold(held) !== undefined) owner.waitFor(() => !this.isHeld);
    } finally {
      tape.aside = false;
    }
  }

  override change(_command: Change): void {
    throw busy('a replay does what was recorded: drop, move and inject would make it another program');
  }
}
