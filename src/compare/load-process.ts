// One load generator: a process that is given one load, tells how far it is, and reports at its end.

import type { LoadConfig } from '../load/config.js';
import type { LoadProgress, LoadResult } from '../load/result.js';
import { Child, program } from './processes.js';

export class LoadProcess {
  private constructor(
    private readonly child: Child,
    private readonly port: number,
    private readonly checkAlive: () => Promise<void>,
  ) {}

  /** For the server on `port`. `checkAlive` throws, with the reason, when there is no point in waiting any more. */
  static async start(
    port: number,
    cpu: number | null,
    checkAlive: () => Promise<void>,
  ): Promise<LoadProcess> {
    const { child } = await Child.start('the load generator', program('load/generate.js'), [], cpu);
    return new LoadProcess(child, port, checkAlive);
  }

  get pid(): number {
    return this.child.pid;
  }

  /** Gives it its load. */
  load(config: Omit<LoadConfig, 'port'>): void {
    this.child.send(JSON.stringify({ port: this.port, ...config }));
  }

  /** The word that a load with `startOnLine` waits for. */
  start(): void {
    this.child.send('start');
  }

  /** Reads progress until the phase is one of these. A run that ends before is an error, with its reason. */
  async phase(phases: readonly LoadProgress['phase'][], timeoutMs: number): Promise<LoadProgress> {
    for (;;) {
      const line = (await this.child.next(timeoutMs)) as LoadProgress | LoadResult;
      if (line.type === 'result') {
        await this.checkAlive(); // the reason behind it, where a dead server is one
        throw new Error(`the load ended early: ${line.failure ?? line.ended}`);
      }
      if (phases.includes(line.phase)) return line;
    }
  }

  /** Its report. `timeoutMs` is for each line: progress counts as a sign of life. */
  async result(timeoutMs: number): Promise<LoadResult> {
    for (;;) {
      const line = (await this.child.next(timeoutMs)) as
        LoadProgress | LoadResult | { type: 'error'; message: string };
      if (line.type === 'result') return line;
      if (line.type === 'error') throw new Error(`the load generator: ${line.message}`);
    }
  }

  stop(): Promise<void> {
    return this.child.stop();
  }
}
