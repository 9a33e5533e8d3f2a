// The processes of one cell: upstream, server and load generator, and what is asked of them.

import type { LoadConfig, LoadProgress, LoadResult } from '../load/config.js';
import type { Counters } from '../models/model.js';
import type { Usage } from '../workload/process.js';
import { serverArguments, servesOnAllCores } from './contestants.js';
import { Child, program } from './processes.js';
import type { CellContext } from './workload.js';

/** The server answers between two of its items: a blocked one would be a finding of its own. */
const ANSWER_TIMEOUT_MS = 10_000;

export type ServerCounters = Counters & { usage: Usage };

interface Ready {
  port: number;
}

/** One server under load, with its upstream. Everything is its own process; {@link close} ends them all. */
export class Stage implements AsyncDisposable {
  private constructor(
    readonly upstream: Child,
    readonly server: Child,
    readonly generator: Child,
    private readonly port: number,
  ) {}

  /** The server is pinned to one core, unless its model is one of many; load and upstream, which are no part of what is measured, to another. */
  static async open({ contestant, settings, pinning, cell, signal }: CellContext): Promise<Stage> {
    const everywhere = servesOnAllCores(contestant);
    if (everywhere) cell.notes.push("serves on all cores, the client's among them: judge by server CPU");
    const started: Child[] = [];
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
      const generator = await Child.start(
        'the load generator',
        program('load/generate.js'),
        [],
        pinning.clientCpu,
      );
      started.push(generator.child);
      signal.throwIfAborted();
      return new Stage(upstream.child, server.child, generator.child, (server.ready as Ready).port);
    } catch (error) {
      await Promise.all(started.map((child) => child.stop()));
      throw error;
    }
  }

  get pids(): number[] {
    return [this.upstream.pid, this.server.pid, this.generator.pid];
  }

  /** Gives the generator its load. Its lines come from {@link progress} and {@link result}. */
  load(config: Omit<LoadConfig, 'port'>): void {
    this.generator.send(JSON.stringify({ port: this.port, ...config }));
  }

  /** The word that a load with `startOnLine` waits for. */
  start(): void {
    this.generator.send('start');
  }

  /** Reads progress until the phase is one of these. A run that ends before is an error, with its reason. */
  async phase(phases: readonly LoadProgress['phase'][], timeoutMs: number): Promise<LoadProgress> {
    for (;;) {
      const line = (await this.generator.next(timeoutMs)) as LoadProgress | LoadResult;
      if (line.type === 'result') {
        await this.checkAlive(); // the reason behind it, where a dead server is one
        throw new Error(`the load ended early: ${line.failure ?? line.ended}`);
      }
      if (phases.includes(line.phase)) return line;
    }
  }

  /** The generator's report. `timeoutMs` is for each line: progress counts as a sign of life. */
  async result(timeoutMs: number): Promise<LoadResult> {
    for (;;) {
      const line = (await this.generator.next(timeoutMs)) as
        LoadProgress | LoadResult | { type: 'error'; message: string };
      if (line.type === 'result') return line;
      if (line.type === 'error') throw new Error(`the load generator: ${line.message}`);
    }
  }

  async counters(): Promise<ServerCounters> {
    this.server.send('counters');
    return (await this.server.next(ANSWER_TIMEOUT_MS)) as ServerCounters;
  }

  /** Throws, with the reason, when server or upstream have ended: what was measured then is of something else. */
  async checkAlive(): Promise<void> {
    await this.counters();
    this.upstream.send('counters');
    await this.upstream.next(ANSWER_TIMEOUT_MS);
  }

  /** The load first, for a server with ten thousand clients has more to do at its end than one with none. */
  async close(): Promise<void> {
    await this.generator.stop();
    await Promise.all([this.server.stop(), this.upstream.stop()]);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
