// node:http over the bridge, beside node:http on node:net: requests per second and CPU time per request.

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Server, runToEnd } from './lib/processes.js';
import { median, medianInterval, seededRandom, shuffled } from './lib/statistics.js';
import { formatTable } from './lib/table.js';

const CONNECTIONS = 1000;
/** Whole seconds: autocannon counts so. */
const ROUND_S = { http: 2, https: 5 }; // the rounds of https begin with as many handshakes as there are connections
const WARMUP_S = 3;
const KINDS = ['node', 'bridge'];
const SCHEMES = ['http', 'https'];
/** What throughput of the bridge must be, as a share of node:net's. */
const RATIO_MIN = 0.75;

const program = fileURLToPath(new URL('servers/http-hello.js', import.meta.url));
const autocannon = createRequire(import.meta.url).resolve('autocannon');

async function load(scheme, port, seconds, cpu) {
  const url = `${scheme}://127.0.0.1:${port}/`;
  const command = [
    process.execPath,
    '--no-warnings',
    autocannon,
    '--json',
    '-c',
    String(CONNECTIONS),
    '-d',
    String(seconds),
    url,
  ];
  const { code, stdout, ending } = await runToEnd(command, cpu, (seconds + 30) * 1000);
  if (code !== 0) throw new Error(`autocannon ${ending}`);
  const result = JSON.parse(stdout);
  return {
    requests: result['2xx'],
    errors: result.errors + result.timeouts + result.non2xx,
    perSecond: result['2xx'] / result.duration,
  };
}

async function measure(scheme, rounds, random, pinning, progress) {
  const servers = {};
  const runs = { node: [], bridge: [] };
  try {
    for (const kind of KINDS) {
      servers[kind] = await Server.start([process.execPath, program, kind, scheme], pinning.serverCpu);
      await load(scheme, servers[kind].port, WARMUP_S, pinning.clientCpu);
    }
    for (let round = 1; round <= rounds; round++) {
      for (const kind of shuffled(KINDS, random)) {
        progress.step(`${scheme}: round ${round} of ${rounds}, ${kind}`);
        const before = Number(await servers[kind].ask('cpu', 10_000));
        const run = await load(scheme, servers[kind].port, ROUND_S[scheme], pinning.clientCpu);
        const cpuUs = Number(await servers[kind].ask('cpu', 10_000)) - before;
        runs[kind].push({ ...run, cpuUsPerRequest: cpuUs / run.requests });
      }
    }
  } finally {
    for (const server of Object.values(servers)) await server.stop();
  }
  const ratios = runs.node.map((run, i) => runs.bridge[i].perSecond / run.perSecond);
  const cpuRatios = runs.node.map((run, i) => runs.bridge[i].cpuUsPerRequest / run.cpuUsPerRequest);
  return { scheme, rounds, runs, ratios, cpuRatios };
}

export async function runHttp(options, pinning, progress) {
  const random = seededRandom(options.seed);
  const cells = [];
  for (const scheme of SCHEMES) {
    progress.line(
      `http: ${scheme}, ${options.rounds} rounds of ${ROUND_S[scheme]} s for each of ${KINDS.join(' and ')}`,
    );
    cells.push(await measure(scheme, options.rounds, random, pinning, progress));
  }
  return { connections: CONNECTIONS, cells };
}

const errorsOf = ({ runs }) => [...runs.node, ...runs.bridge].reduce((sum, { errors }) => sum + errors, 0);

export function httpFailed(result) {
  return result.cells.some((cell) => errorsOf(cell) > 0 || median(cell.ratios) < RATIO_MIN);
}

export function formatHttp(result) {
  const rows = [
    [
      '',
      'node:net req/s',
      'bridge req/s',
      'ratio',
      'interval',
      'node:net CPU us',
      'bridge CPU us',
      'ratio',
      'errors',
    ],
  ];
  for (const cell of result.cells) {
    const { runs, ratios, cpuRatios } = cell;
    const perSecond = (kind) => median(runs[kind].map((run) => run.perSecond)).toFixed(0);
    const cpuUs = (kind) => median(runs[kind].map((run) => run.cpuUsPerRequest)).toFixed(1);
    const interval = medianInterval(ratios);
    rows.push([
      cell.scheme,
      perSecond('node'),
      perSecond('bridge'),
      median(ratios).toFixed(2),
      interval === null ? 'too few' : `${interval.low.toFixed(2)}-${interval.high.toFixed(2)}`,
      cpuUs('node'),
      cpuUs('bridge'),
      median(cpuRatios).toFixed(2),
      String(errorsOf(cell)),
    ]);
  }
  return (
    `node:http over the bridge and on node:net: ${result.connections} keep-alive connections, autocannon. CPU time is the server's, per request; ratios are the bridge by node:net, as the median ` +
    `of pairs of neighbouring runs.\n\n${formatTable(rows)}`
  );
}
