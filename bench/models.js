// The models against C: `threads` beside a plain C server of the same frames, and the load generator beside the C client.

import { fileURLToPath } from 'node:url';
import { limitProgram } from './lib/limit.js';
import { Server, runToEnd } from './lib/processes.js';
import { median, seededRandom, shuffled, summarise } from './lib/statistics.js';
import { formatTable } from './lib/table.js';

/** Before each measured run: new connections settle. */
const ROUND_WARMUP_MS = 200;
/** Ours is compiled while it runs: it is given time to be so, in every run, for each run is a new process. */
const GENERATOR_WARMUP_MS = 2000;
const SLACK_MS = 20_000;
const PAYLOAD_BYTES = 64;

const dist = (path) => fileURLToPath(new URL(`../dist/${path}`, import.meta.url));
const model = (name) => [process.execPath, dist('models/serve.js'), '--model', name];

const C_THREADS = 'c-threads';
const SERVERS = {
  [C_THREADS]: [limitProgram('threads_frames')],
  'c-threads-again': [limitProgram('threads_frames')],
  threads: model('threads'),
};

const C_CLIENT = 'c-client';
const GENERATOR_CELLS = [
  { title: '64 connections', connections: 64, depth: 1 },
  { title: '64 connections, 16 deep', connections: 64, depth: 16 },
  { title: '1,000 connections', connections: 1000, depth: 1 },
];

async function cClient(server, { connections, depth }, cpu, warmupMs, durationMs) {
  const numbers = { port: server.port, 'server-pid': server.pid, connections, depth, size: PAYLOAD_BYTES };
  const args = Object.entries({ ...numbers, 'warmup-ms': warmupMs, 'duration-ms': durationMs });
  const command = [limitProgram('client'), '--frames', '--json', '--lifeline'];
  const { code, stdout, ending } = await runToEnd(
    [...command, ...args.flatMap(([name, value]) => [`--${name}`, String(value)])],
    cpu,
    warmupMs + durationMs + SLACK_MS,
  );
  if (code !== 0) throw new Error(server.failure ?? `client ${ending}`);
  const run = JSON.parse(stdout);
  return {
    perSecond: run.messagesPerSecond,
    clientCpuNs: run.clientCpuNsPerMessage,
    serverCpuNs: run.serverCpuNsPerMessage,
    clientBusy: run.clientBusy,
  };
}

async function generator(server, { connections, depth }, cpu, durationMs) {
  const config = { port: server.port, mode: 'closed', connections, depth, payloadBytes: PAYLOAD_BYTES };
  const text = JSON.stringify({ ...config, warmUpMs: GENERATOR_WARMUP_MS, durationMs });
  const { code, stdout, ending } = await runToEnd(
    [process.execPath, dist('load/generate.js'), '--config', text],
    cpu,
    GENERATOR_WARMUP_MS + durationMs + SLACK_MS,
  );
  if (code !== 0) throw new Error(server.failure ?? `generator ${ending}`);
  const result = JSON.parse(stdout.trim().split('\n').at(-1));
  const { mismatches, timedOut } = result.requests;
  if (mismatches + timedOut > 0) throw new Error(`${mismatches} wrong replies, ${timedOut} timed out`);
  return {
    perSecond: result.repliesPerSecond,
    clientCpuNs: result.self.cpuUsPerReply * 1000,
    serverCpuNs: Number.NaN,
    clientBusy: result.self.cpuShare,
  };
}

/** Rounds of all contestants in shuffled order; each gives one run, or the reason why not. */
async function rounds(names, options, random, progress, title, run) {
  const runs = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 1; round <= options.rounds; round++) {
    for (const name of shuffled(names, random)) {
      progress.step(`${title}: round ${round} of ${options.rounds}, ${name}`);
      runs[name].push(await run(name));
    }
  }
  progress.clear();
  return runs;
}

