// Cpu: handlers that work. What is left of the differences between models when the work itself is what takes time?

import { formatCount } from '../render/format.js';
import type { FigureInfo, Report } from '../report.js';
import { compareWithBest } from '../verdict.js';
import type { CellContext, ComparedWorkload } from '../workload.js';
import { CLOSED_LOOP, SERVER_CPU_PER_SERVED, latencyUs, requestsPerSecond } from './figures.js';
import { at, climb, cpuUsPerRequest, figuresAt, ladderText, setIf } from './ladder.js';

const figures: Record<string, FigureInfo> = {
  requestsPerSecond,
  overheadUs: {
    title: 'CPU us beside the work',
    unit: 'us',
    source: `${SERVER_CPU_PER_SERVED}, less the work asked for`,
  },
  p50Us: latencyUs('p50', CLOSED_LOOP),
  p99Us: latencyUs('p99', CLOSED_LOOP),
};
/** Requests that each connection shall make in a window, so that there are some of the longest work as well. */
const REQUESTS_MIN = 4;

const say = (point: number | string): string =>
  Number(point) >= 1000 ? `${Number(point) / 1000} ms of work` : `${formatCount(Number(point))} us of work`;

async function run(context: CellContext): Promise<void> {
  const { settings, cell } = context;
  const { connections, payloadBytes, waitMs, warmUpMs, durationMs, seed } = settings;
  const loadAt = (cpuUs: number) =>
    ({
      mode: 'closed',
      durationMs: Math.max(durationMs, (REQUESTS_MIN * connections * cpuUs) / 1000),
      ...{ connections, payloadBytes, waitMs, cpuUs, warmUpMs, seed },
    }) as const;
  await climb(
    context,
    settings.points,
    (point) => say(point),
    loadAt,
    (point, done) => {
      const { repliesPerSecond, latency } = done.result;
      const cpuUs = cpuUsPerRequest(done);
      cell.figures[at('requestsPerSecond', point)] = repliesPerSecond;
      setIf(cell, at('overheadUs', point), cpuUs === undefined ? undefined : cpuUs - point);
      setIf(cell, at('p50Us', point), latency === null ? null : latency.p50Ms * 1000);
      setIf(cell, at('p99Us', point), latency === null ? null : latency.p99Ms * 1000);
    },
  );
}

function verdict(report: Report): string[] {
  return report.settings.points.flatMap((point) =>
    compareWithBest(report, at('requestsPerSecond', point), `requests per second, ${say(point)}`, 'more'),
  );
}

export const cpu: ComparedWorkload = {
  summary: 'handlers that burn CPU, from nothing to milliseconds',
  defaults: {
    models: ['threads', 'pool', 'epoll', 'node'],
    connections: 16,
    points: [0, 100, 1000, 10_000],
    rounds: 6,
    durationMs: 800,
    warmUpMs: 400,
    poolThreads: 16,
  },
  figures: ({ points }) => figuresAt(points, figures, say),
  run,
  verdict,
  render: ladderText(
    ({ connections, payloadBytes }) =>
      `cpu: ${formatCount(connections)} connections, ${payloadBytes} bytes, closed loop, handlers that work`,
    figures,
  ),
};
