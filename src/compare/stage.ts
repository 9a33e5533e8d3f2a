// The processes of one cell: upstream, server and load generators, and what is asked of them.

import type { LoadConfig } from '../load/config.js';
import type { LoadProgress, LoadResult } from '../load/result.js';
import type { Counters } from '../models/model.js';
import type { Usage } from '../workload/process.js';
import { serverArguments, servesOnAllCores } from './contestants.js';
import { LoadProcess } from './load-process.js';
import { Child, program } from './processes.js';
import { pause, type CellContext } from './workload.js';

/** The server answers between two of its items: a blocked one would be a finding of its own. */
const ANSWER_TIMEOUT_MS = 10_000;

const SETTLED_LOOK_MS = 50;
/** A server that accepts nothing more for so long is not going to: sequential, or one at its limit. */
const ACCEPT_STILL_MS = 500;
/** A hundred engines that start at once on one core are all done at the end only. */
const START_STILL_MS = 10_000;

export type ServerCounters = Counters & { usage: Usage };

interface Ready {
  port: number;
}

/** One server under load, with its upstream. Everything is its own process; {@link close} ends them all. */
export class Stage implements AsyncDisposable {
  private readonly generators: LoadProcess[] = [];

  private constructor(
    readonly upstream: Child,
    readonly server: Child,
    private readonly port: number,
    private readonly clientCpu: number | null,
  ) {}

  /** The server is pinned to one core, unless its model is one of many; load and upstream, which are no part of what is measured, to another. */
  static async open({ contestant, settings, pinning, cell, signal }: CellContext): Promise<Stage> {
    const everywhere = servesOnAllCores(contestant);
    if (everywhere) cell.notes.push("serves on all cores, the client's among them: judge by server CPU");
    const started: { stop(): Promise<void> }[] = [];
    try {
      const upstream = await Child.start(
        'the upstream',
        program('workload/upstream.js'),
        ['--port', '0'],
        pinning.clientCpu,
      );
      started.push(upstream.child);
      signal.throwIfAborted();
      const server = await Child.start(
        `the server (${contestant.label})`,
        program('models/serve.js'),
        serverArguments(contestant, settings, (upstream.ready as Ready).port),
        everywhere ? null : pinning.serverCpu,
      );
      started.push(server.child);
      signal.throwIfAborted();
      const { clientCpu } = pinning;
      const stage = new Stage(upstream.child, server.child, (server.ready as Ready).port, clientCpu);
      started.push(await stage.generator());
      signal.throwIfAborted();
      return stage;
    } catch (error) {
      await Promise.all(started.map((child) => child.stop()));
      throw error;
    }
  }

  /** One more load generator: each is given one load. */
  async generator(): Promise<LoadProcess> {
    const generator = await LoadProcess.start(this.port, this.clientCpu, () => this.checkAlive());
    this.generators.push(generator);
    return generator;
  }

  get pids(): number[] {
    return [this.upstream.pid, this.server.pid, ...this.generators.map(({ pid }) => pid)];
  }

  // ---- The first generator, which most workloads do with -------------------------------------------------------

  get first(): LoadProcess {
    return this.generators[0];
  }
  load(config: Omit<LoadConfig, 'port'>): void {
    this.first.load(config);
  }
  start(): void {
    this.first.start();
  }
  phase(phases: readonly LoadProgress['phase'][], timeoutMs: number): Promise<LoadProgress> {
    return this.first.phase(phases, timeoutMs);
  }
  result(timeoutMs: number): Promise<LoadResult> {
    return this.first.result(timeoutMs);
  }

  // ---- The server ----------------------------------------------------------------------------------------------

  async counters(): Promise<ServerCounters> {
    this.server.send('counters');
    return (await this.server.next(ANSWER_TIMEOUT_MS)) as ServerCounters;
  }

  /**
   * Asks until all of `connected` are accepted, and each of these is served or waits in a queue for somebody to serve it; or
   * until nothing moves any more. Engines that still start (model `worker`) would be taken for the cost of idle connections.
   */
  async settled(connected: number, signal: AbortSignal): Promise<ServerCounters> {
    let last = await this.counters();
    let changedMs = performance.now();
    for (;;) {
      const stillMs = performance.now() - changedMs;
      const allAccepted = last.accepted + last.refused >= connected || stillMs > ACCEPT_STILL_MS;
      const allServed = last.serving + last.queued >= last.connections || stillMs > START_STILL_MS;
      if (allAccepted && allServed) return last;
      await pause(SETTLED_LOOK_MS, signal);
      const now = await this.counters();
      const moved =
        now.accepted + now.refused !== last.accepted + last.refused || now.serving !== last.serving;
      if (moved) changedMs = performance.now();
      last = now;
    }
  }

  /** Throws, with the reason, when server or upstream have ended: what was measured then is of something else. */
  async checkAlive(): Promise<void> {
    await this.counters();
    this.upstream.send('counters');
    await this.upstream.next(ANSWER_TIMEOUT_MS);
  }

  /** The load first, for a server with ten thousand clients has more to do at its end than one with none. */
  async close(): Promise<void> {
    await Promise.all(this.generators.map((generator) => generator.stop()));
    await Promise.all([this.server.stop(), this.upstream.stop()]);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
