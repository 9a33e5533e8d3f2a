// Echo: every connection asks again as soon as it is answered. Throughput, latency, and what a request costs the server.

import { coreBusyShare, readCores } from '../../probe/index.js';
import { THREAD_PER_REQUEST } from '../contestants.js';
import type { LoadConfig } from '../../load/config.js';
import { renderEcho } from '../render/echo.js';
import type { CompareSettings, Contestant, Report } from '../report.js';
import { Stage } from '../stage.js';
import { countSystemCalls } from '../system-calls.js';
import { SATURATED_SHARE, compareWithBest } from '../verdict.js';
import { pause, put, type CellContext, type ComparedWorkload } from '../workload.js';
import {
  CLOSED_LOOP,
  SERVER_COUNTER,
  SERVER_CPU_PER_SERVED,
  latencyUs,
  requestsPerSecond,
} from './figures.js';

/** The generator says that it lives twenty times a second, so that the server is asked within the window. */
const PROGRESS_MS = 50;
const SIGN_OF_LIFE_MS = 20_000;
/** The server is asked so long before the window's end. */
const MARGIN_MS = 100;
/** How long the pass lasts in which system calls are counted: strace slows everything, so there are few. */
const COUNTING_MS = 1000;

/** The load: churn for a model that serves one request per connection, a closed loop for the others. */
function loadOf(contestant: Contestant, settings: CompareSettings): Omit<LoadConfig, 'port'> {
  const { connections, payloadBytes, cpuUs, waitMs, warmUpMs, durationMs, depth, seed } = settings;
  const common = {
    connections,
    payloadBytes,
    cpuUs,
    waitMs,
    warmUpMs,
    durationMs,
    seed,
    progressMs: PROGRESS_MS,
  };
  return contestant.requestsPerConnection === 0
    ? { mode: 'closed', depth, ...common }
    : { mode: 'churn', requestsPerConnection: contestant.requestsPerConnection, ...common };
}

async function run(context: CellContext): Promise<void> {
  const { contestant, settings, pinning, cell, signal, step } = context;
  await using stage = await Stage.open(context);
  stage.load(loadOf(contestant, settings));
  step('warm-up');
  await stage.phase(['measuring'], SIGN_OF_LIFE_MS);
  step('measuring');
  // Counters and CPU time are read by the server itself at one moment: their quotient has no error of timing in it.
  const cores = readCores();
  const before = await stage.counters();
  await pause(Math.max(settings.durationMs - PROGRESS_MS - MARGIN_MS, settings.durationMs / 2), signal);
  const coresAfter = readCores();
  const after = await stage.counters();
  const result = await stage.result(SIGN_OF_LIFE_MS);
  await stage.checkAlive();
  cell.raw = { before, after, result };

  const { figures } = cell;
  const served = after.served - before.served;
  if (result.failure !== null) cell.failure = result.failure;
  else if (served === 0) cell.failure = 'no request was answered in the window';
  if (served === 0) return;
  figures['requestsPerSecond'] = result.repliesPerSecond;
  if (result.latency !== null) {
    figures['p50Us'] = result.latency.p50Ms * 1000;
    figures['p99Us'] = result.latency.p99Ms * 1000;
    figures['p999Us'] = result.latency.p999Ms * 1000;
  }
  const { usage } = after;
  figures['serverCpuUs'] = (usage.cpuUs - before.usage.cpuUs) / served;
  figures['voluntarySwitches'] = (usage.voluntarySwitches - before.usage.voluntarySwitches) / served;
  figures['involuntarySwitches'] = (usage.involuntarySwitches - before.usage.involuntarySwitches) / served;
  figures['threads'] = after.threads;
  if (result.self.cpuUsPerReply !== null) figures['clientCpuUs'] = result.self.cpuUsPerReply;
  put(cell, 'serverCoreBusy', coreBusyShare(cores, coresAfter, pinning.serverCpu));
  put(cell, 'clientCoreBusy', coreBusyShare(cores, coresAfter, pinning.clientCpu));

  const { requests, connections } = result;
  if (requests.mismatches > 0) cell.failure ??= `${requests.mismatches} wrong replies`;
  if (requests.timedOut > 0) cell.notes.push(`${requests.timedOut} requests timed out`);
  if (connections.failed > 0) cell.notes.push(`${connections.failed} connections failed`);
  if ((figures['serverCoreBusy'] ?? 1) < SATURATED_SHARE) {
    cell.notes.push('throughput bound by the client: judge by server CPU');
  }
}

