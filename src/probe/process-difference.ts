// What a process and its threads did between two looks at it.

import { difference, isKnown, isUnavailable, known, sum, unavailable } from './figure.js';
import type { Figure, Reading, Unavailable } from './figure.js';
import { NOT_ASKED, THREAD_FIGURES, THREAD_SOURCES, everyFigure } from './snapshot.js';
import type {
  ProcessFigure,
  ProcessFigures,
  ProcessSnapshot,
  ThreadFigures,
  ThreadSnapshot,
} from './snapshot.js';

export interface ThreadDifference {
  readonly threadId: number;
  readonly name: string;
  /** It began between the looks: its figures count from its beginning. */
  readonly began: boolean;
  readonly figures: ThreadFigures;
}

export interface ProcessDifference {
  readonly pid: number;
  readonly wallNs: number;
  /**
   * `after - before`. Sums over threads are those of the threads alive at the second look: what threads that ended
   * did meanwhile is in no file.
   */
  readonly figures: ProcessFigures;
  readonly threads: Reading<readonly ThreadDifference[]>;
  /** Threads of the first look that the second no longer had. */
  readonly endedThreadIds: readonly number[];
}

const NO_THREAD_YET: ThreadFigures = everyFigure(THREAD_FIGURES, () => known(0, 'the thread began later'));

export function threadDifference(before: ThreadSnapshot | null, after: ThreadSnapshot): ThreadDifference {
  const earlier = before?.figures ?? NO_THREAD_YET;
  return {
    threadId: after.threadId,
    name: after.name,
    began: before === null,
    figures: everyFigure(THREAD_FIGURES, (name) => difference(earlier[name], after.figures[name])),
  };
}

/** What a process did between two looks at it. Unavailable if the pid was meanwhile given to another process. */
export function processDifference(
  before: ProcessSnapshot,
  after: ProcessSnapshot,
): ProcessDifference | Unavailable {
  if (before.pid !== after.pid || before.startTicks !== after.startTicks)
    return unavailable(
      `the looks are at two processes (pid ${before.pid} begun at tick ${before.startTicks ?? '?'}, pid ${after.pid} at ${after.startTicks ?? '?'})`,
    );
  const figures: Record<ProcessFigure, Figure> = everyFigure(
    Object.keys(after.figures) as ProcessFigure[],
    (name) => difference(before.figures[name], after.figures[name]),
  );
  let threads: ProcessDifference['threads'] = firstUnavailable(before.threads, after.threads);
  const ended: number[] = [];
  if (isKnown(before.threads) && isKnown(after.threads)) {
    const earlier = new Map(before.threads.value.map((thread) => [thread.threadId, thread]));
    const list = after.threads.value.map((thread) => {
      const match = earlier.get(thread.threadId);
      earlier.delete(thread.threadId);
      return threadDifference(match ?? null, thread);
    });
    ended.push(...earlier.keys());
    threads = known(list, after.threads.source);
    for (const name of ['voluntarySwitches', 'involuntarySwitches', 'cpuNs', 'runQueueWaitNs'] as const) {
      figures[name] = sum(
        list.map((thread) => thread.figures[name]),
        `sum over the live threads of ${THREAD_SOURCES[name]}`,
      );
    }
  }
  return {
    pid: after.pid,
    wallNs: Number(after.takenAtNs - before.takenAtNs),
    figures,
    threads,
    endedThreadIds: ended,
  };
}

function firstUnavailable(...readings: readonly Reading<unknown>[]): Unavailable {
  return readings.find(isUnavailable) ?? unavailable(NOT_ASKED);
}
