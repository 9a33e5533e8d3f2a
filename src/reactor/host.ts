// Beside the runtime: the reactor shares its thread with Node's own loop, and must never starve it.

import { binding } from '../binding.js';
import { SystemError, UnderloopError } from '../errors.js';
import type { Kernel } from '../kernel/kernel.js';
import { nativeKernel } from '../kernel/native.js';
import { EVENT_STRIDE, READABLE } from '../poller/poller.js';
import type { KernelPoller } from '../poller/poller.js';
import type { Reactor, Source } from './reactor.js';

/** Runs the turns of the reactors that share a thread. */
export interface Host {
  join(reactor: Reactor): void;
  leave(reactor: Reactor): void;
  setReferenced(reactor: Reactor, referenced: boolean): void;
}

/**
 * How long we may wait, or go on with turns, before the runtime gets its pass. The runtime hands new watchers (a socket
 * that a handler has just opened) to the kernel only inside its own poll, so each of them is late by this at most.
 */
export const SLICE_MS = 1;

/**
 * After this many passes in a row in which the runtime ran nothing, all its watchers are in the kernel, and we may wait
 * without bound. One is not enough: an unreferenced immediate runs after the poll of its pass, unseen by us.
 */
const QUIET_PASSES = 2;

// The layout of HostState in native/host.h.
const NOW_MS = 0;
const RUNTIME_DEADLINE_MS = 1;
const RUNTIME_PASSES = 2;
const RUNTIME_EVENTS = 3;

// What pump() tells the native side.
const TO_RUNTIME = 0;
const AGAIN = 1;

/**
 * The native pump calls {@link pump} from the idle phase of the runtime's loop, once per turn, each time in a callback
 * scope of its own: when it returns, process.nextTick and the microtasks have been drained. TO_RUNTIME lets the
 * runtime's loop make one pass without waiting; then the pump is called again.
 */
class RuntimeHost implements Host {
  private readonly reactors: Reactor[] = [];
  private readonly unreferenced = new Set<Reactor>();
  private readonly state: Float64Array;
  private readonly runtimeFd: number;
  private runtimeReady = false;
  private hostSlot = -1;

  // Several reactors: one wait on the runtime and on each reactor's poller.
  private shared: KernelPoller | null = null;
  private readonly sharedEvents = new Int32Array(64 * EVENT_STRIDE);

  // What was true when the runtime was last let go.
  private passesSeen = -1;
  private passAtMs = 0;
  private quietPasses = 0;
  private idleBefore = false;
  private deadlineBefore = 0;
  private eventsBefore = -1;

  /** The runtime's loop is readable: note it, and let it run after this turn. It is one registration among others. */
  private readonly runtimeSource: Source = {
    run: () => {
      this.runtimeReady = true;
    },
  };

  constructor(opened: { fd: number; state: ArrayBuffer }) {
    this.runtimeFd = opened.fd;
    this.state = new Float64Array(opened.state);
  }

  readonly pump = (): number => {
    const state = this.state;
    const nowMs = state[NOW_MS] as number;
    const deadlineMs = state[RUNTIME_DEADLINE_MS] as number;
    if (state[RUNTIME_PASSES] !== this.passesSeen) this.afterPass(nowMs, deadlineMs);

    this.runtimeReady = false;
    const dispatched = this.turn(this.allowedWaitMs(nowMs, deadlineMs));
    if (this.reactors.length === 0) return TO_RUNTIME;

    const idle = dispatched === 0;
    const runtimeDue = this.runtimeReady || deadlineMs <= nowMs;
    const sliceOver = nowMs - this.passAtMs >= SLICE_MS;
    if (!idle) this.quietPasses = 0;
    if (!idle && !runtimeDue && !sliceOver) return AGAIN;
    this.idleBefore = idle && !runtimeDue;
    this.deadlineBefore = deadlineMs;
    return TO_RUNTIME;
  };

  /** The runtime has made a pass. Did any of its JavaScript run? If it may have, new watchers may be waiting. */
  private afterPass(nowMs: number, deadlineMs: number): void {
    this.passesSeen = this.state[RUNTIME_PASSES] as number;
    const events = this.state[RUNTIME_EVENTS] as number;
    const quiet = this.idleBefore && events === this.eventsBefore && deadlineMs === this.deadlineBefore;
    this.quietPasses = quiet && deadlineMs > nowMs ? this.quietPasses + 1 : 0;
    this.eventsBefore = events;
    this.passAtMs = nowMs;
  }

  private allowedWaitMs(nowMs: number, deadlineMs: number): number {
    if (deadlineMs <= nowMs) return 0;
    const untilRuntime = deadlineMs - nowMs;
    return this.quietPasses >= QUIET_PASSES ? untilRuntime : Math.min(untilRuntime, SLICE_MS);
  }

