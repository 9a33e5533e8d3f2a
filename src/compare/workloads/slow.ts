// Slow: clients that read or write a few bytes at a time, beside normal ones. Whom do they hold up?

import { formatCount } from '../render/format.js';
import type { Report } from '../report.js';
import { Stage } from '../stage.js';
import type { CellContext, ComparedWorkload } from '../workload.js';
import { besideFigures, besideText, besideVerdict, measureShort, type Phase } from './beside.js';
import { SERVER_COUNTER } from './figures.js';

const phases: readonly Phase[] = [
  { key: 'alone', title: 'alone' },
  { key: 'slow', title: 'beside slow clients' },
];
/** Of each slow client. */
const BYTES_PER_SECOND = 512;
/** What slow readers leave unread: more than the kernel's own buffers would hide. */
const REPLY_BYTES = 256 * 1024;

async function run(context: CellContext): Promise<void> {
  const { settings, cell, step } = context;
  await using stage = await Stage.open(context);
  step('normal clients alone');
  cell.raw['alone'] = await measureShort(stage, stage.first, context, 'alone');
  step('connecting slow clients');
  const half = Math.ceil(settings.actives / 2);
  const common = {
    connections: half,
    bytesPerSecond: BYTES_PER_SECOND,
    warmUpMs: 0,
    durationMs: 60_000,
    requestTimeoutMs: 120_000,
    progressMs: 100,
  };
  const readers = await stage.generator();
  readers.load({ mode: 'slow-read', depth: 8, payloadBytes: REPLY_BYTES, ...common });
  const writers = await stage.generator();
  writers.load({ mode: 'slow-write', payloadBytes: REPLY_BYTES, ...common });
  await readers.phase(['measuring'], 30_000);
  await writers.phase(['measuring'], 30_000);
  step('normal clients beside slow ones');
  cell.raw['slow'] = await measureShort(stage, await stage.generator(), context, 'slow');
  const { connections, serving } = await stage.counters();
  cell.figures['connections'] = connections;
  cell.figures['serving'] = serving;
}

export const slow: ComparedWorkload = {
  summary: 'slow readers and slow writers beside normal clients',
  defaults: {
    models: ['threads', 'pool', 'epoll', 'node'],
    connections: 8,
    actives: 40,
    rounds: 6,
    durationMs: 1500,
    warmUpMs: 300,
    poolThreads: 32,
  },
  figures: {
    ...besideFigures(phases),
    connections: { title: 'slow connections open', unit: 'count', source: SERVER_COUNTER },
    serving: { title: 'of these served', unit: 'count', source: SERVER_COUNTER },
  },
  run,
  verdict: (report: Report) => besideVerdict(report, 'alone', 'slow', 'beside slow clients'),
  render: besideText(
    ({ connections, actives, payloadBytes }) =>
      `slow: ${formatCount(connections)} normal connections (${payloadBytes} bytes) beside ${formatCount(actives)} that read or write ${BYTES_PER_SECOND} bytes/s`,
    ['connections', 'serving'],
  ),
};
