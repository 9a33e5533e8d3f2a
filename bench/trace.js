// What being watched costs: the echo server with a recorder in memory, with one on disk, and without the hooks altogether.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripObserver } from '../scripts/strip-observer.js';
import { echoFailed, formatEcho, reactorServer, runEcho } from './echo.js';
import { runAlone } from './lib/alone.js';

const BASELINE = 'unobserved';

/** The bars: the ratio of CPU time per message to the unobserved reactor of the same round. */
const BARS = { ring: { high: 1.06 }, disk: { high: 1.15 }, stripped: { low: 0.98, high: 1.02 } };

const KNOWN = {
  cells: ['64x64B'],
  servers: [BASELINE, `${BASELINE}-again`, 'stripped', 'ring', 'disk'],
  defaultServers: [BASELINE, `${BASELINE}-again`, 'stripped', 'ring', 'disk'],
  parts: ['trace'],
};

/** @param {ReturnType<typeof import('./lib/options.js').parseOptions>} options Of a run of all parts: its cells and servers are those of echo. */
export async function runTrace(options, pinning, progress) {
  const folder = mkdtempSync(join(tmpdir(), 'underloop-trace-'));
  try {
    const hooks = stripObserver(folder);
    const servers = {
      [BASELINE]: reactorServer(),
      [`${BASELINE}-again`]: reactorServer(),
      stripped: reactorServer('--dist', join(folder, 'dist')),
      ring: reactorServer('--trace', 'ring'),
      disk: reactorServer('--trace', join(folder, 'echo.trace')),
    };
    const own = options.servers.every((name) => name in servers) ? options.servers : KNOWN.defaultServers;
    const asked = { ...options, cells: KNOWN.cells, servers: own };
    return { hooks, ...(await runEcho(asked, pinning, progress, servers, BASELINE)) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const traceFailed = echoFailed;

/** One line per bar: the median ratio decides, and the interval says how sure that is. */
function formatBar({ name, summary }) {
  const bar = BARS[name];
  const ratio = summary?.cpuRatio;
  if (bar === undefined || !ratio) return [];
  const { low, high } = ratio.interval ?? { low: ratio.min, high: ratio.max };
  const bounds = bar.low === undefined ? `at most ${bar.high}` : `${bar.low} to ${bar.high}`;
  // Between two equal things the whole interval must lie near 1; of a cost, the median is asked for.
  const kept = bar.low === undefined ? ratio.median <= bar.high : low >= bar.low && high <= bar.high;
  const value = bar.low === undefined ? ratio.median.toFixed(3) : `${low.toFixed(3)}-${high.toFixed(3)}`;
  return [`${name}: ${value}, wanted ${bounds}: ${kept ? 'kept' : 'NOT KEPT'}`];
}

/** @param {Awaited<ReturnType<typeof runTrace>>} trace */
export function formatTrace(trace) {
  return [
    `Trace: what an observer costs. stripped: the same code without its ${trace.hooks} hooks.`,
    formatEcho(trace),
    trace.cells.flatMap((cell) => cell.servers.flatMap(formatBar)).join('\n'),
  ].join('\n\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runAlone({
    name: 'trace',
    about: 'Measures what recording costs.',
    known: KNOWN,
    run: runTrace,
    format: formatTrace,
    failed: traceFailed,
  });
}
