// Several loops on one port, ours beside C's: what a message costs the servers with two loops on two cores, as a ratio to one.

import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runAlone } from './lib/alone.js';
import { limitProgram } from './lib/limit.js';
import { Server, runToEnd } from './lib/processes.js';
import { INTERVAL_ROUNDS_MIN, median, seededRandom, shuffled, summarise } from './lib/statistics.js';
import { formatTable } from './lib/table.js';

/** Per client and loop. Many, for the kernel deals connections to the loops by chance. */
const CONNECTIONS = 128;
const PAYLOAD_BYTES = 64;
/** Until the window: the clients start and connect, and new connections settle. */
const ROUND_WARMUP_MS = 400;
const SLACK_MS = 20_000;
/** Before the rounds each loop answers so many, so that what is compiled while it runs has been; or it had so many windows. */
const WARMUP_MESSAGES = 50_000;
const WARMUPS_MAX = 5;
/** The bar: how far our factor may stay behind that of C in the same round. */
const BAR = 0.9;

const model = (name) => (loops) => [
  process.execPath,
  fileURLToPath(new URL('../dist/models/serve.js', import.meta.url)),
  ...['--model', name, '--threads', String(loops)],
];
const cLoops = (loops) => [limitProgram('reuseport_frames'), '-n', String(loops)];
const cProcesses = (loops) => [...cLoops(loops), '-f'];

const BASELINE = 'c-reuseport';
const CONTESTANTS = {
  [BASELINE]: cLoops,
  'c-reuseport-again': cLoops,
  reactors: model('reactors'),
  'c-processes': cProcesses,
  'reactor-processes': model('reactor-processes'),
};
/** Whom a contestant is held against: loops in processes change address spaces where they take turns on a core. */
const LIMIT_OF = { 'reactor-processes': 'c-processes' };
const limitOf = (name) => LIMIT_OF[name] ?? BASELINE;

/** A process and its children: the members of `reactor-processes` are some. */
function family(pid) {
  const children = readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid;
    } catch {
      return false; // it has ended
    }
  });
  return [pid, ...children.map(Number)];
}

/** CPU time of each thread of these processes, in ns. */
function threadTimes(pids) {
  const times = new Map();
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      try {
        const schedstat = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8');
        times.set(`${pid}/${thread}`, Number(schedstat.split(' ')[0]));
      } catch {
        // It has ended.
      }
    }
  }
  return times;
}

/** The share of the busiest thread in what the `loops` busiest did: 1 / loops when all did the same. */
function busiestShare(before, after, loops) {
  const used = [...after].map(([thread, ns]) => ns - (before.get(thread) ?? 0)).sort((a, b) => b - a);
  const total = used.slice(0, loops).reduce((sum, ns) => sum + ns, 0);
  return total > 0 ? used[0] / total : Number.NaN;
}

async function client(server, pids, cores, measureAtNs, durationMs) {
  const options = { port: server.port, connections: CONNECTIONS, size: PAYLOAD_BYTES };
  const args = Object.entries({ ...options, 'measure-at': measureAtNs, 'duration-ms': durationMs });
  const { code, stdout, ending } = await runToEnd(
    [
      ...[limitProgram('client'), '--frames', '--json', '--lifeline'],
      ...args.flatMap(([name, value]) => [`--${name}`, String(value)]),
      ...pids.flatMap((pid) => ['--server-pid', String(pid)]),
    ],
    cores,
    durationMs + SLACK_MS,
  );
  if (code !== 0) throw new Error(server.failure ?? `client ${ending}`);
  return JSON.parse(stdout);
}

/** As many clients as there are loops, on the same cores, over one and the same window. */
async function load({ server, pids, loops, cores }, durationMs) {
  const before = threadTimes(pids);
  const measureAtNs = process.hrtime.bigint() + BigInt(ROUND_WARMUP_MS) * 1_000_000n;
  const runs = await Promise.all(
    Array.from({ length: loops }, () => client(server, pids, cores, measureAtNs, durationMs)),
  );
  const sum = (figure) => runs.reduce((total, run) => total + run[figure], 0);
  const messages = sum('messages');
  // Each client reads the same clocks of the servers, and its own.
  const serverNs = sum('serverCpuNs') / loops;
  const clientNs = sum('clientCpuNs');
  const windowNs = (sum('seconds') / loops) * 1e9;
  return {
    messages,
    perSecond: sum('messagesPerSecond'),
    serverCpuNs: serverNs / messages,
    clientCpuNs: clientNs / messages,
    coresUsed: (serverNs + clientNs) / windowNs,
    busiestShare: busiestShare(before, threadTimes(pids), loops),
  };
}

/** One loop on either core, and two loops on both: each a server of its own. */
async function startServers(command, [first, second], warmupMs) {
  const servers = [];
  const places = [
    { loops: 1, cores: String(first) },
    { loops: 1, cores: String(second) },
    { loops: 2, cores: `${first},${second}` },
  ];
  for (const place of places) {
    const server = await Server.start(command(place.loops), place.cores);
    servers.push({ ...place, server, pids: family(server.pid) });
    let messages = 0;
    for (let i = 0; warmupMs > 0 && i < WARMUPS_MAX && messages < WARMUP_MESSAGES * place.loops; i++) {
      messages += (await load(servers.at(-1), warmupMs)).messages;
    }
  }
  return servers;
}