async function afterwards(context: CellContext): Promise<void> {
  const { contestant, settings, cell, signal, step } = context;
  if (!settings.systemCalls) {
    cell.unavailable['systemCalls'] = 'not asked for';
    return;
  }
  step('counting system calls');
  await using stage = await Stage.open(context);
  const load = { ...loadOf(contestant, settings), warmUpMs: 0, durationMs: COUNTING_MS, startOnLine: true };
  stage.load(load);
  const { open } = await stage.phase(['connected'], SIGN_OF_LIFE_MS);
  await stage.settled(open, signal);
  const counted = await countSystemCalls(stage.server.pid, async () => {
    const before = await stage.counters();
    stage.start();
    await stage.result(SIGN_OF_LIFE_MS);
    return (await stage.counters()).served - before.served;
  });
  if ('unavailable' in counted) {
    cell.unavailable['systemCalls'] = counted.unavailable;
    return;
  }
  cell.raw = { ...counted };
  if (counted.served > 0) cell.figures['systemCalls'] = counted.total / counted.served;
}

function verdict(report: Report): string[] {
  const lines = compareWithBest(report, 'serverCpuUs', 'server CPU per request');
  const busy = Object.values(report.summaries).map((of) => of?.['serverCoreBusy']?.median ?? 1);
  if (busy.some((share) => share < SATURATED_SHARE)) {
    lines.push(
      `Where the server's core was under ${SATURATED_SHARE * 100}% busy (marked *), the client set the throughput; CPU per request is the verdict.`,
    );
  } else {
    lines.push(...compareWithBest(report, 'requestsPerSecond', 'requests per second', 'more'));
  }
  if (report.contestants.some(({ label }) => label.startsWith(THREAD_PER_REQUEST))) {
    lines.push(
      `${THREAD_PER_REQUEST} makes a connection and a thread for every request, and its latency includes the connect: ` +
        'that is the model, and not a handicap given to it.',
    );
  }
  return lines;
}

export const echo: ComparedWorkload = {
  summary: 'throughput, latency, and the cost of a request',
  defaults: {
    models: ['threads', THREAD_PER_REQUEST, 'pool', 'epoll', 'node'],
    connections: 64,
    rounds: 6,
    durationMs: 2000,
    warmUpMs: 1500,
    poolThreads: 64,
  },
  figures: {
    requestsPerSecond,
    p50Us: latencyUs('p50', CLOSED_LOOP),
    p99Us: latencyUs('p99', CLOSED_LOOP),
    p999Us: latencyUs('p99.9', CLOSED_LOOP),
    serverCpuUs: {
      title: 'CPU s per million requests',
      unit: 's/million',
      source: `${SERVER_CPU_PER_SERVED}, both read there at one moment`,
    },
    voluntarySwitches: { title: 'switches, voluntary', unit: '1/request', source: 'getrusage ru_nvcsw' },
    involuntarySwitches: { title: 'switches, involuntary', unit: '1/request', source: 'getrusage ru_nivcsw' },
    systemCalls: { title: 'system calls', unit: '1/request', source: 'strace -c in a pass of its own' },
    threads: { title: 'threads that serve', unit: 'count', source: SERVER_COUNTER },
    serverCoreBusy: { title: "server's core busy", unit: 'share', source: '/proc/stat' },
    clientCoreBusy: { title: "client's core busy", unit: 'share', source: '/proc/stat' },
    clientCpuUs: {
      title: 'client CPU us per request',
      unit: 'us',
      source: "the generator's process.cpuUsage()",
    },
  },
  run,
  afterwards,
  verdict,
  render: renderEcho,
};