function ratios(runs, baseline, figure) {
  return Object.entries(runs).map(([name, own]) => ({
    name,
    own: median(own.map((run) => run[figure])),
    clientBusy: median(own.map((run) => run.clientBusy)),
    ratio:
      name === baseline ? null : summarise(own.map((run, at) => run[figure] / runs[baseline][at][figure])),
  }));
}

/**
 * @param {import('./lib/options.js').parseOptions extends (...args: never[]) => infer R ? R : never} options
 * @param {import('./lib/processes.js').choosePinning extends () => infer R ? R : never} pinning
 */
export async function runModels(options, pinning, progress) {
  const random = seededRandom(options.seed);
  const { serverCpu, clientCpu } = pinning;
  const cell = { connections: 64, depth: 1 };
  const servers = {};
  try {
    for (const [name, command] of Object.entries(SERVERS)) {
      servers[name] = await Server.start(command, serverCpu);
      await cClient(servers[name], cell, clientCpu, 0, options.warmupMs);
    }
    const names = Object.keys(SERVERS);
    const threads = await rounds(names, options, random, progress, 'threads', (name) =>
      cClient(servers[name], cell, clientCpu, ROUND_WARMUP_MS, options.durationMs),
    );
    const server = (servers['epoll'] = await Server.start(model('epoll'), serverCpu));
    await cClient(server, cell, clientCpu, 0, options.warmupMs);
    const clients = [];
    for (const of of GENERATOR_CELLS) {
      const runs = await rounds([C_CLIENT, 'generator'], options, random, progress, of.title, (name) =>
        name === C_CLIENT
          ? cClient(server, of, clientCpu, ROUND_WARMUP_MS, options.durationMs)
          : generator(server, of, clientCpu, options.durationMs),
      );
      clients.push({ ...of, runs });
    }
    return { rounds: options.rounds, durationMs: options.durationMs, seed: options.seed, threads, clients };
  } finally {
    await Promise.all(Object.values(servers).map((server) => server.stop()));
  }
}

/** A run that fails throws: there is no report of half of it. */
export const modelsFailed = () => false;

const percent = (share) => `${(share * 100).toFixed(0)}%`;

function row({ name, own, ratio, clientBusy }, digits) {
  const { median: middle = 1, interval = null, min, max } = ratio ?? {};
  const bounds =
    ratio === null ? '' : interval ? `[${interval.low.toFixed(3)}, ${interval.high.toFixed(3)}]` : '';
  const range = ratio === null ? '' : `${min.toFixed(3)}-${max.toFixed(3)}`;
  return [
    name,
    own.toFixed(digits),
    ratio === null ? '1' : middle.toFixed(3),
    bounds,
    range,
    percent(clientBusy),
  ];
}

/** @param {Awaited<ReturnType<typeof runModels>>} report */
export function formatModels({ rounds: count, durationMs, threads, clients }) {
  const table = (figure, rows, digits) =>
    formatTable([
      ['', figure, 'ratio', '95% interval', 'range', 'client busy'],
      ...rows.map((one) => row(one, digits)),
    ]);
  const scaled = (runs, figure, scale) =>
    Object.fromEntries(
      Object.entries(runs).map(([name, list]) => [
        name,
        list.map((run) => ({ ...run, [figure]: run[figure] * scale })),
      ]),
    );
  const texts = [
    `Models: ${count} interleaved rounds of ${durationMs} ms, frames with ${PAYLOAD_BYTES} bytes of payload.`,
    `threads beside a plain C server with a thread per connection, 64 connections: thousand requests per second\n` +
      table('k/s', ratios(scaled(threads, 'perSecond', 1e-3), C_THREADS, 'perSecond'), 1),
    `the same: server CPU\n` +
      table('us/request', ratios(scaled(threads, 'serverCpuNs', 1e-3), C_THREADS, 'serverCpuNs'), 2),
    ...clients.map(
      ({ title, runs }) =>
        `load generator beside the C client, ${title}: client CPU\n` +
        table('us/request', ratios(scaled(runs, 'clientCpuNs', 1e-3), C_CLIENT, 'clientCpuNs'), 2),
    ),
  ];
  return texts.join('\n\n');
}
