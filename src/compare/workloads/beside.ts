// What `mixed` and `slow` have in common: short requests at a steady rate, measured alone and then beside something else.

import type { LoadProcess } from '../load-process.js';
import { renderLadder } from '../render/ladder.js';
import type { FigureInfo, Report } from '../report.js';
import type { Stage } from '../stage.js';
import type { CellContext } from '../workload.js';
import { at, figuresAt, measure, setIf, type Step, type Title } from './ladder.js';

export interface Phase {
  readonly key: string;
  readonly title: string;
}

/** Requests per second of each connection: a load that leaves every model idle most of the time. */
const RATE_PER_CONNECTION = 50;
/** What waits for longer is timed out, and counts with that time. */
const TIMEOUT_MS = 3000;

const figures: Record<string, FigureInfo> = {
  answered: {
    title: 'short requests answered',
    unit: 'share',
    source: 'answered / meant to be sent within the window',
  },
  p50Ms: { title: 'latency p50', unit: 'ms', source: 'open loop, from the intended send' },
  p99Ms: { title: 'latency p99', unit: 'ms', source: 'open loop, from the intended send' },
  maxMs: { title: 'longest', unit: 'ms', source: 'open loop, from the intended send' },
};

export function besideFigures(phases: readonly Phase[]): Record<string, FigureInfo> {
  const titles = new Map<number | string, string>(phases.map(({ key, title }) => [key, title]));
  return figuresAt([...titles.keys()], figures, (key) => titles.get(key) ?? '');
}

/** The short requests of one phase, as an open loop: what is delayed is delayed for everybody who would have come. */
export async function measureShort(
  stage: Stage,
  generator: LoadProcess,
  context: CellContext,
  phase: string,
): Promise<Step> {
  const { settings, cell } = context;
  const { connections, payloadBytes, warmUpMs, seed } = settings;
  const done = await measure(
    stage,
    generator,
    {
      mode: 'open',
      ratePerSecond: RATE_PER_CONNECTION * connections,
      requestTimeoutMs: TIMEOUT_MS,
      ...{ connections, payloadBytes, warmUpMs, seed },
    },
    context,
  );
  const { requests, latency, failure } = done.result;
  const meant = requests.sent + requests.unsent;
  if (requests.mismatches > 0) cell.failure ??= `${requests.mismatches} wrong replies (${phase})`;
  if (failure !== null) cell.failure ??= `${failure} (${phase})`;
  setIf(cell, at('answered', phase), meant === 0 ? null : requests.answered / meant);
  if (latency !== null) {
    cell.figures[at('p50Ms', phase)] = latency.p50Ms;
    cell.figures[at('p99Ms', phase)] = latency.p99Ms;
    cell.figures[at('maxMs', phase)] = latency.maxMs;
  }
  return done;
}

export function besideVerdict(report: Report, alone: string, beside: string, what: string): string[] {
  return report.contestants.flatMap(({ label }) => {
    const of = (name: string, phase: string): number | undefined =>
      report.summaries[label]?.[at(name, phase)]?.median;
    const before = of('p99Ms', alone);
    const after = of('p99Ms', beside);
    const answered = of('answered', beside);
    if (before === undefined || after === undefined || answered === undefined) return [];
    const lost =
      answered > 0.999
        ? ''
        : `, and ${((1 - answered) * 100).toFixed(1)}% are not answered in ${TIMEOUT_MS / 1000} s`;
    return [
      `${label}: ${what} the p99 of a short request is ${after.toFixed(2)} ms instead of ${before.toFixed(2)} ms${lost}.`,
    ];
  });
}

export function besideText(title: Title, further: readonly string[]) {
  return (report: Report): string =>
    renderLadder(report, title(report.settings), [...Object.keys(figures), ...further]);
}
