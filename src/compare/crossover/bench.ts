// One model's server, kept for many short loads, and the measuring of one load: windows as short as its cycle allows.

import type { LoadConfig } from '../../load/config.js';
import type { LoadResult } from '../../load/result.js';
import { readProcess, isUnavailable, valueOf } from '../../probe/index.js';
import type { Usage } from '../../workload/process.js';
import type { Pinning } from '../processes.js';
import { emptyCell, type Contestant, type CompareSettings } from '../report.js';
import { Stage, type ServerCounters } from '../stage.js';
import { pause } from '../workload.js';
import type { Conditions } from './law.js';
import type { CrossoverSettings, Measurement } from './report.js';

const PROGRESS_MS = 50;
const SIGN_OF_LIFE_MS = 30_000;
const LOOK_MS = 10;
/** A server that has accepted all by then, or got rid of all, goes on; else what it has is the finding. */
const SETTLE_MS = 5000;
const CLOSED_MS = 2000;
/** Guesses of what a request costs beside what is asked of it, for the length of windows only. */
const GUESS_CPU_US = 50;
const GUESS_WAIT_MS = 0.5;
/** A cycle as long as this is a window of two, however many were asked for. */
const LONG_CYCLE_MS = 500;
const WARM_UP_MS_MIN = 80;
const WINDOW_MS_MAX = 10_000;
/** With fewer requests per connection, those under way at the window's ends weigh too much in CPU per request. */
const MANY_REQUESTS = 10;
/** The load's core is busier than this: it is what sets the throughput. */
const CLIENT_BUSY = 0.9;
/** Where it has no core of its own, its thread's own share tells. */
const GENERATOR_BUSY = 0.85;

/** A window in which fewer of the requests were made than it was made for is repeated once, and is so much longer then. */
const ENOUGH = 0.4;
const LONGER = 4;

/** How long it takes until each connection has been answered once. */
export function cycleMs({ connections, cpuUs, waitMs }: Conditions): number {
  const alone = waitMs + GUESS_WAIT_MS + cpuUs / 1000;
  return Math.max(alone, (connections * (cpuUs + GUESS_CPU_US)) / 1000);
}

/** Warm-up of a cycle; a window of some cycles, and no shorter than was asked for. */
export function windowOf(
  conditions: Conditions,
  { windowMs, requestsPerConnection }: Pick<CrossoverSettings, 'windowMs' | 'requestsPerConnection'>,
  windows = 1,
): { warmUpMs: number; durationMs: number; timeoutMs: number } {
  const cycle = cycleMs(conditions);
  const cycles = cycle > LONG_CYCLE_MS ? Math.min(requestsPerConnection, 2) : requestsPerConnection;
  const usualMs = Math.min(Math.max(cycles * cycle, windowMs), WINDOW_MS_MAX);
  const durationMs = Math.round(usualMs * windows);
  const warmUpMs = Math.round(Math.max(Math.min(1.2 * cycle, WINDOW_MS_MAX), WARM_UP_MS_MIN));
  // Who is never served (pool) shall neither ask a second time nor be waited for much longer than the others.
  return {
    warmUpMs,
    durationMs,
    timeoutMs: Math.round(warmUpMs + durationMs + windows * (1.5 * cycle + 300)),
  };
}

interface Looks {
  readonly started: ServerCounters;
  readonly before: ServerCounters;
  readonly after: ServerCounters;
  readonly end: ServerCounters;
}

/**
 * CPU per request: of the window; where a window has few requests and the server's queue is long, of the whole run, so
 * that those under way at the window's ends do not count with half of what they cost.
 */
export function serverCpuUs({ started, before, after, end }: Looks, connections: number): number {
  const per = (from: ServerCounters, to: ServerCounters): number =>
    to.served > from.served ? (to.usage.cpuUs - from.usage.cpuUs) / (to.served - from.served) : 0;
  const many = after.served - before.served >= MANY_REQUESTS * connections;
  return many ? per(before, after) : per(started, end);
}

/**
 * Throughput: Little's law read backwards. Each connection served is always in exactly one request, so that m of them
 * make m / mean per second. It is exact for whole requests, while replies counted within a short window are off by up to
 * one reply per connection.
 */
export function throughput(served: number, meanMs: number): number {
  return (served * 1000) / meanMs;
}

/** A server with its upstream, for one load after another. */
export class Bench implements AsyncDisposable {
  private stage: Stage | null = null;
  private used = false;

  constructor(
    readonly contestant: Contestant,
    private readonly pinning: Pinning,
    private readonly compareSettings: CompareSettings,
    private readonly settings: CrossoverSettings,
    private readonly signal: AbortSignal,
  ) {}

  /** Measures one load. A server that has failed or kept connections is replaced before the next. */
  async measure(conditions: Conditions, round: number, of: Measurement['of']): Promise<Measurement> {
    const plain = { ...conditions, contestant: this.contestant.label, round, of };
    for (let windows = 1; ; windows *= LONGER) {
      let failure: string | null = null;
      try {
        const done = await this.load(conditions, windows);
        const enough = done.requests >= done.served * this.settings.requestsPerConnection * ENOUGH;
        if (enough || windows > 1) return { ...plain, failure, ...done };
      } catch (error) {
        failure = (error as Error).message;
        await this.close();
        if (windows > 1 || this.signal.aborted) return { ...plain, failure, ...nothing };
      }
    }
  }

