// What a comparison is told: the defaults of each workload, the checks, and what this machine can hold of it.

import { argumentError, checkInteger, checkMs } from '../errors.js';
import { connectionCapacity, isKnown, threadCapacity, type Capacity, type Reading } from '../probe/index.js';
import { CPU_US_MAX, PAYLOAD_BYTES_MAX, WAIT_MS_MAX } from '../workload/frames.js';
import { makeContestants, whyUnavailable } from './contestants.js';
import { WORKLOADS, type CompareSettings, type Contestant, type WorkloadName } from './report.js';
import { workloads } from './workloads.js';

/** What is left out, or undefined, has the workload's default. */
export type CompareOptions = {
  readonly [Name in keyof Omit<CompareSettings, 'workload'>]?: CompareSettings[Name] | undefined;
};

const CONNECTIONS_MAX = 1_000_000;
/** wait: every request is kept with its stamps. */
const REQUESTS_MAX = 100_000;
/** Requests under way at once that a load generator keeps a table of. */
const OUTSTANDING_MAX = 2 ** 22;
/** Of one load generator, each with a clock of its own. */
const ACTIVES_MAX = 100_000;
const ROUNDS_MAX = 1000;
const POINT_MAX = CONNECTIONS_MAX;
const DURATION_MS_MAX = 600_000;

const common: Omit<CompareSettings, 'workload' | 'models' | 'connections' | 'seed'> = {
  rounds: 6,
  durationMs: 1000,
  warmUpMs: 500,
  waitMs: 0,
  cpuUs: 0,
  payloadBytes: 64,
  depth: 1,
  points: [],
  actives: 0,
  poolThreads: 40,
  stackKib: null,
  systemCalls: true,
};

/** Fills in the workload's defaults. Throws ERR_ARGUMENT, with the option's name and value, for whatever is wrong. */
export function readSettings(workload: WorkloadName, options: CompareOptions): CompareSettings {
  const names: readonly string[] = WORKLOADS;
  if (!names.includes(workload)) throw argumentError('WORKLOAD', `one of ${names.join(', ')}`, workload);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const seed = Math.floor(Math.random() * 2 ** 32);
  const { defaults, derived } = workloads[workload];
  const asked = { ...common, models: [], connections: 1, seed, ...defaults, workload, ...given };
  const settings = { ...asked, ...derived?.(asked), ...given };
  checkInteger(
    '--connections',
    settings.connections,
    1,
    workload === 'wait' ? REQUESTS_MAX : CONNECTIONS_MAX,
  );
  checkInteger('--rounds', settings.rounds, 1, ROUNDS_MAX);
  checkInteger('--seed', settings.seed, 0, 0xffff_ffff);
  checkInteger('--cpu (microseconds)', settings.cpuUs, 0, CPU_US_MAX);
  checkInteger('--payload', settings.payloadBytes, 0, PAYLOAD_BYTES_MAX);
  checkInteger('--depth', settings.depth, 1, 65_536);
  const activesMin = workload === 'active' || workload === 'slow' ? 1 : 0; // nothing would be measured
  checkInteger('--actives', settings.actives, activesMin, ACTIVES_MAX);
  checkInteger('--pool-threads', settings.poolThreads, 1, 32_768);
  for (const point of settings.points) checkInteger('--points', point, 0, POINT_MAX);
  if (settings.points.length === 0 && (workload === 'cpu' || workload === 'saturate'))
    throw argumentError('--points', 'at least one', settings.points);
  if (new Set(settings.points).size < settings.points.length)
    throw argumentError('--points', 'numbers of which none is there twice', settings.points);
  if (workload === 'saturate') {
    if (Math.min(...settings.points) < 1)
      throw argumentError('--points', 'percentages above 0', settings.points);
  }
  if (settings.stackKib !== null) checkInteger('--stack-kib', settings.stackKib, 64, 1024 * 1024);
  for (const [name, value, lowest, highest] of [
    ['--duration', settings.durationMs, 100, DURATION_MS_MAX],
    ['--warm-up', settings.warmUpMs, 0, DURATION_MS_MAX],
    ['--wait', settings.waitMs, workload === 'wait' || workload === 'saturate' ? 1 : 0, WAIT_MS_MAX],
  ] as const) {
    checkMs(name, value);
    if (value < lowest || value > highest)
      throw argumentError(name, `from ${lowest} ms to ${highest} ms`, value);
  }
  if (settings.connections * settings.depth > OUTSTANDING_MAX)
    throw argumentError(
      '--depth',
      `at most ${Math.floor(OUTSTANDING_MAX / settings.connections)} for this many connections`,
      settings.depth,
    );
  if (settings.models.length === 0) throw argumentError('--models', 'at least one model', settings.models);
  makeContestants(settings.models);
  return { ...settings, waitMs: Math.round(settings.waitMs) };
}

/**
 * Fewer than were asked for, where descriptors do not suffice. Each end of a connection is one in its own process; a
 * blocking server that waits on its upstream has a second one for every connection.
 */
export function withinLimits(
  settings: CompareSettings,
  notices: string[],
  capacity: Reading<Capacity> = connectionCapacity(),
): CompareSettings {
  const wanted = settings.connections;
  if (!isKnown(capacity)) return settings;
  const each = settings.waitMs > 0 ? 2 : 1;
  const connections = Math.max(Math.floor(capacity.value.count / each), 1);
  if (connections >= wanted) return settings;
  notices.push(
    `This machine lets a process hold ${connections} connections (${capacity.value.boundBy}), so ${connections} are ` +
      `compared instead of ${wanted}. For more, raise the limit: ulimit -n ${wanted * each + 100}`,
  );
  return { ...settings, connections };
}

/** Those that can run here; for the others, and for those that will be refused threads, a notice says why. */
export function runnable(settings: CompareSettings, notices: string[]): Contestant[] {
  const contestants = makeContestants(settings.models).filter((contestant) => {
    const reason = whyUnavailable(contestant);
    if (reason !== null) notices.push(`${contestant.label} is left out: ${reason}`);
    return reason === null;
  });
  const threads = threadCapacity();
  const perConnection = contestants.find(({ model }) => model === 'threads');
  if (perConnection !== undefined && isKnown(threads) && threads.value.count < settings.connections) {
    notices.push(
      `${perConnection.label} can have about ${threads.value.count} threads here (${threads.value.boundBy}): further ` +
        'connections will be refused, and are shown as refused.',
    );
  }
  return contestants;
}
