// One run: the two processes, bursts without descriptors, samples of memory, and the end in good order.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Child } from '../../dist/compare/processes.js';
import { Random } from '../../dist/load/random.js';
import { Judge } from './judge.js';
import { mappingsOf } from './mappings.js';
import { growthOf } from './memory.js';
import { withoutGenerations as makeMutant } from './mutant.js';
import { pause } from './pause.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const script = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Both processes print five times in a second: one that says nothing for so long hangs. */
const SILENCE_MS = 30_000;
/** After the last connection was opened. The peer gives up on one that is stuck after 30 s. */
const DRAIN_MS = 60_000;
/** Growth of the server's own memory that fails a run, as memory.js counts it. */
const GROWTH_MIB_MAX = 2;
/** Bursts without descriptors: every so often, for so long. */
const BURST_EVERY_MS = 3000;
const BURST_MS = 150;
const BURST_FIRST_MS = 300;
/** Without the generation check a run goes on until a stale call was seen, at most for so many times its events. */
const UNSEEN_FACTOR_MAX = 20;

const descriptorsOf = (pid) => readdirSync(`/proc/${pid}/fd`).length;

/** What one of the processes has said last, and whether it is done. */
class End {
  progress = {
    events: 0,
    calls: 0,
    staleEvents: 0,
    reusedSlots: 0,
    staleCalls: 0,
    told: [],
    live: 0,
    counts: {},
    faults: [],
  };
  idle = false;
  /** @type {unknown[][]} */
  stuck = [];
}

export class Soak {
  judge = new Judge();
  server = new End();
  peer = new End();
  bursts = 0;
  /** Figures of memory.js and mappings.js, in bytes. @type {({ atMs: number, draining: boolean, fds: number } & Record<string, number>)[]} */
  samples = [];
  /** What ended the run before its time. @type {string | null} */
  failure = null;
  elapsedMs = 0;
  #children = { server: null, peer: null };
  #startedMs = 0;
  #fds = { before: 0, after: 0 };
  #draining = false;
  #finishing = false;
  #neverEnded = 0;

  /** @param {ReturnType<import('./options.js').parseOptions>} options */
  constructor(options) {
    this.options = options;
  }

  /** Runs to its end, or until `signal` is aborted. Leaves no process behind. @param {AbortSignal} signal */
  async run(signal, onProgress) {
    const { options } = this;
    const mutant = options.withoutGenerations ? makeMutant(ROOT) : null;
    try {
      await this.#start(mutant?.dist ?? script('../../dist'));
      const ticker = setInterval(() => onProgress(this), 200);
      try {
        await this.#untilEnd(signal);
        // Without the check connections hang, and are not waited for: what is to be seen has been seen.
        if (!signal.aborted && this.failure === null && mutant === null) await this.#drain(signal);
      } finally {
        clearInterval(ticker);
      }
    } finally {
      this.elapsedMs = performance.now() - this.#startedMs;
      this.#finishing = true;
      await Promise.all([this.#children.server?.stop(), this.#children.peer?.stop()]);
      mutant?.remove();
    }
    if (!signal.aborted && this.failure === null && mutant === null)
      this.judge.finish(this.#server(), this.peer.progress.counts);
    return this.result(signal.aborted);
  }

  #server() {
    return this.server.progress.counts;
  }

  async #start(dist) {
    const { seed, connections, rate, poller, trigger, sampleMs } = this.options;
    const common = ['--seed', `${seed}`, '--connections', `${connections}`];
    const peer = await Child.start('the peer', script('peer.js'), [...common, '--rate', `${rate}`], null);
    this.#children.peer = peer.child;
    const args = ['--dist', dist, '--poller', poller, '--trigger', trigger, '--sample-ms', `${sampleMs}`];
    const rest = ['--peer-port', `${peer.ready.port}`];
    const server = await Child.start('the server', script('server.js'), [...common, ...args, ...rest], null);
    this.#children.server = server.child;
    this.#fds.before = descriptorsOf(server.child.pid);
    this.#startedMs = performance.now();
    void this.#listen('server');
    void this.#listen('peer');
    peer.child.send(JSON.stringify(server.ready));
  }

  async #listen(side) {
    const child = this.#children[side];
    try {
      for (;;) this.#take(side, await child.next(SILENCE_MS));
    } catch (error) {
      if (!this.#finishing) this.failure ??= error.message;
    }
  }

  #take(side, line) {
    const end = this[side];
    if (line.type === 'progress') {
      this.judge.take(side, line.records);
      end.progress = line;
    } else if (line.type === 'idle') end.idle = true;
    else if (line.type === 'stuck') end.stuck = line.stuck;
    else if (line.type === 'memory') {
      const atMs = performance.now() - this.#startedMs;
      const { pid } = this.#children.server;
      try {
        this.samples.push({
          ...line,
          ...mappingsOf(pid),
          fds: descriptorsOf(pid),
          draining: this.#draining,
          atMs,
        });
      } catch {
        // It has ended meanwhile: whoever waits for its next line is told so.
      }
    }
  }

