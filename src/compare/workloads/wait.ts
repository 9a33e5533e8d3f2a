// Wait: N requests that each wait on the upstream, on one core. The timeline of each, from three independent sources.

import {
  groupThreads,
  isKnown,
  isUnavailable,
  readProcess,
  readProcessInSlices,
  type ProcessSnapshot,
} from '../../probe/index.js';
import type { RequestRecord } from '../../load/result.js';
import { renderWait } from '../render/wait.js';
import type { FigureInfo, Report } from '../report.js';
import { Stage } from '../stage.js';
import { summarise } from '../statistics.js';
import { pause, type CellContext, type ComparedWorkload } from '../workload.js';

const PROGRESS_MS = 200;
/** Beyond what N requests one after another take. */
const SLACK_MS = 20_000;
/** The longest that the load generator takes for a window: a day. */
const WORST_MS_MAX = 86_400_000;
/** Threads are looked at when the first wait is half over, but not later than this after the requests were sent. */
const LOOK_MS_MAX = 1000;

/** One request's time in the server, in ms from the first send, by source. */
export interface TimelineRow {
  readonly sentMs: number;
  readonly receivedMs: number;
  readonly waitStartedMs: number;
  readonly waitEndedMs: number;
  readonly answeredMs: number;
  readonly repliedMs: number;
  /** The thread's CPU clock, outside the wait. */
  readonly workingMs: number;
  /** Run-queue wait of schedstat, outside the wait. */
  readonly runnableMs: number;
  /** Two stamps around the call that waits. */
  readonly waitingMs: number;
  readonly thread: number;
}

/** Threads that do the same: how many, and what in. */
export interface ServerThreads {
  readonly name: string;
  readonly count: number;
  readonly call: string;
  /** Different descriptors that they wait on; null: the call waits on none. */
  readonly descriptors: number | null;
  /** Whether they serve; the others are the runtime's, or only accept. */
  readonly serves: boolean;
}

export function timeline(records: readonly RequestRecord[]): TimelineRow[] {
  const firstNs = Math.min(...records.map(({ requestedNs }) => requestedNs));
  const ms = (ns: number): number => (ns - firstNs) / 1e6;
  return records
    .map((record) => ({
      sentMs: ms(record.requestedNs),
      receivedMs: ms(record.receivedNs),
      waitStartedMs: ms(record.waitStartedNs),
      waitEndedMs: ms(record.waitEndedNs),
      answeredMs: ms(record.sentNs),
      repliedMs: ms(record.repliedNs),
      workingMs: record.cpuNs / 1e6,
      runnableMs: record.runDelayNs / 1e6,
      waitingMs: (record.waitEndedNs - record.waitStartedNs) / 1e6,
      thread: record.thread,
    }))
    .sort((a, b) => a.receivedMs - b.receivedMs);
}

/** What the three sources leave of a request's time in the server: its share, with its sign. */
export function unexplainedShare(row: TimelineRow): number {
  const wallMs = row.answeredMs - row.receivedMs;
  return (wallMs - row.workingMs - row.runnableMs - row.waitingMs) / wallMs;
}

/** The threads of the blocking models serve; so does a loop's main thread. */
export function serverThreads(snapshot: ProcessSnapshot): ServerThreads[] {
  const groups = groupThreads(snapshot);
  const blocking = groups.some(({ name }) => name === 'ul-serve');
  return groups.map(({ name, main, count, call, fds }) => ({
    name: main ? `${name} (main)` : name,
    count,
    call,
    descriptors: fds === null ? null : fds.length,
    serves: blocking ? name === 'ul-serve' : main,
  }));
}