  /** `windows`: so many times as long as usual. */
  private async load(conditions: Conditions, windows: number): Promise<Figures> {
    const stage = await this.open();
    const generator = this.used ? await stage.generator() : stage.first;
    this.used = true;
    const { warmUpMs, durationMs, timeoutMs } = windowOf(conditions, this.settings, windows);
    const config: Omit<LoadConfig, 'port'> = {
      ...conditions,
      mode: 'closed',
      warmUpMs,
      durationMs,
      requestTimeoutMs: timeoutMs,
      progressMs: PROGRESS_MS,
      startOnLine: true,
    };
    const { accepted } = await stage.counters();
    generator.load(config);
    await generator.phase(['connected'], SIGN_OF_LIFE_MS);
    const started = await this.until(
      stage,
      (now) => now.accepted + now.refused >= accepted + conditions.connections,
      SETTLE_MS,
    );
    generator.start();
    await generator.phase(['measuring'], SIGN_OF_LIFE_MS);
    const [before, upstreamBefore] = [await stage.counters(), await upstreamUsage(stage)];
    await pause(Math.max(durationMs - 2 * PROGRESS_MS, durationMs / 2), this.signal);
    const [after, upstreamAfter] = [await stage.counters(), await upstreamUsage(stage)];
    const snapshot = readProcess(stage.server.pid, { threads: false });
    const result = await generator.result(SIGN_OF_LIFE_MS + timeoutMs);
    await generator.stop();
    const end = await this.until(stage, (now) => now.connections === 0, CLOSED_MS);
    // The most of three looks: on a busy machine the last answer may come when the load has hung up already.
    const serving = Math.max(started.serving, before.serving, after.serving);
    const served = Math.min(serving, conditions.connections);
    const figures = figuresOf(result, { started, before, after, end }, served, {
      upstreamCpuUs: upstreamAfter.cpuUs - upstreamBefore.cpuUs,
      ownCore: this.pinning.clientCpu !== null,
    });
    if (end.connections > 0) await this.close();
    const rss = isUnavailable(snapshot) ? null : valueOf(snapshot.figures.rssBytes);
    return { ...figures, serverRssBytes: rss };
  }

  private async open(): Promise<Stage> {
    if (this.stage !== null) return this.stage;
    const { contestant, pinning, compareSettings: settings, signal } = this;
    const cell = emptyCell(0, contestant);
    this.used = false;
    this.stage = await Stage.open({ contestant, settings, pinning, signal, cell, step: () => undefined });
    return this.stage;
  }

  private async until(
    stage: Stage,
    done: (counters: ServerCounters) => boolean,
    limitMs: number,
  ): Promise<ServerCounters> {
    const deadlineMs = performance.now() + limitMs;
    for (;;) {
      const now = await stage.counters();
      if (done(now) || performance.now() > deadlineMs) return now;
      await pause(LOOK_MS, this.signal);
    }
  }

  async close(): Promise<void> {
    const { stage } = this;
    this.stage = null;
    await stage?.close();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

type Figures = Omit<Measurement, keyof Conditions | 'contestant' | 'round' | 'of' | 'failure'>;

const nothing: Figures = {
  requestsPerSecond: 0,
  served: 0,
  meanUs: 0,
  p50Us: 0,
  p99Us: 0,
  serverCpuUs: 0,
  generatorCpuUs: 0,
  upstreamCpuUs: 0,
  serverRssBytes: null,
  clientBound: false,
  requests: 0,
};

async function upstreamUsage(stage: Stage): Promise<Usage> {
  stage.upstream.send('counters');
  return ((await stage.upstream.next(SIGN_OF_LIFE_MS)) as { usage: Usage }).usage;
}

function figuresOf(
  { requests, latency, failure, self }: LoadResult,
  looks: Looks,
  served: number,
  load: { upstreamCpuUs: number; ownCore: boolean },
): Omit<Figures, 'serverRssBytes'> {
  if (failure !== null) throw new Error(failure);
  if (requests.mismatches > 0) throw new Error(`${requests.mismatches} wrong replies`);
  const wrong = Object.keys(requests.statuses).join(', ');
  if (wrong !== '') throw new Error(`replies with status ${wrong}`);
  if (latency === null || requests.answered === 0 || served === 0)
    throw new Error('no request was answered in the window');
  if (requests.timedOut > 0.1 * requests.answered) throw new Error(`${requests.timedOut} requests timed out`);
  const { before, after } = looks;
  const requestsPerSecond = throughput(served, latency.meanMs);
  const answered = Math.max(after.served - before.served, 1);
  const upstreamCpuUs = load.upstreamCpuUs / answered;
  const generatorCpuUs = self.cpuUsPerReply ?? 0;
  const clientBusy = (requestsPerSecond * (generatorCpuUs + upstreamCpuUs)) / 1e6;
  return {
    requestsPerSecond,
    served,
    meanUs: latency.meanMs * 1000,
    p50Us: latency.p50Ms * 1000,
    p99Us: latency.p99Ms * 1000,
    serverCpuUs: serverCpuUs(looks, served),
    generatorCpuUs,
    upstreamCpuUs,
    clientBound: (load.ownCore && clientBusy >= CLIENT_BUSY) || (self.threadCpuShare ?? 0) >= GENERATOR_BUSY,
    requests: requests.answered,
  };
}
