// Beside the runtime: the reactor shares its thread with Node's own loop, and must never starve it.

import { binding, type NativeHost } from '../binding.js';
import { SystemError, UnderloopError } from '../errors.js';
import type { Kernel } from '../kernel/kernel.js';
import { nativeKernel } from '../kernel/native.js';
import { EVENT_STRIDE, READABLE } from '../poller/poller.js';
import type { KernelPoller, PollerKind } from '../poller/poller.js';
import type { Reactor } from './reactor.js';
import { ImmediateHost } from './immediate-host.js';
import { instrumentHost } from './instrument.js';
import type { Source } from './run-queue.js';
import { ThreadHost } from './thread-host.js';

/** Runs the turns of the reactors that share a thread. */
export interface Host {
  join(reactor: Reactor): void;
  leave(reactor: Reactor): void;
  setReferenced(reactor: Reactor, referenced: boolean): void;
  /** A stepper holds the reactor: it makes no turns, and nobody waits for it, until it is released. */
  setHeld(reactor: Reactor, held: boolean): void;
}

/**
 * How long busy turns and their waits go on at most before the runtime gets a pass. It gets one at once when it has a
 * timer or an immediate that is due, something readable, or a new watcher (a socket that a handler has just opened),
 * which it hands to the kernel only inside its own poll. Only an unreferenced immediate shows nowhere, and waits so long.
 */
export const SLICE_MS = 20;

/**
 * After this many passes in a row in which the runtime ran nothing, all its watchers are in the kernel, and we may wait
 * without bound. One is not enough: an unreferenced immediate runs after the poll of its pass, unseen by us.
 */
const QUIET_PASSES = 2;

// The layout of HostState in native/host.h.
const RUNTIME_DUE_MS = 0;
const RUNTIME_DEADLINE_MS = 1;
const RUNTIME_EVENTS = 2;

/**
 * The native side calls {@link pump} from the runtime's loop, just before its poll. It makes turns, each followed by a
 * drain of process.nextTick and the microtasks. When it returns, the runtime's loop makes one pass without waiting.
 *
 * Three states. *Busy*: turns go on, and wait, until the slice is over. *Settling*: nothing was dispatched; passes of
 * the runtime alternate with turns that only look. *Quiet*: the runtime has nothing new; the reactor waits as it likes.
 */
export class RuntimeHost implements Host {
  protected readonly reactors: Reactor[] = [];
  private readonly unreferenced = new Set<Reactor>();
  protected readonly held = new Set<Reactor>();
  /** The native side calls us: some reactor is not held. */
  protected started = false;
  private readonly state: Float64Array;
  private readonly runtimeFd: number;
  private readonly slice: Slice;

  // Several reactors: one wait on the runtime and on each reactor's poller.
  private shared: KernelPoller | null = null;
  private readonly sharedEvents = new Int32Array(64 * EVENT_STRIDE);
  private slots: number[] = [];

  private busy = true;
  private runtimeReady = false;
  /** Items dispatched that were the host's own and not the program's. */
  private ownItems = 0;
  private quietPasses = 0;
  // What was true when the runtime was last let go.
  private expectedQuiet = false;
  private deadlineBefore = 0;
  private eventsBefore = -1;

  // Registrations among others: the runtime's loop is readable, so let it run after this turn; the slice is over.
  private readonly runtimeSource = new HostSource(() => {
    this.runtimeReady = true;
    this.ownItems++;
  });
  private readonly sliceSource = new HostSource(() => {
    this.slice.over = true;
    this.ownItems++;
  });

  constructor(opened: NativeHost) {
    this.runtimeFd = opened.fd;
    this.slice = new Slice(opened.sliceFd);
    this.state = new Float64Array(opened.state);
  }

  /** Called by the runtime. */
  pump(): void {
    this.afterPass();
    this.runtimeReady = false;
    this.expectedQuiet = false; // stays so when what a handler threw ends this call before its end
    do {
      const dueMs = this.state[RUNTIME_DUE_MS];
      this.ownItems = 0;
      const dispatched = this.turn(this.allowedWaitMs(dueMs)) - this.ownItems;
      this.busy = dispatched > 0;
      if (this.busy) this.drain();
      if (this.endRuns()) {
        this.busy = true;
        this.drain(); // whoever awaits run() goes on now, not at the runtime's next callback
      }
    } while (this.busy && !this.runtimeDue && !this.slice.over && this.started);
    this.expectedQuiet = !this.busy && !this.runtimeDue;
    this.deadlineBefore = this.state[RUNTIME_DEADLINE_MS];
  }

  protected drain(): void {
    for (const reactor of this.reactors) reactor.observer?.drainBegin();
    binding.hostDrain();
    for (const reactor of this.reactors) reactor.observer?.drainEnd();
  }

  private get runtimeDue(): boolean {
    return this.runtimeReady || this.state[RUNTIME_DUE_MS] === 0;
  }