async function run(context: CellContext): Promise<void> {
  const { settings, cell, signal, step } = context;
  const { connections, waitMs, cpuUs, payloadBytes, seed } = settings;
  await using stage = await Stage.open(context);
  const worstMs = Math.min(connections * (waitMs + cpuUs / 1000) + SLACK_MS, WORST_MS_MAX);
  stage.load({
    mode: 'churn',
    connections,
    requestsPerConnection: 1,
    requestsMax: connections,
    recordsMax: connections,
    payloadBytes,
    cpuUs,
    waitMs,
    warmUpMs: 0,
    durationMs: worstMs,
    requestTimeoutMs: worstMs,
    seed,
    progressMs: PROGRESS_MS,
    startOnLine: true,
  });
  step('connecting');
  await stage.phase(['connected'], worstMs);
  const usedBefore = await readProcessInSlices(stage.server.pid, { memory: false });
  step(`${connections} requests`);
  stage.start();
  const finished = stage.result(worstMs);
  finished.catch(() => undefined); // it is awaited below; until then its failure is nobody's
  await pause(Math.min(waitMs / 2, LOOK_MS_MAX), signal);
  const asleep = readProcess(stage.server.pid, { memory: false, sleep: true });
  const result = await finished;
  await stage.checkAlive();
  const usedAfter = await readProcessInSlices(stage.server.pid, { memory: false });
  const groups = isUnavailable(asleep) ? [] : serverThreads(asleep);
  if (isUnavailable(asleep)) cell.unavailable['serviceThreads'] = asleep.unavailable;
  else
    cell.figures['serviceThreads'] = groups
      .filter((one) => one.serves)
      .reduce((sum, one) => sum + one.count, 0);

  const rows = timeline(result.records);
  cell.raw = { timeline: rows, threads: groups, result };
  if (result.failure !== null) cell.failure = result.failure;
  else if (rows.length < connections)
    cell.failure = `${rows.length} of ${connections} requests were answered`;
  if (rows.length === 0) return;
  const { figures } = cell;
  figures['totalMs'] = Math.max(...rows.map((row) => row.repliedMs));
  figures['workingMs'] = summarise(rows.map((row) => row.workingMs)).median;
  figures['runnableMs'] = summarise(rows.map((row) => row.runnableMs)).median;
  figures['waitingMs'] = summarise(rows.map((row) => row.waitingMs)).median;
  figures['wallMs'] = summarise(rows.map((row) => row.answeredMs - row.receivedMs)).median;
  figures['queuedMs'] = summarise(rows.map((row) => row.receivedMs - row.sentMs)).median;
  const shares = rows.map(unexplainedShare);
  figures['unexplained'] = summarise(shares).median;
  figures['unexplainedWorst'] = shares.reduce(
    (worst, one) => (Math.abs(one) > Math.abs(worst) ? one : worst),
    0,
  );
  if (!isUnavailable(usedBefore) && !isUnavailable(usedAfter)) {
    const { cpuUserNs, cpuSystemNs } = usedAfter.figures;
    const { cpuUserNs: user, cpuSystemNs: system } = usedBefore.figures;
    if (isKnown(cpuUserNs) && isKnown(cpuSystemNs) && isKnown(user) && isKnown(system)) {
      figures['serverCpuMs'] = (cpuUserNs.value + cpuSystemNs.value - user.value - system.value) / 1e6;
    }
  }
}

function verdict(report: Report): string[] {
  const { connections, waitMs } = report.settings;
  const lines: string[] = [];
  for (const { label } of report.contestants) {
    const totalMs = report.summaries[label]?.['totalMs']?.median;
    if (totalMs === undefined) continue;
    const inRow = (totalMs / waitMs).toFixed(totalMs / waitMs < 10 ? 2 : 1);
    lines.push(
      `${label}: ${connections} requests that each wait ${(waitMs / 1000).toString()} s took ${(totalMs / 1000).toFixed(2)} s, ` +
        `${inRow} times one wait.`,
    );
  }
  const worsts = report.cells.flatMap(({ figures }) => figures['unexplainedWorst'] ?? []).map(Math.abs);
  if (worsts.length === 0) return lines;
  const worst = Math.max(...worsts);
  lines.push(
    `Working + runnable + waiting come within ${(worst * 100).toFixed(2)}% of the wall time of every request, no part being the remainder.`,
  );
  return lines;
}

/** All requests together work for a tenth of one wait at most: it is the waiting that is compared. */
const WORK_SHARE = 0.1;
const CPU_US_DEFAULT = 4000;

const ms = (title: string, source: string): FigureInfo => ({ title, unit: 'ms', source });

export const wait: ComparedWorkload = {
  summary: 'requests that wait on another server, on one core: 5 x 2 s take 10 s or 2 s',
  defaults: {
    models: ['sequential', 'threads', 'epoll'],
    connections: 5,
    rounds: 1,
    waitMs: 2000,
  },
  derived: ({ connections, waitMs }) => ({
    cpuUs: Math.min(CPU_US_DEFAULT, Math.max(Math.floor((WORK_SHARE * waitMs * 1000) / connections), 0)),
  }),
  figures: {
    totalMs: ms('all answered after', "the client's clock, from the first send to the last reply"),
    queuedMs: ms('before the server read it', "received stamp - the client's send; median request"),
    wallMs: ms('in the server', 'sent stamp - received stamp; median request'),
    workingMs: ms('  working', "the thread's CPU clock (CLOCK_THREAD_CPUTIME_ID), outside the wait"),
    runnableMs: ms('  runnable', 'schedstat run delay of the thread, outside the wait'),
    waitingMs: ms('  waiting', 'stamps around the call to the upstream'),
    unexplained: {
      title: '  unexplained',
      unit: 'share',
      source: '1 - the three / in the server; median request',
    },
    unexplainedWorst: {
      title: '  unexplained, worst',
      unit: 'share',
      source: 'the request with the largest',
    },
    serviceThreads: { title: 'threads that serve', unit: 'count', source: '/proc/PID/task while they wait' },
    serverCpuMs: ms('server CPU, all', 'stat utime + stime of the process, over the run'),
  },
  run,
  verdict,
  render: renderWait,
};
