// What being watched costs: the echo server with a recorder in memory, with one on disk, and without the hooks altogether.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripObserver } from '../scripts/strip-observer.js';
import { echoFailed, formatEcho, reactorServer, runEcho } from './echo.js';
import { describeEnvironment, formatEnvironment } from './lib/environment.js';
import { buildLimits } from './lib/limit.js';
import { UsageError, formatHelp, parseOptions } from './lib/options.js';
import { choosePinning } from './lib/processes.js';
import { Progress } from './lib/progress.js';

const BASELINE = 'unobserved';

/** The bars: the ratio of CPU time per message to the unobserved reactor of the same round. */
const BARS = { ring: { high: 1.06 }, disk: { high: 1.15 }, stripped: { low: 0.98, high: 1.02 } };

const KNOWN = {
  cells: ['64x64B'],
  servers: [BASELINE, `${BASELINE}-again`, 'stripped', 'ring', 'disk'],
  defaultServers: [BASELINE, `${BASELINE}-again`, 'stripped', 'ring', 'disk'],
  parts: ['trace'],
};

/** @param {ReturnType<typeof parseOptions>} options Of a run of all parts: its cells and servers are those of echo. */
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

async function main() {
  const options = parseOptions(process.argv.slice(2), KNOWN);
  if (options.help) {
    process.stdout.write(formatHelp('node bench/trace.js', 'Measures what recording costs.', KNOWN));
    return;
  }
  buildLimits();
  const pinning = choosePinning();
  const environment = describeEnvironment(pinning);
  const trace = await runTrace(options, pinning, new Progress());
  console.log(`${formatEnvironment(environment)}\n\n${formatTrace(trace)}`);
  if (options.jsonFile !== null)
    writeFileSync(options.jsonFile, `${JSON.stringify({ environment, trace }, null, 1)}\n`);
  if (traceFailed(trace)) process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main().catch((error) => {
    console.error(error instanceof UsageError ? error.message : error);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  });
}
