// The echo benchmark: what one message costs the server in CPU time, as a ratio to a minimal C server on epoll.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runAlone } from './lib/alone.js';
import { limitProgram } from './lib/limit.js';
import { Server, runToEnd } from './lib/processes.js';
import { INTERVAL_ROUNDS_MIN, median, seededRandom, shuffled, summarise } from './lib/statistics.js';
import { formatTable } from './lib/table.js';

/** The server that every ratio is taken to, and the second instance of it whose ratio must hover at 1. */
const BASELINE = 'c-epoll';
const BASELINE_AGAIN = 'c-epoll-again';

/** Before each measured run: enough for new connections to settle, too short to tire anybody. */
const ROUND_WARMUP_MS = 100;
/** What the client may take beyond its measured time, to connect and close; it has a watchdog of its own before this. */
const CLIENT_SLACK_MS = 20_000;
/** A server that is less busy than this was not what limited the run. */
const SATURATED = 0.95;
/** A run in which server or client waited this share of the time for its own core was disturbed by something else. */
const DISTURBED = 0.05;

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const node = (script, ...args) => ({ command: [process.execPath, path(script), ...args] });
export const reactorServer = (...args) => ({
  ...node('servers/reactor.js', ...args),
  needs: { file: path('../dist/index.js'), reason: 'dist/index.js is missing: npm run build' },
});

export const SERVERS = {
  [BASELINE]: { command: [limitProgram('epoll_echo')] },
  [BASELINE_AGAIN]: { command: [limitProgram('epoll_echo')] },
  'c-epoll-edge': { command: [limitProgram('epoll_echo'), '-e'] },
  'c-epoll-deferred': { command: [limitProgram('epoll_echo'), '-d'] },
  'c-threads': { command: [limitProgram('threads_echo'), '-s', '64'] },
  reactor: reactorServer('--poller', 'epoll'),
  'reactor-turn': reactorServer('--poller', 'epoll', '--flush', 'turn'),
  'reactor-edge': reactorServer('--poller', 'epoll', '--trigger', 'edge'),
  'reactor-deferred': reactorServer('--poller', 'epoll', '--deferred'),
  'reactor-poll': reactorServer('--poller', 'poll'),
  'node-net': node('servers/node-net.js'),
};

const CELLS = {
  '64x64B': { title: '64 connections, 64 B', connections: 64, sizeBytes: 64, depth: 1, oneCore: false },
  '1000x64B': {
    title: '1,000 connections, 64 B',
    connections: 1000,
    sizeBytes: 64,
    depth: 1,
    oneCore: false,
  },
  '1x64B': {
    title: '1 connection, 64 B, both ends on one core',
    connections: 1,
    sizeBytes: 64,
    depth: 1,
    oneCore: true,
  },
  '64x16deep': {
    title: '64 connections, 16 deep, 64 B',
    connections: 64,
    sizeBytes: 64,
    depth: 16,
    oneCore: false,
  },
  '64x16KiB': {
    title: '64 connections, 16 KiB',
    connections: 64,
    sizeBytes: 16_384,
    depth: 1,
    oneCore: false,
  },
};

/** What --cells and --servers may name. */
export const ECHO_KNOWN = {
  cells: Object.keys(CELLS),
  servers: Object.keys(SERVERS),
  defaultServers: [BASELINE, BASELINE_AGAIN, 'reactor', 'node-net'],
};

/** Loads one server for one run. Throws with the reason when the run failed: a wrong byte, a dead or silent server. */
async function load(server, cell, cpu, warmupMs, durationMs) {
  if (server.failure !== null) throw new Error(server.failure);
  const { code, stdout, ending } = await runToEnd(
    [
      ...(cell.load ?? [limitProgram('client'), '--depth', cell.depth]),
      ...['--port', server.port, '--server-pid', server.pid],
      ...['--connections', cell.connections, '--size', cell.sizeBytes],
      ...['--warmup-ms', warmupMs, '--duration-ms', durationMs],
      '--json',
      '--lifeline',
    ].map(String),
    cpu,
    warmupMs + durationMs + CLIENT_SLACK_MS,
  );
  // The server's own last words explain more than what the client saw of its death.
  if (code !== 0) throw new Error(server.failure ?? `client ${ending}`);
  return JSON.parse(stdout);
}

