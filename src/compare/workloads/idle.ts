// Idle: thousands of connections that say nothing. What each costs, part by part, and how the few that speak fare.

import {
  anonymousBytes,
  difference,
  freeMemory,
  isKnown,
  isUnavailable,
  memoryBillBetween,
  processDifference,
  readMemoryLook,
  readProcessInSlices,
  readSystem,
  sum,
  valueOf,
  type BillPart,
  type Figure,
  type MemoryBill,
  type MemoryLook,
} from '../../probe/index.js';
import { renderIdle } from '../render/idle.js';
import type { Cell } from '../report.js';
import { Stage } from '../stage.js';
import { pause, put, type CellContext, type ComparedWorkload } from '../workload.js';
import { idleFigures, PARTS_OF_BILL } from './idle-figures.js';
import { idleVerdict } from './idle-verdict.js';

const PROGRESS_MS = 500;
const SIGN_OF_LIFE_MS = 30_000;
/** Memory is taken to be at rest when free memory has moved by less than this between two looks. */
const AT_REST_BYTES = 256 * 1024;
const AT_REST_LOOK_MS = 100;
/** On a machine that never rests we look anyway; the bill's unexplained part tells. */
const FREED_MS_MAX = 3000;
/** For the second look: what was taken just now is in its place sooner than what the cell before has freed. */
const TAKEN_MS_MAX = 1000;
/** Requests of the active connections: answered within this or timed out. */
const ACTIVE_TIMEOUT_MS = 1000;
const ACTIVE_INTERVAL_MS = 50;
const ACTIVE_WARM_UP_MS = 200;

/** Freed memory comes back late (RCU, per-CPU lists): waits until the free pages stay where they are. */
async function atRest(limitMs: number, signal: AbortSignal): Promise<void> {
  const deadlineMs = performance.now() + limitMs;
  let last = valueOf(freeMemory(readSystem().figures));
  while (last !== null && performance.now() < deadlineMs) {
    await pause(AT_REST_LOOK_MS, signal);
    const now = valueOf(freeMemory(readSystem().figures));
    if (now === null || Math.abs(now - last) < AT_REST_BYTES) return;
    last = now;
  }
}

async function run(context: CellContext): Promise<void> {
  const { settings, cell, signal, step } = context;
  await using stage = await Stage.open(context);
  const pids = [...stage.pids, process.pid];
  await atRest(FREED_MS_MAX, signal);
  const before = readMemoryLook(pids);
  const actives = Math.min(settings.actives, settings.connections);
  stage.load({
    mode: 'idle',
    connections: settings.connections - actives,
    ...(actives > 0 && {
      actives: { connections: actives, intervalMs: ACTIVE_INTERVAL_MS, timeoutMs: ACTIVE_TIMEOUT_MS },
    }),
    payloadBytes: settings.payloadBytes,
    cpuUs: settings.cpuUs,
    waitMs: settings.waitMs,
    // Shorter than the timeout, and a request unanswered since the warm-up would keep all others out of the window.
    ...(actives > 0
      ? { warmUpMs: ACTIVE_WARM_UP_MS, durationMs: Math.max(settings.durationMs, ACTIVE_TIMEOUT_MS) }
      : { warmUpMs: 0, durationMs: 1 }),
    requestTimeoutMs: ACTIVE_TIMEOUT_MS,
    seed: settings.seed,
    progressMs: PROGRESS_MS,
    startOnLine: true,
  });
  step('connecting');
  const { open } = await stage.phase(['connected'], SIGN_OF_LIFE_MS);
  const counters = await stage.settled(open, signal);
  await atRest(TAKEN_MS_MAX, signal);

  step('reading memory');
  const after = readMemoryLook(pids);
  const bill = memoryBillBetween(before, after, { sendingThreads: 0 });
  billFigures(cell, bill, open, { before, after, server: stage.server.pid });

  step('idle');
  const first = await readProcessInSlices(stage.server.pid, { memory: false });
  await pause(settings.durationMs, signal);
  const last = await readProcessInSlices(stage.server.pid, { memory: false });
  const quiet = isUnavailable(first) ? first : isUnavailable(last) ? last : processDifference(first, last);
  if (isUnavailable(quiet)) {
    cell.unavailable['idleCpuMs'] = cell.unavailable['idleSwitches'] = quiet.unavailable;
  } else {
    const perSecond = 1e9 / quiet.wallNs;
    const { cpuNs, voluntarySwitches, involuntarySwitches } = quiet.figures;
    put(cell, 'idleCpuMs', cpuNs, perSecond / 1e6);
    put(cell, 'idleSwitches', sum([voluntarySwitches, involuntarySwitches], 'switches'), perSecond);
    if (!isUnavailable(last)) put(cell, 'processThreads', last.figures.threads);
  }

  step('active among idle');
  stage.start();
  const result = await stage.result(SIGN_OF_LIFE_MS);
  await stage.checkAlive();
  cell.raw = { bill, before: before.system, after: after.system, counters, result };
  const { figures } = cell;
  figures['connected'] = open;
  figures['accepted'] = counters.accepted;
  figures['serving'] = counters.serving;
  figures['refused'] = counters.refused;
  figures['threads'] = counters.threads;
  if (result.actives !== null) {
    const { requests, latency } = result.actives;
    figures['activeAnswered'] = requests.answered;
    figures['activeTimedOut'] = requests.timedOut;
    if (latency !== null && requests.answered > 0) {
      figures['activeP50Us'] = latency.p50Ms * 1000;
      figures['activeP99Us'] = latency.p99Ms * 1000;
    } else cell.unavailable['activeP50Us'] = cell.unavailable['activeP99Us'] = 'none was answered';
  }
  if (open < settings.connections) {
    const { failed, notTried } = result.connections;
    const errors = Object.keys(result.errors).join(', ') || 'no answer';
    cell.notes.push(
      `${open} of ${settings.connections} connected: ${failed} failed (${errors}), ${notTried} were not tried after that`,
    );
  }
  if (counters.refused > 0) cell.notes.push(`${counters.refused} connections refused by the server`);
  if (result.failure !== null) cell.failure = result.failure;
}

