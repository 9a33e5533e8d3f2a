// One run of the load generator, from the first connect to the report: ramp, warm-up, measured window, drain.

import { Reactor } from '../reactor/reactor.js';
import type { Timer } from '../reactor/timer-heap.js';
import { checkConfig } from './check-config.js';
import type { LoadConfig, LoadSettings } from './config.js';
import type { LoadPhase, LoadProgress, LoadResult } from './result.js';
import { Dialer } from './dialer.js';
import { judge, takeReading } from './gauge.js';
import { Histogram } from './histogram.js';
import { Arrive } from './modes/arrive.js';
import { Churn } from './modes/churn.js';
import { ClosedLoop } from './modes/closed.js';
import { Actives, Idle } from './modes/idle.js';
import { OpenLoop } from './modes/open.js';
import { SlowReaders, SlowWriters } from './modes/slow.js';
import type { Population } from './population.js';
import { summarize } from './tally.js';
import { World } from './world.js';

/** Timeouts are looked for so many times within the shortest of them, and no more often than every millisecond. */
const LOOKS_PER_TIMEOUT = 20;
const LOOK_MS_MAX = 100;
/** How often the end of the drain is looked for. */
const DRAIN_LOOK_MS = 2;
/** After the drain, connections have this long to close. */
const CLOSE_MS = 1000;

export interface RunOptions {
  /** Called at once with each line of progress. */
  onProgress?: (progress: LoadProgress) => void;
  /** A reactor that only this run uses; it is not closed. By default the run makes its own. Tests give one on a scripted kernel. */
  reactor?: Reactor;
}

/** Runs a load to its end. Throws ERR_ARGUMENT for a wrong config; what goes wrong later is in the result. */
export function runLoad(config: LoadConfig, options: RunOptions = {}): Promise<LoadResult> {
  return new LoadRun(config, options).finish();
}

export class LoadRun {
  readonly settings: LoadSettings;
  private readonly reactor: Reactor;
  private readonly world: World;
  private readonly main: Population;
  private readonly actives: Actives | null;
  private readonly populations: Population[];
  private readonly dialer: Dialer;
  private readonly timers = new Set<Timer>();
  private phase: LoadPhase = 'connecting';
  private started: boolean;
  private over = false;

  private beganMs = 0;
  private rampMs = 0;
  private drainedMs = 0;
  private openAtStart = 0;
  private openAtEnd = 0;
  private firstReading = takeReading(0);
  private lastReading = this.firstReading;
  private ended: LoadResult['ended'] = 'duration';
  private failure: string | null = null;

  constructor(
    config: LoadConfig,
    private readonly options: RunOptions = {},
  ) {
    this.settings = checkConfig(config);
    this.started = !this.settings.startOnLine;
    this.reactor = options.reactor ?? new Reactor();
    this.world = new World(
      this.reactor,
      this.settings,
      (reason) => (this.failure ??= reason),
      (reason) => this.fail(reason),
      () => this.endWindow('requests'),
    );
    this.main = makePopulation(this.world);
    this.actives =
      this.settings.actives === null
        ? null
        : new Actives(this.world, {
            outstandingMax: this.settings.actives.connections,
            timeoutMs: this.settings.actives.timeoutMs,
          });
    this.populations = this.actives === null ? [this.main] : [this.main, this.actives];
    this.dialer = new Dialer(this.world, this.order(), () => this.connected());
    this.world.dialer = this.dialer;
  }

  /** Runs to the end, and resolves to the report. Call it once. */
  async finish(): Promise<LoadResult> {
    this.beganMs = this.reactor.now();
    let shortestMs = this.settings.requestTimeoutMs;
    if (this.settings.actives !== null) shortestMs = Math.min(shortestMs, this.settings.actives.timeoutMs);
    const lookMs = Math.min(Math.max(shortestMs / LOOKS_PER_TIMEOUT, 1), LOOK_MS_MAX);
    this.every(lookMs, () => {
      const nowMs = this.reactor.now();
      for (const population of this.populations) population.expire(nowMs);
      this.dialer.expire(nowMs);
    });
    if (this.settings.progressMs > 0) this.every(this.settings.progressMs, () => this.tell());
    // In the reactor, like everything that follows: a run of no connections is over at once otherwise.
    this.reactor.post(() => this.dialer.start());
    await this.reactor.run();
    const result = this.report();
    if (this.options.reactor === undefined) this.reactor.close();
    return result;
  }