/** One cell: all servers up at once, but only one under load at a time. */
async function runCell(name, options, pinning, random, progress) {
  const { baseline, known } = options;
  const cell = options.table[name];
  const clientCpu = cell.oneCore ? pinning.serverCpu : pinning.clientCpu;
  const entries = options.servers.map((serverName) => ({
    name: serverName,
    failure: null,
    skipped: null,
    runs: [],
    server: null,
  }));
  const attempt = async (entry, action) => {
    try {
      await action();
    } catch (error) {
      entry.failure = error.message;
      progress.line(`${cell.title}: ${entry.name} failed: ${entry.failure.split('\n')[0]}`);
    }
  };
  const able = () => entries.filter((entry) => entry.server !== null && entry.failure === null);

  try {
    for (const entry of entries) {
      const { command, needs } = known[entry.name];
      if (needs !== undefined && !existsSync(needs.file)) {
        entry.skipped = needs.reason;
        continue;
      }
      await attempt(entry, async () => {
        entry.server = await Server.start(command, pinning.serverCpu);
      });
    }
    for (const entry of options.warmupMs > 0 ? able() : []) {
      progress.step(`${cell.title}: warming ${entry.name}`);
      await attempt(entry, () => load(entry.server, cell, clientCpu, 0, options.warmupMs));
    }
    for (let round = 1; round <= options.rounds; round++) {
      for (const [place, entry] of shuffled(able(), random).entries()) {
        progress.step(`${cell.title}: round ${round} of ${options.rounds}, ${entry.name}`);
        await attempt(entry, async () => {
          const run = await load(entry.server, cell, clientCpu, ROUND_WARMUP_MS, options.durationMs);
          // Nothing at all was served: the machine was busy with something else, and no figure can be made of it.
          if (run.messages > 0) entry.runs.push({ round, place, ...run });
        });
      }
    }
  } finally {
    await Promise.all(entries.map((entry) => entry.server?.stop()));
  }
  const baselineRuns = entries.find((entry) => entry.name === baseline).runs;
  return {
    name,
    ...cell,
    servers: entries.map(({ server: _server, ...entry }) => ({
      ...entry,
      summary: summariseRuns(entry.runs, baselineRuns, cell),
    })),
  };
}

/** Only runs of the same round are compared: the core's speed drifts over minutes by more than servers differ. */
function summariseRuns(runs, baselineRuns, cell) {
  if (runs.length === 0) return null;
  const baselineOf = new Map(baselineRuns.map((run) => [run.round, run.serverCpuNsPerMessage]));
  const ratios = runs
    .filter((run) => baselineOf.has(run.round))
    .map((run) => run.serverCpuNsPerMessage / baselineOf.get(run.round));
  const of = (figure) => median(runs.map((run) => run[figure]));
  const serverBusy = of('serverBusy');
  const clientBusy = of('clientBusy');
  return {
    cpuRatio: ratios.length === 0 ? null : summarise(ratios),
    serverCpuUsPerMessage: of('serverCpuNsPerMessage') / 1000,
    clientCpuUsPerMessage: of('clientCpuNsPerMessage') / 1000,
    messagesPerSecond: of('messagesPerSecond'),
    serverBusy,
    clientBusy,
    limitedBy: limitOf(serverBusy, clientBusy, cell),
  };
}

function limitOf(serverBusy, clientBusy, cell) {
  if (cell.oneCore) return 'shared core';
  if (serverBusy >= SATURATED) return 'server';
  return clientBusy >= SATURATED ? 'client' : 'neither';
}

/**
 * Runs the cells of `table` that `options` name, with servers of the table `known`; ratios are to `baseline`. A cell may
 * name another program that loads the servers, which takes the client's options.
 * @param {ReturnType<typeof import('./lib/options.js').parseOptions>} options
 * @param {ReturnType<typeof import('./lib/processes.js').choosePinning>} pinning
 * @param {import('./lib/progress.js').Progress} progress
 */
export async function runEcho(
  options,
  pinning,
  progress,
  known = SERVERS,
  baseline = BASELINE,
  table = CELLS,
) {
  const servers = options.servers.includes(baseline) ? options.servers : [baseline, ...options.servers];
  const random = seededRandom(options.seed);
  const cells = [];
  for (const [index, name] of options.cells.entries()) {
    progress.line(`cell ${index + 1} of ${options.cells.length}: ${table[name].title}`);
    cells.push(
      await runCell(name, { ...options, servers, known, baseline, table }, pinning, random, progress),
    );
  }
  progress.clear();
  const { rounds, durationMs, warmupMs, seed } = options;
  return { rounds, durationMs, warmupMs, roundWarmupMs: ROUND_WARMUP_MS, seed, baseline, cells };
}

/** Whether a server failed; one that was skipped did not. @param {Awaited<ReturnType<typeof runEcho>>} echo */
export const echoFailed = (echo) =>
  echo.cells.some((cell) => cell.servers.some((server) => server.failure !== null));

