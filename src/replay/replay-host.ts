// The host of a replay: it decides nothing, and does in their order what the recorded host decided.

import { binding } from '../binding.js';
import { NONE } from '../poller/poller.js';
import type { KernelPoller, PollerKind } from '../poller/poller.js';
import { RuntimeHost } from '../reactor/host.js';
import type { Reactor } from '../reactor/reactor.js';
import { OP } from './format.js';
import type { ReplayTape } from './replay-tape.js';
import type { ReplayRuntime } from './replay-runtime.js';
import type { Reactors } from './taped-observer.js';

/** The program does nothing, and nothing of the runtime's is under way: so many passes later it will not any more. */
const IDLE_PASSES_MAX = 20;
/** What a replay runs for real (files that are read, say) is waited for so long, and a program that is loaded longer. */
const STALL_MS = 10_000;
const LOAD_MS = 30_000;

const realNow = performance.now.bind(performance);

/** It waits on nothing: each reactor has a scripted poller. */
const sharedPoller = (kind: PollerKind): KernelPoller => ({
  kind,
  fd: -1,
  capabilities: {
    edge: false,
    oneshot: false,
    exclusive: false,
    nestable: true,
    fdMax: Infinity,
    resolutionMs: 0,
  },
  add: () => 0,
  modify: () => 0,
  remove: () => 0,
  allocateEvents: () => new Int32Array(NONE),
  wait: () => 0,
  wake: () => undefined,
  close: () => undefined,
});

/** Registers the same descriptors, by number, in the same slots as the recorded host did; nothing is behind them. */
export class ReplayHost extends RuntimeHost {
  constructor(
    private readonly tape: ReplayTape,
    private readonly reactorNumbers: Reactors,
  ) {
    tape.open(OP.host);
    tape.check();
    super({ fd: tape.result(), sliceFd: tape.result(), state: new ArrayBuffer(64) });
    tape.close();
  }

  /** One decision of the recorded host. */
  obey(op: number): void {
    const { tape } = this;
    tape.take();
    if (op === OP.turn) {
      const reactor = this.numbered(tape.result());
      const maxWaitMs = tape.resultNumber();
      tape.close();
      if (!this.reactors.includes(reactor) || !reactor.alive) {
        return tape.untake('nothing keeps that reactor going any more');
      }
      this.turnOf(reactor, maxWaitMs);
    } else if (op === OP.shared) {
      tape.close();
      this.nearestDelayMs();
    } else if (op === OP.drain) {
      tape.close();
      this.drain();
    } else {
      const reactor = this.numbered(tape.result());
      tape.close();
      if (reactor.alive) return tape.untake('something keeps that reactor going still');
      this.endRun(reactor);
    }
  }

  private numbered(index: number): Reactor {
    return this.reactorNumbers.all.at(index) ?? this.tape.untake('that reactor is closed');
  }

  protected override startOrStop(): void {
    // The driver runs as long as the recording goes on.
  }
  protected override updateReference(): void {
    // Nor does what is referenced decide when the program ends.
  }
  protected override openShared(kind: PollerKind): KernelPoller {
    return sharedPoller(kind);
  }
}

/** Drives a replay from the runtime's loop: everything that came from outside the program, in its recorded order. */
export class Driver {
  private host: ReplayHost | null = null;
  private drainDue = false;
  private lastEvents = -1;
  private passes = 0;
  private sinceMs = realNow();
  private started = false;

  constructor(
    private readonly tape: ReplayTape,
    private readonly reactors: Reactors,
    private readonly runtime: ReplayRuntime,
  ) {
    binding.hostOpen(() => this.pump());
  }

  /** For the program's reactors. */
  readonly hostOf = (): ReplayHost => (this.host ??= new ReplayHost(this.tape, this.reactors));

  start(): void {
    if (this.started) return;
    this.started = true;
    this.sinceMs = realNow();
    this.passes = 0;
    binding.hostStart();
    binding.hostRef(true);
  }
  private stop(): void {
    this.started = false;
    binding.hostStop();
  }

  private pump(): void {
    // What a callback threw was told as uncaught; what it left to do is done before the next.
    if (this.drainDue) this.drain();
    for (;;) {
      const op = this.tape.peek();
      switch (op) {
        case OP.turn:
        case OP.shared:
        case OP.drain:
        case OP.runEnded:
          this.hostOf().obey(op);
          break;
        case OP.callback:
          this.tape.take();
          this.drainDue = true;
          this.runtime.fire(this.tape.result());
          this.drain();
          break;
        case OP.signal:
          this.tape.take();
          this.drainDue = true;
          this.runtime.signal(this.tape.resultText());
          this.drain();
          break;
        case OP.beforeExit:
        case OP.exit:
          this.stop(); // the program is to end by itself
          this.runtime.expectEnd();
          return;
        case OP.limit:
        case -1:
          this.tape.missing('');
          return;
        default:
          this.waitForProgram();
          return;
      }
    }
  }

  private drain(): void {
    this.drainDue = true;
    binding.hostDrain();
    this.drainDue = false;
  }

  /** The next entry is the program's own: something that the runtime does for real must bring it about. */
  private waitForProgram(): void {
    const { tape } = this;
    if (tape.events !== this.lastEvents) {
      this.lastEvents = tape.events;
      this.passes = 0;
      this.sinceMs = realNow();
      return;
    }
    this.passes++;
    const loading = tape.events === 0;
    const busy = loading || somethingIsUnderWay();
    const limitMs = loading ? LOAD_MS : STALL_MS;
    if (busy ? realNow() - this.sinceMs > limitMs : this.passes > IDLE_PASSES_MAX) {
      tape.missing('nothing: the program does nothing any more');
    }
  }
}

/** Handles of the runtime's that bring nothing by themselves: what is printed goes through them. */
const QUIET = new Set(['TTYWrap', 'PipeWrap', 'Immediate']);

function somethingIsUnderWay(): boolean {
  return process.getActiveResourcesInfo().some((type) => !QUIET.has(type));
}