  /** One turn of each reactor; returns how many items were dispatched, the runtime's own readiness not counted. */
  private turn(maxWaitMs: number): number {
    let dispatched = 0;
    if (this.reactors.length === 1) {
      dispatched = this.turnOf(this.reactors[0] as Reactor, maxWaitMs);
    } else {
      this.waitForAny(maxWaitMs);
      for (const reactor of [...this.reactors]) dispatched += this.turnOf(reactor, 0);
    }
    return dispatched;
  }

  private turnOf(reactor: Reactor, maxWaitMs: number): number {
    if (!reactor.alive) {
      reactor.stop();
      return 0;
    }
    const readyBefore = this.runtimeReady;
    const dispatched = reactor.turn(maxWaitMs);
    if (!reactor.alive) reactor.stop();
    return dispatched - (this.runtimeReady && !readyBefore ? 1 : 0);
  }

  private waitForAny(maxWaitMs: number): void {
    const shared = this.shared as KernelPoller;
    let timeoutMs = maxWaitMs;
    for (const reactor of this.reactors) timeoutMs = Math.min(timeoutMs, reactor.nextDelayMs);
    const count = shared.wait(this.sharedEvents, timeoutMs);
    if (count < 0) throw new SystemError(`${shared.kind}_wait`, count, { fd: shared.fd });
    for (let i = 0; i < count; i++) {
      if (this.sharedEvents[i * EVENT_STRIDE] === 0) this.runtimeReady = true;
    }
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
    this.attachWait();
    this.updateReference();
    if (this.reactors.length === 1) binding.hostStart();
  }

  leave(reactor: Reactor): void {
    const at = this.reactors.indexOf(reactor);
    if (at < 0) return;
    this.detachWait();
    this.reactors.splice(at, 1);
    this.unreferenced.delete(reactor);
    this.attachWait();
    if (this.reactors.length === 0) binding.hostStop();
    else this.updateReference();
  }

  setReferenced(reactor: Reactor, referenced: boolean): void {
    if (referenced) this.unreferenced.delete(reactor);
    else this.unreferenced.add(reactor);
    this.updateReference();
  }

  private updateReference(): void {
    binding.hostRef(this.reactors.some((reactor) => !this.unreferenced.has(reactor)));
  }

  /** One reactor waits on the runtime in its own set; several share a poller that holds theirs. */
  private attachWait(): void {
    const [only] = this.reactors;
    if (only === undefined) return;
    if (this.reactors.length === 1) {
      this.hostSlot = only.register(this.runtimeFd, READABLE, 0, this.runtimeSource, false);
      return;
    }
    const shared = nativeKernel.openPoller(only.poller.kind);
    if (typeof shared === 'number') throw new SystemError(`open ${only.poller.kind} poller`, shared);
    shared.add(this.runtimeFd, READABLE, 0, 1);
    this.reactors.forEach((reactor, i) => shared.add(reactor.poller.fd, READABLE, i + 1, 1));
    this.shared = shared;
  }

  private detachWait(): void {
    if (this.hostSlot >= 0) this.reactors[0]?.deregister(this.hostSlot, false);
    this.hostSlot = -1;
    this.shared?.close();
    this.shared = null;
  }
}

/**
 * Where the runtime's loop cannot be had (Bun, Deno) and for scripted kernels: one turn per immediate, each waiting for
 * at most {@link SLICE_MS}. Simple, correct, and never quite idle.
 */
class ImmediateHost implements Host {
  private readonly handles = new Map<Reactor, NodeJS.Immediate>();

  constructor(private readonly sliceMs: number) {}

  join(reactor: Reactor): void {
    const step = (): void => {
      if (!reactor.alive) {
        reactor.stop();
        return;
      }
      this.handles.set(reactor, setImmediate(step));
      reactor.turn(this.sliceMs);
      if (!reactor.alive) reactor.stop();
    };
    this.handles.set(reactor, setImmediate(step));
  }
  leave(reactor: Reactor): void {
    clearImmediate(this.handles.get(reactor));
    this.handles.delete(reactor);
  }
  setReferenced(reactor: Reactor, referenced: boolean): void {
    const handle = this.handles.get(reactor);
    if (referenced) handle?.ref();
    else handle?.unref();
  }
}

let runtimeHost: Host | null = null;

/** The host for a reactor on `kernel`: the thread's one runtime host for the real kernel. */
export function hostFor(kernel: Kernel): Host {
  // A scripted kernel never really waits, and its clock moves only when a wait may last.
  if (kernel.name !== 'native') return new ImmediateHost(Infinity);
  return (runtimeHost ??= openRuntimeHost());
}

function openRuntimeHost(): Host {
  let host: RuntimeHost | null = null;
  // Bun aborts the process when libuv's symbols are only looked at; Deno has none.
  const foreign = 'Bun' in globalThis || 'Deno' in globalThis;
  const opened = foreign ? null : binding.hostOpen(() => (host === null ? TO_RUNTIME : host.pump()));
  if (opened === null) return new ImmediateHost(SLICE_MS);
  host = new RuntimeHost(opened);
  return host;
}