  /** The runtime has made a pass. Did any of its JavaScript run? If it may have, new watchers may be waiting. */
  private afterPass(): void {
    const events = this.state[RUNTIME_EVENTS];
    const quiet =
      this.expectedQuiet &&
      events === this.eventsBefore &&
      this.state[RUNTIME_DEADLINE_MS] === this.deadlineBefore;
    this.quietPasses = quiet ? this.quietPasses + 1 : 0;
    this.eventsBefore = events;
  }

  private allowedWaitMs(dueMs: number): number {
    // The runtime's next timer needs no timeout of its own where the slice ends before it.
    if (this.busy) return dueMs > SLICE_MS ? this.slice.begin() : Math.min(dueMs, this.slice.begin());
    if (this.quietPasses < QUIET_PASSES) return 0;
    if (immediatesQueued()) {
      this.quietPasses = 0; // they run in the pass that follows, and what they open needs a further one
      return 0;
    }
    this.slice.end();
    return dueMs;
  }

  /** One turn of each reactor; returns how many items were dispatched. */
  private turn(maxWaitMs: number): number {
    if (this.reactors.length === 1) return this.turnOf(this.reactors[0], maxWaitMs);
    this.waitForAny(maxWaitMs);
    let dispatched = 0;
    for (const reactor of [...this.reactors]) {
      // A handler of one may have stopped another.
      if (this.reactors.includes(reactor)) dispatched += this.turnOf(reactor, 0);
    }
    return dispatched;
  }

  protected turnOf(reactor: Reactor, maxWaitMs: number): number {
    if (!reactor.alive || this.held.has(reactor)) return 0;
    try {
      const dispatched = reactor.turn(maxWaitMs);
      // A stepper that holds it was called, and what that has promised needs the drain.
      return this.held.has(reactor) ? dispatched + 1 : dispatched;
    } catch (error) {
      reactor.end(error as Error); // not a handler's error: the wait failed, and would fail again for ever
      return 1; // settling run()'s promise is work, too
    }
  }

  /** Ends run() where nothing keeps the reactor; asked after the drain, for a reaction may have given it new work. */
  private endRuns(): boolean {
    let ended = false;
    for (let i = this.reactors.length - 1; i >= 0; i--) {
      const reactor = this.reactors[i];
      if (reactor.alive || this.held.has(reactor)) continue;
      this.endRun(reactor);
      ended = true;
    }
    return ended;
  }
  protected endRun(reactor: Reactor): void {
    reactor.stop();
  }

  protected waitForAny(maxWaitMs: number): void {
    const shared = this.shared as KernelPoller;
    const count = shared.wait(this.sharedEvents, Math.min(maxWaitMs, this.nearestDelayMs()));
    if (count < 0) throw new SystemError(`${shared.kind}_wait`, count, { fd: shared.fd });
    for (let i = 0; i < count; i++) {
      const slot = this.sharedEvents[i * EVENT_STRIDE];
      if (slot === 0) this.runtimeReady = true;
      if (slot === 1) this.slice.over = true;
    }
  }

  /** Of all that are not held. */
  protected nearestDelayMs(): number {
    let delayMs = Infinity;
    for (const reactor of this.reactors) {
      if (!this.held.has(reactor)) delayMs = Math.min(delayMs, reactor.nextDelayMs);
    }
    return delayMs;
  }

  join(reactor: Reactor): void {
    if (this.reactors.length > 0) {
      const flat = [...this.reactors, reactor].find((one) => !one.poller.capabilities.nestable);
      if (flat !== undefined) {
        throw new UnderloopError(
          'ERR_NOT_NESTABLE',
          `two reactors cannot run in one thread when one of them waits with ${flat.poller.kind}, which has no ` +
            'descriptor that the other could wait on; use epoll or kqueue, or a worker of its own',
        );
      }
    }
    this.detachWait();
    this.reactors.push(reactor);
    try {
      this.attachWait();
    } catch (error) {
      // No descriptor is left for it. The others go on as before.
      this.detachWait();
      this.reactors.pop();
      this.attachWait();
      throw error;
    }
    this.updateReference();
    this.startOrStop();
  }

  leave(reactor: Reactor): void {
    const at = this.reactors.indexOf(reactor);
    if (at < 0) return;
    this.detachWait();
    this.reactors.splice(at, 1);
    this.unreferenced.delete(reactor);
    this.held.delete(reactor);
    this.attachWait();
    if (this.reactors.length > 0) this.updateReference();
    this.startOrStop();
  }

  setHeld(reactor: Reactor, held: boolean): void {
    if (held) this.held.add(reactor);
    else this.held.delete(reactor);
    if (this.reactors.length > 1) {
      this.detachWait();
      this.attachWait();
    }
    this.startOrStop();
  }

  protected startOrStop(): void {
    const start = this.reactors.length > this.held.size;
    if (start === this.started) return;
    this.started = start;
    if (start) binding.hostStart();
    else binding.hostStop();
  }