  /** The word that `startOnLine` waits for. */
  start(): void {
    if (this.started) return;
    this.started = true;
    if (this.phase === 'connected') this.warmUp();
  }

  /** Ends the run early; the report is of what was measured. */
  stop(): void {
    this.endWindow('interrupted');
    this.close();
  }

  // ---- Phases -------------------------------------------------------------------------------------------------

  /** Actives stand among the others, evenly: before, between and after them. */
  private order(): Population[] {
    const { actives } = this;
    const count = this.settings.actives?.connections ?? 0;
    const total = this.settings.connections;
    const order: Population[] = [];
    for (let i = 0, placed = 0; i < total || placed < count;) {
      if (actives !== null && placed < count && i * (count + 1) >= (placed + 1) * total) {
        order.push(actives);
        placed++;
      } else {
        order.push(this.main);
        i++;
      }
    }
    return order;
  }

  private connected(): void {
    this.rampMs = this.reactor.now() - this.beganMs;
    if (this.over) return;
    if (this.world.open === 0 && this.settings.mode !== 'arrive') {
      this.fail(this.dialer.failed > 0 ? 'no connection could be made' : 'all connections are closed');
      return;
    }
    this.phase = 'connected';
    if (this.settings.startOnLine || this.settings.progressMs > 0) this.tell();
    if (this.started) this.warmUp();
  }

  private warmUp(): void {
    const { warmUpMs } = this.settings;
    if (warmUpMs === 0) this.beginWindow();
    else {
      this.phase = 'warm-up';
      this.after(warmUpMs, () => this.beginWindow());
    }
    for (const population of this.populations) population.begin();
  }

  private beginWindow(): void {
    if (this.over || this.phase === 'draining') return;
    this.phase = 'measuring';
    const { world, settings, reactor } = this;
    this.firstReading = takeReading(reactor.now());
    world.windowStartMs = reactor.now();
    world.windowEndMs = world.windowStartMs + settings.durationMs;
    this.openAtStart = world.open;
    this.after(settings.durationMs, () => this.endWindow('duration'));
  }

  /** The window is over: nothing more is asked; what is under way is waited for, each request at most for its timeout. */
  private endWindow(ended: LoadResult['ended']): void {
    if (this.over || this.phase === 'draining') return;
    const { world, reactor } = this;
    const nowMs = reactor.now();
    this.phase = 'draining';
    this.ended = ended;
    this.openAtEnd = world.open;
    this.lastReading = takeReading(nowMs);
    if (world.windowStartMs === Infinity) {
      world.windowStartMs = nowMs; // interrupted before it began
      this.firstReading = this.lastReading;
    }
    world.windowEndMs = Math.min(world.windowEndMs, nowMs);
    for (const population of this.populations) population.end();
    this.drain();
  }

  private drain(): void {
    if (this.over) return;
    if (this.populations.every((population) => !population.busy)) this.close();
    else this.after(DRAIN_LOOK_MS, () => this.drain());
  }

  private fail(reason: string): void {
    this.failure ??= reason;
    // Not at once: whoever called is in the middle of its work.
    this.reactor.post(() => {
      this.endWindow('failed');
      this.ended = 'failed';
      this.close();
    });
  }

  private close(): void {
    if (this.over) return;
    this.over = true;
    this.drainedMs = this.reactor.now();
    this.world.ending = true;
    for (const timer of this.timers) timer.cancel();
    for (const population of this.populations) population.closeAll();
    // The reactor ends by itself when all are closed; a server that does not answer our FIN shall not keep it.
    this.reactor.setTimer(CLOSE_MS, () => this.reactor.stop()).unref();
    if (this.settings.closing === 'reset') this.reactor.closing(() => this.reactor.stop());
  }

  // ---- Timers that end with the run ---------------------------------------------------------------------------

