// Active: a few connections that ask among many that say nothing, as the many grow. What does looking at the idle cost?

import { formatCount } from '../render/format.js';
import type { CompareSettings, FigureInfo, Report } from '../report.js';
import { compareWithBest } from '../verdict.js';
import type { CellContext, ComparedWorkload } from '../workload.js';
import { FROM_INTENDED_SEND, SERVER_CPU_PER_SERVED, latencyUs } from './figures.js';
import { at, climb, cpuUsPerRequest, figuresAt, ladderText, setIf } from './ladder.js';

const INTERVAL_MS = 20;
const TIMEOUT_MS = 2000;

const figures: Record<string, FigureInfo> = {
  p50Us: latencyUs('p50', FROM_INTENDED_SEND),
  p99Us: latencyUs('p99', FROM_INTENDED_SEND),
  serverCpuUs: {
    title: 'server CPU per request',
    unit: 'us',
    source: SERVER_CPU_PER_SERVED,
  },
};
const say = (point: number | string): string => `${formatCount(Number(point))} idle`;

/** The points asked for, and the number of connections as the last of them. */
function pointsOf({ points, connections }: CompareSettings): number[] {
  return [...points.filter((point) => point < connections), connections];
}

async function run(context: CellContext): Promise<void> {
  const { settings, cell } = context;
  const { actives, payloadBytes, cpuUs, waitMs, warmUpMs, seed } = settings;
  const loadAt = (idle: number) =>
    ({
      mode: 'idle',
      connections: idle,
      actives: { connections: actives, intervalMs: INTERVAL_MS, timeoutMs: TIMEOUT_MS },
      ...{ payloadBytes, cpuUs, waitMs, warmUpMs, seed },
    }) as const;
  await climb(
    context,
    pointsOf(settings),
    (point) => say(point),
    loadAt,
    (point, done) => {
      const { latency, requests } = done.result.actives ?? { latency: null, requests: null };
      if (requests === null || requests.answered === 0 || latency === null) {
        cell.notes.push(`none of the active was answered (${say(point)})`);
        return;
      }
      setIf(cell, at('p50Us', point), latency.p50Ms * 1000);
      setIf(cell, at('p99Us', point), latency.p99Ms * 1000);
      setIf(cell, at('serverCpuUs', point), cpuUsPerRequest(done));
    },
  );
}

function verdict(report: Report): string[] {
  const points = pointsOf(report.settings);
  const first = points[0];
  const last = points[points.length - 1];
  const lines = report.contestants.flatMap(({ label }) => {
    const few = report.summaries[label]?.[at('serverCpuUs', first)]?.median;
    const many = report.summaries[label]?.[at('serverCpuUs', last)]?.median;
    if (few === undefined || many === undefined || first === last) return [];
    return [
      `${label}: from ${say(first)} to ${say(last)} a request costs ${(many / few).toFixed(2)} times as much.`,
    ];
  });
  return [...lines, ...compareWithBest(report, at('p99Us', last), `p99 with ${say(last)}`)];
}

export const active: ComparedWorkload = {
  summary: 'latency of a few active connections as the idle among them grow',
  defaults: {
    models: ['threads', 'spin', 'poll', 'epoll', 'node'],
    connections: 5000,
    points: [10, 100, 1000],
    actives: 10,
    rounds: 6,
    durationMs: 1000,
    warmUpMs: 300,
  },
  figures: (settings) => figuresAt(pointsOf(settings), figures, say),
  run,
  verdict,
  render: ladderText(
    ({ actives, payloadBytes }) =>
      `active: ${actives} connections that each ask every ${INTERVAL_MS} ms (${payloadBytes} bytes), among idle ones`,
    figures,
  ),
};