const percent = (share) => `${(share * 100).toFixed(0)}%`;
const ratioText = (ratio) => ratio.toFixed(3);

function formatServer({ name, summary }, baseline) {
  if (summary === null) return [name, '-', '-', '-', '-', '-', '-', '-', '-'];
  const { cpuRatio } = summary;
  const interval = cpuRatio?.interval;
  const compared =
    name === baseline || cpuRatio === null
      ? [name === baseline ? '1' : '-', '-', '-']
      : [
          ratioText(cpuRatio.median),
          interval ? `${ratioText(interval.low)}-${ratioText(interval.high)}` : '-',
          `${ratioText(cpuRatio.min)}-${ratioText(cpuRatio.max)}`,
        ];
  return [
    name,
    ...compared,
    summary.serverCpuUsPerMessage.toFixed(summary.serverCpuUsPerMessage < 1 ? 3 : 2),
    (summary.messagesPerSecond / 1000).toFixed(1),
    percent(summary.serverBusy),
    percent(summary.clientBusy),
    summary.limitedBy,
  ];
}

/** What the A/A pair says about this cell: how small a difference may still be noise. */
function formatAgainstItself(cell, baseline) {
  const ratio = cell.servers.find((server) => server.name === `${baseline}-again`)?.summary?.cpuRatio;
  if (!ratio) return [];
  const { low, high } = ratio.interval ?? { low: ratio.min, high: ratio.max };
  const noise = Math.max(Math.abs(low - 1), Math.abs(high - 1));
  const bounds = `${ratioText(low)}-${ratioText(high)}`;
  const what = ratio.interval ? '95% interval' : 'range';
  return low <= 1 && high >= 1
    ? [`A/A: the baseline against itself, ${what} ${bounds}: differences below ${percent(noise)} are noise.`]
    : [
        `A/A is off: the baseline against itself, ${what} ${bounds}, does not hold 1: trust no difference below ${percent(noise)}.`,
      ];
}

/** On cores of their own, server and client should wait for nobody; on a shared one they wait for each other. */
function formatDisturbance(cell) {
  if (cell.oneCore) return [];
  const runs = cell.servers.flatMap((server) => server.runs);
  const disturbed = runs.filter((run) => Math.max(run.serverDelayed, run.clientDelayed) > DISTURBED).length;
  if (disturbed === 0) return [];
  return [
    `Disturbed: in ${disturbed} of ${runs.length} runs something else held a core for over ${percent(DISTURBED)} of the time.`,
  ];
}

function formatCell(cell, baseline) {
  const unit = cell.unit ?? 'msg';
  const heading = [
    'server',
    'CPU ratio',
    '95% interval',
    'range',
    `CPU us/${unit}`,
    `k ${unit}/s`,
    'server',
    'client',
    'limited by',
  ];
  const lines = [
    cell.title,
    formatTable([heading, ...cell.servers.map((server) => formatServer(server, baseline))]),
  ];
  for (const { name, failure, skipped, runs } of cell.servers) {
    if (failure !== null) lines.push(`${name} FAILED after ${runs.length} rounds: ${failure}`);
    if (skipped !== null) lines.push(`${name} was skipped: ${skipped}`);
  }
  return [...lines, ...formatAgainstItself(cell, baseline), ...formatDisturbance(cell)].join('\n');
}

/** @param {Awaited<ReturnType<typeof runEcho>>} echo */
export function formatEcho(echo, what = 'Echo: server CPU time per message') {
  const clientBound = echo.cells.some((cell) =>
    cell.servers.some(({ summary }) => summary?.limitedBy === 'client'),
  );
  return [
    `${what}, as a ratio to ${echo.baseline} in the same round; medians of ${echo.rounds} rounds ` +
      `of ${echo.durationMs} ms, order shuffled with seed ${echo.seed}. Every reply was verified.`,
    ...echo.cells.map((cell) => formatCell(cell, echo.baseline)),
    ...(echo.rounds < INTERVAL_ROUNDS_MIN
      ? [`Fewer than ${INTERVAL_ROUNDS_MIN} rounds: the range is shown, and no 95% interval can be.`]
      : []),
    ...(clientBound
      ? [
          'Limited by client: the load could not fill the server, so messages/s understates it; CPU per message stands.',
        ]
      : []),
  ].join('\n\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runAlone({
    name: 'echo',
    about: 'Measures echo servers against a minimal C server on epoll.',
    known: { ...ECHO_KNOWN, parts: ['echo'] },
    run: runEcho,
    format: formatEcho,
    failed: echoFailed,
  });
}
