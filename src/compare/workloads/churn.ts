// Churn: connect, ask once, close, and again. What a connection costs that does not stay.

import type { FigureInfo, Report } from '../report.js';
import { renderLadder } from '../render/ladder.js';
import { formatCount } from '../render/format.js';
import { Stage } from '../stage.js';
import { compareWithBest } from '../verdict.js';
import type { CellContext, ComparedWorkload } from '../workload.js';
import { GENERATOR_HISTOGRAM, SERVER_CPU_PER_SERVED } from './figures.js';
import { cpuUsPerRequest, measure, noteTroubles, setIf } from './ladder.js';

const figures: Record<string, FigureInfo> = {
  connectionsPerSecond: {
    title: 'connections per second',
    unit: '1/s',
    source: 'replies within the window, one per connection, each verified',
  },
  serverCpuUs: {
    title: 'server CPU us per connection',
    unit: 'us',
    source: SERVER_CPU_PER_SERVED,
  },
  p50Us: { title: 'connect, ask, answer: p50', unit: 'us', source: GENERATOR_HISTOGRAM },
  p99Us: { title: 'connect, ask, answer: p99', unit: 'us', source: GENERATOR_HISTOGRAM },
};

async function run(context: CellContext): Promise<void> {
  const { settings, cell, step } = context;
  const { connections, payloadBytes, cpuUs, waitMs, warmUpMs, seed } = settings;
  await using stage = await Stage.open(context);
  step('measuring');
  const done = await measure(
    stage,
    stage.first,
    { mode: 'churn', connections, requestsPerConnection: 1, payloadBytes, cpuUs, waitMs, warmUpMs, seed },
    context,
  );
  cell.raw = { ...done };
  noteTroubles(cell, done, 'churn');
  const { repliesPerSecond, latency } = done.result;
  if (repliesPerSecond === 0) {
    cell.failure ??= 'no request was answered in the window';
    return;
  }
  cell.figures['connectionsPerSecond'] = repliesPerSecond;
  setIf(cell, 'serverCpuUs', cpuUsPerRequest(done));
  if (latency !== null) {
    cell.figures['p50Us'] = latency.p50Ms * 1000;
    cell.figures['p99Us'] = latency.p99Ms * 1000;
  }
}

export const churn: ComparedWorkload = {
  summary: 'connections per second that ask once and leave, and what one costs',
  defaults: {
    models: ['threads', 'pool', 'epoll', 'node'],
    connections: 32,
    rounds: 6,
    durationMs: 1500,
    warmUpMs: 1000,
    poolThreads: 32,
  },
  figures,
  run,
  verdict: (report: Report) => compareWithBest(report, 'serverCpuUs', 'server CPU per connection'),
  render: (report) =>
    renderLadder(
      report,
      `churn: ${formatCount(report.settings.connections)} at a time connect, ask once (${report.settings.payloadBytes} bytes) and close by a reset`,
      Object.keys(figures),
    ),
};