interface Looks {
  readonly before: MemoryLook;
  readonly after: MemoryLook;
  readonly server: number;
}

/** The bill, per connection; the whole server's user memory apart from that of the load, the upstream and ourselves. */
function billFigures(
  cell: Cell,
  bill: MemoryBill,
  connections: number,
  { before, after, server }: Looks,
): void {
  const each = 1 / connections;
  const of = (look: MemoryLook, figure: 'virtualBytes' | 'anonymous'): Figure => {
    const snapshot = look.processes.find(({ pid }) => pid === server);
    if (snapshot === undefined) return { unavailable: 'the server has ended' };
    return figure === 'anonymous' ? anonymousBytes(snapshot) : snapshot.figures.virtualBytes;
  };
  const user = difference(of(before, 'anonymous'), of(after, 'anonymous'));
  put(cell, 'user', user, each);
  put(cell, 'clientUser', difference(user, bill.parts.userAnonymous), each);
  const virtual = difference(of(before, 'virtualBytes'), of(after, 'virtualBytes'));
  put(cell, 'virtual', virtual, each);
  put(cell, 'virtualTotal', virtual);
  const listed = new Set<BillPart>(['userAnonymous', 'anonymousElsewhere']);
  for (const [name, parts] of Object.entries(PARTS_OF_BILL)) {
    for (const part of parts) listed.add(part);
    const readable = parts.map((part) => bill.parts[part]).filter(isKnown);
    put(cell, name, readable.length === 0 ? bill.parts[parts[0]] : sum(readable, 'parts of the bill'), each);
  }
  const rest = (Object.keys(bill.parts) as BillPart[])
    .filter((part) => !listed.has(part))
    .map((part) => bill.parts[part])
    .filter(isKnown);
  put(cell, 'rest', sum(rest, 'all other parts of the bill'), each);
  const total = isKnown(bill.totalBytes) && isKnown(user) && isKnown(bill.parts.userAnonymous);
  if (total) {
    const clientUser = bill.parts.userAnonymous.value - user.value;
    cell.figures['total'] = (bill.totalBytes.value - clientUser) * each;
  }
  put(cell, 'billBytes', bill.totalBytes);
  put(cell, 'dropBytes', bill.dropBytes);
  put(cell, 'unexplainedBytes', bill.unexplainedBytes);
  put(cell, 'toleranceBytes', bill.toleranceBytes);
  put(cell, 'elsewhereBytes', bill.notes.anonymousElsewhereBytes);
  put(cell, 'availableDropBytes', bill.notes.memAvailableDropBytes);
  const { unexplainedBytes, toleranceBytes } = bill;
  if (
    isKnown(bill.reconciles) &&
    !bill.reconciles.value &&
    isKnown(unexplainedBytes) &&
    isKnown(toleranceBytes)
  ) {
    const mib = (unexplainedBytes.value / 2 ** 20).toFixed(1);
    const elsewhere = valueOf(bill.notes.anonymousElsewhereBytes) ?? 0;
    const explained = Math.abs(unexplainedBytes.value - elsewhere) <= toleranceBytes.value;
    cell.notes.push(
      `${mib} MiB of the drop in free memory are in no part` +
        (explained
          ? `: other processes of this machine took ${(elsewhere / 2 ** 20).toFixed(1)} MiB meanwhile`
          : ' and not in other processes either'),
    );
  }
}

export const idle: ComparedWorkload = {
  summary: 'what an idle connection costs, all in, and how active ones fare among thousands',
  defaults: {
    models: ['threads', 'pool', 'poll', 'epoll', 'node'],
    connections: 10_000,
    rounds: 6,
    durationMs: 1000,
    actives: 10,
  },
  figures: idleFigures,
  run,
  verdict: idleVerdict,
  render: renderIdle,
};
