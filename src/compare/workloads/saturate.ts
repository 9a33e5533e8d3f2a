// Saturate: independent arrivals, up to and past what N threads can wait for: where does each model's queue begin to grow?

import type { FigureInfo, Report } from '../report.js';
import { median, summarise, type Summary } from '../statistics.js';
import type { CellContext, ComparedWorkload } from '../workload.js';
import { SERVER_COUNTER, VERIFIED_REPLIES } from './figures.js';
import { at, climb, figuresAt, ladderText, setIf } from './ladder.js';

/** A client gives up after so long; what waits in a queue beyond that is not waited for. */
const TIMEOUT_MS = 4000;
/** From this load on, the answers per second are what the server can do, if it cannot do all. */
const OVERLOAD = 1.1;
/** Answers within this of the arrivals: the server can do more than was asked of it. */
const KEEPS_UP = 0.97;

const figures: Record<string, FigureInfo> = {
  answersPerSecond: {
    title: 'answers per second',
    unit: '1/s',
    source: VERIFIED_REPLIES,
  },
  p50Ms: { title: 'latency p50', unit: 'ms', source: 'from the intended arrival; connect, queue and wait' },
  p99Ms: { title: 'latency p99', unit: 'ms', source: 'from the intended arrival; connect, queue and wait' },
  queued: {
    title: 'in the queue at the end',
    unit: 'count',
    source: `${SERVER_COUNTER} of connections that wait for a thread`,
  },
};
const knees: Record<string, FigureInfo> = {
  kneePerSecond: {
    title: 'knee: answers per second at most',
    unit: '1/s',
    source: `median of the loads of ${OVERLOAD * 100}% and more, where the answers stay behind the arrivals`,
  },
  kneeOfLaw: {
    title: 'knee / (N / wait)',
    unit: 'ratio',
    source: "Little's law: N threads that wait W each can answer N / W per second",
  },
};
const say = (point: number | string): string => `load ${point}%`;

/** What N threads can answer per second, if each request waits for so long: Little's law. */
export function lawPerSecond(poolThreads: number, waitMs: number): number {
  return (poolThreads * 1000) / waitMs;
}

/**
 * The knee of a row of loads: the answers per second where they stay behind the arrivals. Null: they never do, so the
 * knee lies beyond. `loads` are the shares of the law, `answers` per second at each, `arrivals` what was meant to come.
 */
export function findKnee(
  loads: readonly number[],
  arrivals: readonly number[],
  answers: readonly number[],
): number | null {
  const over = loads.flatMap((load, i) => (load >= OVERLOAD ? [i] : []));
  const behind = over.filter((i) => answers[i] < arrivals[i] * KEEPS_UP);
  return behind.length === 0 || behind.length < over.length ? null : median(behind.map((i) => answers[i]));
}

async function run(context: CellContext): Promise<void> {
  const { settings, cell } = context;
  const { points, poolThreads, payloadBytes, waitMs, cpuUs, warmUpMs, seed } = settings;
  const law = lawPerSecond(poolThreads, waitMs);
  const loadAt = (point: number) =>
    ({
      mode: 'arrive',
      ratePerSecond: (law * point) / 100,
      requestTimeoutMs: TIMEOUT_MS,
      ...{ payloadBytes, waitMs, cpuUs, warmUpMs, seed },
    }) as const;
  const arrivals: number[] = [];
  const answers: number[] = [];
  await climb(
    context,
    points,
    (point) => say(point),
    loadAt,
    (point, { result, after }) => {
      const { latency, requests, repliesPerSecond, times } = result;
      arrivals.push(((requests.sent + requests.unsent) * 1000) / times.windowMs);
      answers.push(repliesPerSecond);
      cell.figures[at('answersPerSecond', point)] = repliesPerSecond;
      cell.figures[at('queued', point)] = after.queued;
      setIf(cell, at('p50Ms', point), latency?.p50Ms);
      setIf(cell, at('p99Ms', point), latency?.p99Ms);
    },
  );
  const knee = findKnee(
    points.map((point) => point / 100),
    arrivals,
    answers,
  );
  if (knee === null) {
    const reason = `it kept up with all loads, to ${Math.max(...points)}% of N / wait`;
    cell.unavailable['kneePerSecond'] = cell.unavailable['kneeOfLaw'] = reason;
  } else {
    cell.figures['kneePerSecond'] = knee;
    cell.figures['kneeOfLaw'] = knee / law;
  }
}

function verdict(report: Report): string[] {
  const { poolThreads, waitMs, points } = report.settings;
  const law = lawPerSecond(poolThreads, waitMs);
  const highest = points.reduce((most, point) => Math.max(most, point), 0);
  const lowest = points.reduce((least, point) => Math.min(least, point), Infinity);
  return report.contestants.flatMap(({ label }) => {
    const of = (name: string): Summary | undefined => report.summaries[label]?.[name];
    const low = of(at('p99Ms', lowest))?.median;
    const high = of(at('p99Ms', highest))?.median;
    if (low === undefined || high === undefined) return [];
    const p99 = `p99 ${low.toFixed(0)} ms at ${lowest}%, ${high.toFixed(0)} ms at ${highest}%`;
    const knee = of('kneePerSecond');
    return knee === undefined
      ? [`${label}: no knee up to ${((law * highest) / 100).toFixed(0)} per second; ${p99}.`]
      : [
          `${label}: its queue grows from ${knee.median.toFixed(1)} per second on, ${(knee.median / law).toFixed(3)} of ` +
            `N / wait = ${poolThreads} / ${waitMs} ms = ${law.toFixed(1)}; ${p99}.`,
        ];
  });
}

/** Of all cells, how far each knee lies from the law; for who wants to hold it against a bound. */
export function kneeErrors(report: Report, label: string): Summary | null {
  const errors = report.cells.flatMap(({ contestant, figures: of }) => {
    const ratio = of['kneeOfLaw'];
    return contestant === label && ratio !== undefined ? [Math.abs(ratio - 1)] : [];
  });
  return errors.length === 0 ? null : summarise(errors);
}

export const saturate: ComparedWorkload = {
  summary: 'arrivals up to and past N threads / wait: whose queue grows, and where',
  defaults: {
    models: ['pool', 'executor', 'threads', 'epoll'],
    rounds: 2,
    durationMs: 1500,
    warmUpMs: 700,
    waitMs: 50,
    poolThreads: 8,
    points: [50, 80, 90, 100, 110, 125, 150],
  },
  figures: ({ points }) => ({ ...figuresAt(points, figures, say), ...knees }),
  run,
  verdict,
  render: ladderText(
    ({ poolThreads, waitMs, cpuUs }) =>
      `saturate: requests arrive by themselves, each on a connection of its own, and wait ${waitMs} ms (work: ${cpuUs} us); ` +
      `load 100% is what ${poolThreads} threads can wait for: ${lawPerSecond(poolThreads, waitMs).toFixed(1)} per second`,
    { ...figures, ...knees },
  ),
};
