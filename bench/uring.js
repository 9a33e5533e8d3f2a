// Completions beside readiness: our server on io_uring as a ratio to our reactor on epoll, with a C server of each.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { echoFailed, formatEcho, reactorServer, runEcho } from './echo.js';
import { limitProgram } from './lib/limit.js';

const BASELINE = 'reactor';
/** The bar: CPU time per message at 64 connections, as a ratio to our reactor in the same round. */
const BAR = { cell: '64x64B', server: 'uring', high: 0.95 };

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const uringServer = (...args) => ({
  ...reactorServer(),
  command: [process.execPath, path('servers/uring.js'), ...args],
});

const SERVERS = {
  [BASELINE]: reactorServer('--poller', 'epoll'),
  'reactor-again': reactorServer('--poller', 'epoll'),
  'reactor-turn': reactorServer('--poller', 'epoll', '--flush', 'turn'),
  uring: uringServer(),
  'uring-single': uringServer('--multishot', 'no'),
  'uring-coop': uringServer('--deferred', 'no'),
  'c-epoll': { command: [limitProgram('epoll_echo')] },
  'c-uring': { command: [limitProgram('uring_echo')] },
};
const DEFAULT = [BASELINE, 'reactor-again', 'uring', 'c-epoll', 'c-uring'];

/** Why there is nothing to measure, or null. */
async function missing() {
  if (!existsSync(path('../dist/uring/index.js'))) return 'dist/uring/index.js is missing: npm run build';
  const { unavailable } = await import('../dist/uring/index.js');
  return unavailable();
}

export const URING_SERVERS = Object.keys(SERVERS);

export async function runUring(options, pinning, progress) {
  const reason = await missing();
  if (reason !== null) return { skipped: reason };
  const asked = options.servers.some((name) => name.startsWith('uring'));
  const servers = asked ? options.servers.filter((name) => name in SERVERS) : DEFAULT;
  return runEcho({ ...options, servers }, pinning, progress, SERVERS, BASELINE);
}

export const uringFailed = (result) => result.skipped === undefined && echoFailed(result);

export function formatUring(result) {
  if (result.skipped !== undefined) return `Completions were not measured: ${result.skipped}`;
  const cell = result.cells.find(({ name }) => name === BAR.cell);
  const ratio = cell?.servers.find(({ name }) => name === BAR.server)?.summary?.cpuRatio?.median;
  const verdict =
    ratio === undefined
      ? []
      : [
          `uring: ${ratio.toFixed(3)} of the reactor, wanted at most ${BAR.high}: ${ratio <= BAR.high ? 'kept' : 'NOT KEPT'}`,
        ];
  return [formatEcho(result).replace(/^Echo:/, 'Completions:'), ...verdict].join('\n');
}