/** What a round says of one contestant. One loop is the mean of the two cores: they need not be equally fast. */
function scalingOf(runs) {
  const one = runs.filter(({ loops }) => loops === 1);
  const two = runs.find(({ loops }) => loops === 2);
  const mean = (figure) => one.reduce((total, run) => total + run[figure], 0) / one.length;
  return {
    one: Object.fromEntries(Object.keys(two).map((figure) => [figure, mean(figure)])),
    two,
    factor: (2 * mean('serverCpuNs')) / two.serverCpuNs,
    throughputFactor: two.perSecond / mean('perSecond'),
  };
}

/**
 * @param {ReturnType<typeof import('./lib/options.js').parseOptions>} options
 * @param {ReturnType<typeof import('./lib/processes.js').choosePinning>} pinning
 */
export async function runReactors(options, pinning, progress) {
  if (pinning.reason !== null) return { skipped: pinning.reason };
  const random = seededRandom(options.seed);
  const names = Object.keys(CONTESTANTS);
  const contestants = [];
  try {
    for (const name of names) {
      progress.step(`reactors: warming ${name}`);
      const cores = [pinning.serverCpu, pinning.clientCpu];
      contestants.push(
        ...(await startServers(CONTESTANTS[name], cores, options.warmupMs)).map((of) => ({ name, ...of })),
      );
    }
    const rounds = [];
    for (let round = 1; round <= options.rounds; round++) {
      const runs = Object.fromEntries(names.map((name) => [name, []]));
      for (const contestant of shuffled(contestants, random)) {
        const { name, loops, cores } = contestant;
        progress.step(`reactors: round ${round} of ${options.rounds}, ${name}, loops: ${loops}`);
        runs[name].push({ loops, cores, ...(await load(contestant, options.durationMs)) });
      }
      rounds.push(
        Object.fromEntries(names.map((name) => [name, { runs: runs[name], ...scalingOf(runs[name]) }])),
      );
    }
    progress.clear();
    return { seed: options.seed, durationMs: options.durationMs, rounds };
  } finally {
    await Promise.all(contestants.map(({ server }) => server.stop()));
  }
}

/** A run that fails throws: there is no report of half of it. */
export const reactorsFailed = () => false;

const percent = (share) => `${(share * 100).toFixed(0)}%`;

/** Our factor by C's, both of the same round. */
const beside = (rounds, name, figure) =>
  summarise(rounds.map((round) => round[name][figure] / round[limitOf(name)][figure]));

function ratioText({ median: middle, interval, min, max }) {
  const bounds = interval
    ? `[${interval.low.toFixed(3)}, ${interval.high.toFixed(3)}]`
    : `${min.toFixed(3)}-${max.toFixed(3)}`;
  return `${middle.toFixed(3)} ${bounds}`;
}

/** @param {Awaited<ReturnType<typeof runReactors>>} report */
export function formatReactors(report) {
  if (report.skipped !== undefined) return `Loops on one port were not measured: ${report.skipped}`;
  const { rounds, durationMs, seed } = report;
  const names = Object.keys(rounds[0]);
  const of = (name, get) => median(rounds.map((round) => get(round[name])));
  const rows = names.map((name) => [
    name,
    ...['one', 'two'].flatMap((place) => [
      (of(name, (one) => one[place].serverCpuNs) / 1000).toFixed(2),
      (of(name, (one) => one[place].clientCpuNs) / 1000).toFixed(2),
      (of(name, (one) => one[place].perSecond) / 1000).toFixed(1),
      percent(of(name, (one) => one[place].coresUsed) / (place === 'one' ? 1 : 2)),
    ]),
    percent(of(name, (one) => one.two.busiestShare)),
  ]);
  const factors = names.map((name) => [
    name,
    of(name, (one) => one.factor).toFixed(3),
    name === BASELINE ? '1' : ratioText(beside(rounds, name, 'factor')),
    of(name, (one) => one.throughputFactor).toFixed(3),
    name === BASELINE ? '1' : ratioText(beside(rounds, name, 'throughputFactor')),
  ]);
  const verdicts = ['reactors', 'reactor-processes'].map((name) => {
    const middle = beside(rounds, name, 'factor').median;
    return `${name}: its factor is ${middle.toFixed(3)} of C's, wanted at least ${BAR}: ${middle >= BAR ? 'kept' : 'NOT KEPT'}`;
  });
  return [
    `Loops on one port (SO_REUSEPORT): ${rounds.length} rounds of ${durationMs} ms, order shuffled with seed ${seed}; ` +
      `${CONNECTIONS} connections for each loop, frames with ${PAYLOAD_BYTES} bytes of payload. Every reply was verified.`,
    `1: a loop and a client on one core, the mean of both cores. 2: two loops and two clients on two cores.\n` +
      formatTable([
        [
          '',
          '1: server us',
          'client us',
          'k/s',
          'core used',
          '2: server us',
          'client us',
          'k/s',
          'cores used',
          'busier loop',
        ],
        ...rows,
      ]),
    `From one to two. Factor: 2 x server CPU per message with one loop / with two. Of throughput: what was measured, clients in it.\n` +
      formatTable([['', 'factor', "by C's", 'of throughput', "by C's"], ...factors]),
    ...(rounds.length < INTERVAL_ROUNDS_MIN
      ? [`Fewer than ${INTERVAL_ROUNDS_MIN} rounds: ranges are shown, and no 95% interval can be.`]
      : []),
    verdicts.join('\n'),
  ].join('\n\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const none = { cells: [], servers: [], defaultServers: [] };
  await runAlone({
    name: 'reactors',
    about: 'Measures loops on one port, ours and those in C, with one loop and with two.',
    known: { ...none, parts: ['reactors'] },
    run: runReactors,
    format: formatReactors,
    failed: reactorsFailed,
  });
}
