// Connect, one echo, close: what a short connection costs the server in CPU time, beside C on epoll and node:net.

import { fileURLToPath } from 'node:url';
import { SERVERS, echoFailed, formatEcho, runEcho } from './echo.js';
import { limitProgram } from './lib/limit.js';
import { runAlone } from './lib/alone.js';
import { summarise } from './lib/statistics.js';

/** The bar: node:net's CPU time per connection over ours, in the same round. */
const BAR = 1.7;

const churn = (title, ...args) => ({
  title,
  connections: 64,
  sizeBytes: 64,
  oneCore: false,
  unit: 'conn',
  load: [limitProgram('churn'), ...args],
});
const CELLS = {
  'churn-fin': churn('64 connections at a time, 64 B, closed by the client (FIN)'),
  'churn-reset': churn('64 connections at a time, 64 B, reset by the client (RST)', '--reset'),
};

const SERVER_NAMES = [
  'c-epoll',
  'c-epoll-again',
  'c-epoll-deferred',
  'reactor',
  'reactor-deferred',
  'node-net',
];
/** Ours: as it comes, and with `deferAcceptS`. */
const OURS = ['reactor', 'reactor-deferred'];
const KNOWN = {
  cells: Object.keys(CELLS),
  servers: Object.keys(SERVERS),
  defaultServers: SERVER_NAMES,
  parts: ['churn'],
};

/** How many times less CPU ours takes than node:net, round by round; null when one of them was not measured. */
function advantage(cell, name) {
  const runsOf = (name) => cell.servers.find((server) => server.name === name)?.runs ?? [];
  const ours = new Map(runsOf(name).map((run) => [run.round, run.serverCpuNsPerMessage]));
  const ratios = runsOf('node-net')
    .filter(({ round }) => ours.has(round))
    .map(({ round, serverCpuNsPerMessage }) => serverCpuNsPerMessage / ours.get(round));
  return ratios.length === 0 ? null : summarise(ratios);
}

/** @param {ReturnType<typeof import('./lib/options.js').parseOptions>} options Those of a run of all parts name cells of echo. */
export async function runChurn(options, pinning, progress) {
  const cells = options.cells.every((name) => name in CELLS) ? options.cells : KNOWN.cells;
  const asked = { ...options, cells };
  const result = await runEcho(asked, pinning, progress, SERVERS, 'c-epoll', CELLS);
  for (const cell of result.cells)
    cell.advantages = Object.fromEntries(OURS.map((name) => [name, advantage(cell, name)]));
  return result;
}

export const churnFailed = echoFailed;

function formatAdvantage(title, name, ratio) {
  if (ratio === null) return [];
  const { low, high } = ratio.interval ?? { low: ratio.min, high: ratio.max };
  const bounds = `${ratio.interval ? '95% interval' : 'range'} ${low.toFixed(2)}-${high.toFixed(2)}`;
  const kept = ratio.median >= BAR ? 'kept' : 'NOT KEPT';
  return [
    `${title}: node:net takes ${ratio.median.toFixed(2)} times the CPU of ${name} (${bounds}), wanted at least ${BAR}: ${kept}`,
  ];
}

/** @param {Awaited<ReturnType<typeof runChurn>>} churned */
export function formatChurn(churned) {
  return [
    formatEcho(churned, 'Connect, one echo, close: server CPU time per connection'),
    churned.cells
      .flatMap(({ title, advantages }) =>
        OURS.flatMap((name) => formatAdvantage(title, name, advantages[name])),
      )
      .join('\n'),
  ].join('\n\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runAlone({
    name: 'churn',
    about: 'Measures what connections of one message each cost a server.',
    known: KNOWN,
    run: runChurn,
    format: formatChurn,
    failed: churnFailed,
  });
}