  setReferenced(reactor: Reactor, referenced: boolean): void {
    if (referenced) this.unreferenced.delete(reactor);
    else this.unreferenced.add(reactor);
    this.updateReference();
  }

  protected updateReference(): void {
    binding.hostRef(this.reactors.some((reactor) => !this.unreferenced.has(reactor)));
  }

  /** One reactor waits on the runtime in its own set; several share a poller that holds theirs. */
  private attachWait(): void {
    if (this.reactors.length === 0) return;
    const only = this.reactors[0];
    const { slice, runtimeFd } = this;
    if (this.reactors.length === 1) {
      this.slots = [only.registry.add(runtimeFd, READABLE, 0, this.runtimeSource, false)];
      if (slice.fd >= 0) this.slots.push(only.registry.add(slice.fd, READABLE, 0, this.sliceSource, false));
      return;
    }
    const shared = this.openShared(only.poller.kind);
    if (typeof shared === 'number') throw new SystemError(`open ${only.poller.kind} poller`, shared);
    shared.add(runtimeFd, READABLE, 0, 1);
    if (slice.fd >= 0) shared.add(slice.fd, READABLE, 1, 1);
    this.reactors.forEach((reactor, i) => {
      if (!this.held.has(reactor)) shared.add(reactor.poller.fd, READABLE, i + 2, 1);
    });
    this.shared = shared;
  }

  protected openShared(kind: PollerKind): KernelPoller | number {
    return nativeKernel.openPoller(kind);
  }

  private detachWait(): void {
    for (const slot of this.slots) this.reactors[0]?.registry.remove(slot);
    this.slots = [];
    this.shared?.close();
    this.shared = null;
  }
}

/**
 * Ends a busy stretch after {@link SLICE_MS}. A timerfd that is set once per slice and waited on beside everything else:
 * a timeout of 1 ms at each wait would arm and disarm a hardware timer each time, which was measured to make a C epoll
 * echo on a virtual machine 27% dearer.
 */
class Slice {
  over = false;
  private begun = false;
  private beganMs = 0;

  /** `fd`: the timerfd, or -1 where the system has none: then the timeout of each wait must do. */
  constructor(readonly fd: number) {}

  /** A busy turn begins. Returns how long it may wait at most. */
  begin(): number {
    const fresh = !this.begun || this.over;
    this.begun = true;
    this.over = false;
    if (this.fd >= 0) {
      if (fresh) binding.timerFdSet(this.fd, SLICE_MS); // setting it forgets what had expired
      return Infinity;
    }
    const nowMs = binding.now();
    if (fresh) this.beganMs = nowMs;
    const leftMs = this.beganMs + SLICE_MS - nowMs;
    this.over = leftMs <= 0;
    return Math.max(leftMs, 0);
  }

  /** A wait without bound begins: an expired timerfd would end it at once. */
  end(): void {
    if (this.begun && this.fd >= 0) binding.timerFdSet(this.fd, 0);
    this.begun = this.over = false;
  }
}

/** One class for both descriptors of the host: the fewer kinds of things the reactor runs, the faster it calls them. */
export class HostSource implements Source {
  constructor(private readonly act: () => void) {}
  run(): void {
    this.act();
  }
}

/** The runtime's own, whoever puts something in its place later: the probe is no immediate of the program's. */
const immediate = setImmediate;

/**
 * Whether the runtime has immediates queued. Of unreferenced ones it tells nobody, and one that queues the next shows in
 * no count of passes. But they stand in a linked list (`_idlePrev`, in every Node since 11), so a new one can tell.
 */
function immediatesQueued(): boolean {
  const probe = immediate(() => undefined);
  const before = (probe as { _idlePrev?: unknown })._idlePrev;
  clearImmediate(probe);
  return before !== null && before !== undefined;
}

/**
 * The thread's one host is kept with the addon, not in a variable of this module: a test runner that resets its modules
 * evaluates this file again, while the addon, the runtime's loop and so the pump are still the same.
 */
const kept = binding as typeof binding & { runtimeHost?: Host };

/** The host for a reactor on `kernel`: the thread's one runtime host for the real kernel. */
export function hostFor(kernel: Kernel): Host {
  // A scripted kernel never really waits, and its clock moves only when a wait may last.
  if (kernel.name !== 'native') return new ImmediateHost(Infinity);
  const instrument = instrumentHost();
  if (instrument !== undefined) return instrument;
  return (kept.runtimeHost ??= openRuntimeHost());
}

function openRuntimeHost(): Host {
  let host: RuntimeHost | null = null;
  // Bun aborts the process when libuv's symbols are only looked at; Deno has none.
  const foreign = 'Bun' in globalThis || 'Deno' in globalThis || process.env['UNDERLOOP_HOST'] === 'thread';
  const opened = foreign ? null : binding.hostOpen(() => host?.pump());
  if (opened === null) return new ThreadHost();
  host = new RuntimeHost(opened);
  return host;
}