  private after(delayMs: number, act: () => void): void {
    const timer = this.reactor.setTimer(delayMs, () => {
      this.timers.delete(timer);
      act();
    });
    this.timers.add(timer);
  }
  private every(intervalMs: number, act: () => void): void {
    this.after(intervalMs, () => {
      act();
      if (!this.over) this.every(intervalMs, act);
    });
  }

  // ---- Reports ------------------------------------------------------------------------------------------------

  private tell(): void {
    const { world, populations } = this;
    const sum = (of: (population: Population) => number): number =>
      populations.reduce((all, one) => all + of(one), 0);
    this.options.onProgress?.({
      type: 'progress',
      phase: this.phase,
      elapsedMs: this.reactor.now() - this.beganMs,
      open: world.open,
      connectFailed: world.failedTotal,
      answered: sum((one) => one.tally.answeredTotal),
      timedOut: sum((one) => one.tally.timedOutTotal),
      mismatches: sum((one) => one.tally.mismatches),
    });
  }

  private report(): LoadResult {
    const { world, main, actives, settings, dialer } = this;
    const ended = world.windowEndMs === Infinity ? this.reactor.now() : world.windowEndMs;
    const started = Math.min(world.windowStartMs, ended);
    const windowMs = ended - started;
    const replies = main.tally.replies + (actives?.tally.replies ?? 0);
    const population = main.tally.result();
    const latenessOf = new Histogram().merge(main.tally.lateness);
    if (actives !== null) latenessOf.merge(actives.tally.lateness);
    const lateness = summarize(latenessOf);
    const activesResult = actives === null ? null : actives.tally.result();
    const openLoop = settings.mode === 'open' || settings.mode === 'arrive';
    const timed = openLoop ? population.latency : (activesResult?.latency ?? null);
    const unsent = openLoop ? population.requests.unsent : 0;
    return {
      type: 'result',
      version: 1,
      pid: process.pid,
      config: settings,
      ended: this.ended,
      failure: this.failure,
      times: {
        rampMs: this.rampMs,
        windowStartMs: started,
        windowEndMs: ended,
        windowMs,
        drainMs: Math.max(this.drainedMs - ended, 0),
      },
      connections: {
        wanted: settings.connections + (settings.actives?.connections ?? 0),
        connected: dialer.connected,
        failed: dialer.failed,
        notTried: dialer.notTried,
        openAtStart: this.openAtStart,
        openAtEnd: this.openAtEnd,
        closedByPeer: world.closedByPeer,
        openedTotal: world.openedTotal,
        failedTotal: world.failedTotal,
        connectLatency: summarize(world.connectLatency),
      },
      ...population,
      replies,
      repliesPerSecond: windowMs > 0 ? (replies * 1000) / windowMs : 0,
      bytesReceived: world.bytesReceived,
      bytesSent: world.bytesSent,
      latencyFromSend: openLoop ? summarize(main.tally.fromSend) : null,
      lateness,
      actives:
        actives === null || activesResult === null
          ? null
          : {
              ...activesResult,
              connections: settings.actives?.connections ?? 0,
              connected: actives.tally.opened,
              closedByPeer: actives.tally.closedByPeer,
            },
      errors: Object.fromEntries(world.errors),
      self: judge(this.firstReading, this.lastReading, replies, unsent, timed, lateness),
      records: world.records,
    };
  }
}

function makePopulation(world: World): Population {
  const { mode, connections, depth, outstandingMax, requestTimeoutMs: timeoutMs } = world.settings;
  switch (mode) {
    case 'closed':
      return new ClosedLoop(world, { outstandingMax: connections * (depth ?? 1), timeoutMs });
    case 'open':
      return new OpenLoop(world, { outstandingMax: outstandingMax ?? 1, timeoutMs });
    case 'arrive':
      return new Arrive(world, { outstandingMax: outstandingMax ?? 1, timeoutMs });
    case 'idle':
      return new Idle(world, { outstandingMax: 1, timeoutMs });
    case 'churn':
      return new Churn(world, { outstandingMax: connections, timeoutMs });
    case 'slow-read':
      return new SlowReaders(world, { outstandingMax: connections * (depth ?? 1), timeoutMs });
    case 'slow-write':
      return new SlowWriters(world, { outstandingMax: connections, timeoutMs });
  }
}
