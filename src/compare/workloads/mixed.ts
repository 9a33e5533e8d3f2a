// Mixed: short requests, alone and then beside a few that burn CPU for long. Who is delayed, and by how much?

import { formatCount } from '../render/format.js';
import type { Report } from '../report.js';
import { Stage } from '../stage.js';
import type { CellContext, ComparedWorkload } from '../workload.js';
import { besideFigures, besideText, besideVerdict, measureShort, type Phase } from './beside.js';

const phases: readonly Phase[] = [
  { key: 'alone', title: 'alone' },
  { key: 'bursts', title: 'beside bursts of CPU' },
];
/** Connections that burn. */
const BURSTING = 2;

async function run(context: CellContext): Promise<void> {
  const { settings, cell, step } = context;
  await using stage = await Stage.open(context);
  step('short requests alone');
  cell.raw['alone'] = await measureShort(stage, stage.first, context, 'alone');
  const bursts = await stage.generator();
  bursts.load({
    mode: 'closed',
    connections: BURSTING,
    cpuUs: settings.cpuUs,
    warmUpMs: 0,
    durationMs: settings.warmUpMs + settings.durationMs + 1000,
    requestTimeoutMs: 60_000,
    progressMs: 100,
  });
  await bursts.phase(['measuring'], 30_000);
  step('short requests beside bursts');
  cell.raw['bursts'] = await measureShort(stage, await stage.generator(), context, 'bursts');
  const others = await bursts.result(60_000);
  cell.figures['burstsPerSecond'] = others.repliesPerSecond;
  if (others.failure !== null) cell.failure ??= `the bursts: ${others.failure}`;
}

export const mixed: ComparedWorkload = {
  summary: 'short requests beside long bursts of CPU: who is delayed',
  defaults: {
    models: ['threads', 'pool', 'epoll', 'node'],
    connections: 8,
    rounds: 6,
    durationMs: 1500,
    warmUpMs: 300,
    cpuUs: 20_000,
    poolThreads: 16,
  },
  figures: {
    ...besideFigures(phases),
    burstsPerSecond: {
      title: 'bursts per second',
      unit: '1/s',
      source: 'replies to the requests that burn, each verified',
    },
  },
  run,
  verdict: (report: Report) => besideVerdict(report, 'alone', 'bursts', 'beside bursts of CPU'),
  render: besideText(
    ({ connections, cpuUs, payloadBytes }) =>
      `mixed: ${formatCount(connections)} connections with short requests (${payloadBytes} bytes), and ${BURSTING} that burn ${cpuUs / 1000} ms each`,
    ['burstsPerSecond'],
  ),
};