  async #untilEnd(signal) {
    const { events, durationS, seed, withoutGenerations } = this.options;
    const random = new Random(seed);
    let nextBurstMs = BURST_FIRST_MS;
    for (;;) {
      await pause(25, signal);
      const atMs = performance.now() - this.#startedMs;
      if (signal.aborted || this.failure !== null) return;
      const { events: done, staleCalls } = this.server.progress;
      const enough = withoutGenerations && staleCalls === 0 ? events * UNSEEN_FACTOR_MAX : events;
      if (done >= enough || atMs >= durationS * 1000) return;
      if (atMs < nextBurstMs) continue;
      await this.#burst(signal);
      nextBurstMs = atMs + BURST_EVERY_MS * (0.5 + random.next());
    }
  }

  /** Takes the server's free descriptors away for a moment: accept(2) and socket(2) fail with EMFILE. */
  async #burst(signal) {
    const { pid } = this.#children.server;
    const limit = (soft) => spawnSync('prlimit', ['--pid', `${pid}`, `--nofile=${soft}:`]).status === 0;
    const before = spawnSync('prlimit', ['--pid', `${pid}`, '--nofile', '-o', 'SOFT', '--noheadings']);
    if (before.status !== 0) return; // no prlimit(1) here: the report says that there were no bursts
    if (!limit(descriptorsOf(pid) + 1)) return;
    this.bursts++;
    await pause(BURST_MS, signal);
    limit(String(before.stdout).trim());
  }

  async #drain(signal) {
    this.#draining = true;
    const { server, peer } = this.#children;
    // The peer first: what the server opens meanwhile still has somebody to answer.
    server.send('stop');
    peer.send('stop');
    const endMs = performance.now() + DRAIN_MS;
    while (!(this.server.idle && this.peer.idle) && performance.now() < endMs) {
      await pause(10, signal);
      if (signal.aborted || this.failure !== null) return;
    }
    if (!this.server.idle || !this.peer.idle) {
      server.send('stuck');
      await pause(500, signal);
      const { live } = this.server.progress;
      this.#neverEnded = Math.max(live, this.peer.progress.live);
      const first = JSON.stringify(this.server.stuck.slice(0, 3));
      this.failure = `${live} connections of the server and ${this.peer.progress.live} of the peer never ended: ${first}`;
    }
    // Duplicates are closed by timers of at most 60 ms.
    for (let looks = 0; looks < 50; looks++) {
      this.#fds.after = descriptorsOf(server.pid);
      if (this.#fds.after <= this.#fds.before) break;
      await pause(10, signal);
    }
  }

  /** Figures so far, and the verdict. */
  result(interrupted) {
    const { judge, options, failure } = this;
    const { told, faults, counts, events, calls, staleEvents, reusedSlots, staleCalls } =
      this.server.progress;
    const growth = growthOf(this.samples);
    const leaked = interrupted || failure !== null ? 0 : Math.max(this.#fds.after - this.#fds.before, 0);
    const problems = [
      ...(failure === null ? [] : [failure]),
      ...judge.told,
      ...told.map((text) => `stale call: ${text}`),
      ...faults,
    ];
    if (leaked > 0) problems.push(`${leaked} descriptors of the server were not given back`);
    const grew = growth !== null && growth.ownMib > GROWTH_MIB_MAX;
    if (grew)
      problems.push(
        `the server grew by ${growth.ownMib.toFixed(2)} MiB after its first five minutes, more than ${GROWTH_MIB_MAX}`,
      );
    if (!interrupted && staleEvents === 0 && options.events >= 20_000)
      problems.push('no stale event was met: this run proves nothing about them');
    return {
      passed: !interrupted && problems.length === 0,
      interrupted,
      seed: options.seed,
      poller: options.poller,
      trigger: options.trigger,
      withoutGenerations: options.withoutGenerations,
      elapsedS: (this.elapsedMs || performance.now() - this.#startedMs) / 1000,
      events,
      calls,
      staleEvents,
      reusedSlots,
      staleCalls,
      lost: judge.lost + this.#neverEnded,
      judged: judge.judged,
      aborted: judge.aborted,
      bytes: judge.bytes,
      bursts: this.bursts,
      server: counts,
      peer: this.peer.progress.counts,
      fds: this.#fds,
      growth,
      samples: this.samples,
      problems,
    };
  }
}
