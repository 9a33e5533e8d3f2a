// Node beside the reactor: how much later timers, fetch and worker messages are served than in plain Node.

import { fileURLToPath } from 'node:url';
import { limitProgram } from './lib/limit.js';
import { Server, runToEnd } from './lib/processes.js';
import { formatTable } from './lib/table.js';

const IDLE_TRIALS = 300;
const SATURATED_TRIALS = 1000;
const WARMUP_TRIALS = 100;
/** Far more than the trials take: beyond it something is starved, and that is a failure. */
const TIMEOUT_MS = 180_000;

const program = (name) => fileURLToPath(new URL(`servers/${name}.js`, import.meta.url));
const node = process.execPath;

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];

/** Median, 99th percentile and maximum of samples, in milliseconds. */
function describe(samplesMs) {
  const sorted = samplesMs.toSorted((a, b) => a - b);
  return {
    medianMs: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    maxMs: sorted.at(-1),
    n: sorted.length,
  };
}

/**
 * One process measures. Saturated means that a C client keeps 64 connections busy on an echo server on the same core: on
 * the reactor of the measuring process itself, or for plain Node on a C server beside it.
 */
async function measure(mode, saturated, trials, pinning) {
  const http = await Server.start([node, program('http')], pinning.clientCpu);
  const measured = await Server.start(
    [node, program('beside'), mode, String(trials), String(WARMUP_TRIALS), String(http.port)],
    pinning.serverCpu,
  );
  const echo =
    saturated && mode === 'plain'
      ? await Server.start([limitProgram('epoll_echo')], pinning.serverCpu)
      : measured;
  let load = null;
  try {
    if (saturated) {
      const client = [
        limitProgram('client'),
        '--port',
        String(echo.port),
        '--connections',
        '64',
        '--size',
        '64',
      ];
      client.push('--warmup-ms', '0', '--duration-ms', String(TIMEOUT_MS), '--server-pid', String(echo.pid));
      load = runToEnd(client, pinning.clientCpu, TIMEOUT_MS);
      load.catch(() => undefined);
    }
    const line = await measured.ask('go', TIMEOUT_MS);
    const samples = JSON.parse(line);
    return Object.fromEntries(
      Object.entries(samples).map(([kind, samplesMs]) => [kind, describe(samplesMs)]),
    );
  } finally {
    await measured.stop();
    if (echo !== measured) await echo.stop();
    await http.stop();
    await load?.catch(() => undefined); // ends by itself: its server has gone
  }
}

export async function runBeside(_options, pinning, progress) {
  const result = { idle: {}, saturated: {} };
  for (const [load, trials] of [
    ['idle', IDLE_TRIALS],
    ['saturated', SATURATED_TRIALS],
  ]) {
    for (const mode of ['plain', 'reactor']) {
      progress.line(`beside: ${mode}, ${load}, ${trials} trials of each kind`);
      result[load][mode] = await measure(mode, load === 'saturated', trials, pinning);
    }
  }
  return result;
}

export function besideFailed() {
  return false; // figures, not a verdict: a run that starves throws
}

export function formatBeside(result) {
  const rows = [
    ['', 'plain median', 'p99', 'max', 'beside median', 'p99', 'max', 'added median', 'added p99'],
  ];
  const ms = (value) => value.toFixed(2);
  for (const [load, { plain, reactor }] of Object.entries(result)) {
    for (const kind of Object.keys(plain)) {
      const [a, b] = [plain[kind], reactor[kind]];
      rows.push([
        `${kind}, ${load} (n=${b.n})`,
        ...[a.medianMs, a.p99Ms, a.maxMs, b.medianMs, b.p99Ms, b.maxMs].map(ms),
        ms(b.medianMs - a.medianMs),
        ms(b.p99Ms - a.p99Ms),
      ]);
    }
  }
  return (
    'Node beside the reactor, in ms: lateness of setTimeout, round trip of fetch and of a worker message. Idle: the ' +
    'reactor only listens. Saturated: 64 connections echo without pause on the same core, on the reactor of the same ' +
    `process, or for plain Node on a C server.\n\n${formatTable(rows)}`
  );
}
