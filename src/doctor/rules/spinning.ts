// A part of the rule of starvation: tasks that queue themselves again in each turn, so that the loop never sleeps.

import type { ItemKind, TimeoutReason } from '../../reactor/observer.js';
import type { Scene, Taker } from '../scene.js';

/** A loop that turns so often and so long for one task alone polls for something. */
const SPIN_TURNS_MIN = 500;
const SPIN_MS = 500;
/** A turn of a task that does work takes longer: that is work in pieces, as it should be. */
const SPIN_TURN_MS_MAX = 0.2;
/** Of those turns, so many may have done something for others too. */
const PURE_SHARE_MIN = 0.9;
/** As many tasks as one turn may run (TASKS_MAX in reactor.ts): the queue has more than that all the time. */
const TASKS_FULL = 512;
/** For so long, without the queue becoming shorter. */
const FULL_MS = 300;
/** Over a trace nobody knows how long the queue is. */
const FULL_TRACED_MS = 2000;

export class Spinning {
  // The streak of turns without sleep in which the same task ran.
  private taker: Taker | null = null;
  private turns = 0;
  private pure = 0;
  private sinceMs = 0;
  // This turn.
  private first: Taker | null = null;
  private busy = false;
  private slept = true;
  private transfers = 0;
  // Turns in a row with as many tasks as fit.
  private fullSinceMs = -1;
  private fullQueued = 0;
  private queued = -1;
  private tasks = 0;

  constructor(private readonly scene: Scene) {}

  waitBegin(timeoutMs: number, reason: TimeoutReason, queued: number): void {
    this.slept = timeoutMs > 0 || reason === 'host' || reason === 'idle';
    this.queued = queued;
    this.first = null;
    this.busy = false;
    this.transfers = this.scene.transfers;
  }

  batch(tasks: number): void {
    this.tasks = tasks;
  }

  itemEnd(taker: Taker, kind: ItemKind | 'drain'): void {
    if (taker.isHosts || kind === 'drain') return;
    if (kind === 'readiness') this.busy = true;
    else if (this.first === null && taker.isPrograms && kind !== 'closed') this.first = taker;
  }

  turnEnd(): void {
    this.judgeQueue();
    const { first, scene } = this;
    const { nowMs } = scene;
    if (first === null || this.slept) {
      this.taker = null;
      return;
    }
    if (first !== this.taker) {
      this.taker = first;
      this.turns = this.pure = 0;
      this.sinceMs = nowMs;
    }
    this.turns++;
    if (!this.busy && scene.transfers === this.transfers) this.pure++;
    const forMs = nowMs - this.sinceMs;
    if (this.turns < SPIN_TURNS_MIN || forMs < SPIN_MS) return;
    const { turns, pure } = this;
    this.turns = this.pure = 0;
    const { sinceMs } = this;
    this.sinceMs = nowMs;
    if (pure < turns * PURE_SHARE_MIN || forMs / turns > SPIN_TURN_MS_MAX) return;
    const { key, name, kind } = first;
    scene.report({
      class: 'starvation',
      severity: 'error',
      key: `spin ${key}`,
      fd: -1,
      handler: first,
      sinceMs,
      message: `the ${kind === 'timer' ? 'timer' : `${kind} task`} ${name || '(no name)'} sets itself going again in each turn: the loop made ${turns} turns in ${Math.round(forMs)} ms and never slept`,
      evidence: { turns, forMs: Math.round(forMs), turnsWithNothingElse: pure },
      remedy:
        'Wait for what it polls for (a readiness, a promise, drain), or ask again by a timer of some milliseconds instead of post().',
    });
  }

  /** More tasks come than a turn may run. */
  private judgeQueue(): void {
    const { scene, tasks, queued } = this;
    if (tasks < TASKS_FULL) {
      this.fullSinceMs = -1;
      return;
    }
    const { nowMs } = scene;
    if (this.fullSinceMs < 0) {
      this.fullSinceMs = nowMs;
      this.fullQueued = queued;
    }
    const forMs = nowMs - this.fullSinceMs;
    if (forMs < (scene.live ? FULL_MS : FULL_TRACED_MS)) return;
    const grew = queued - this.fullQueued;
    const sinceMs = this.fullSinceMs;
    this.fullSinceMs = -1;
    if ((scene.live && grew < 0) || this.first === null) return;
    scene.report({
      class: 'starvation',
      severity: 'error',
      key: `queue ${this.first.key}`,
      fd: -1,
      handler: this.first,
      sinceMs,
      message: `tasks are queued faster than they run: each turn for ${Math.round(forMs)} ms had as many as a turn may run, and ${queued < 0 ? 'the queue is not empty' : `${queued} wait`}`,
      evidence: {
        queuedTasks: queued < 0 ? null : queued,
        grewBy: queued < 0 ? null : grew,
        forMs: Math.round(forMs),
      },
      remedy:
        'Let a task queue at most one successor, and bound what is queued: refuse, drop or wait when it is full.',
    });
  }
}
