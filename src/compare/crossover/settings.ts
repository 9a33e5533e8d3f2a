// What a crossover is told: the defaults of the long and of the quick one, the checks, and what this machine can hold.

import { argumentError, checkInteger, checkMs } from '../../errors.js';
import { connectionCapacity, isKnown, type Capacity, type Reading } from '../../probe/index.js';
import { CPU_US_MAX, WAIT_MS_MAX } from '../../workload/frames.js';
import { makeContestants } from '../contestants.js';
import { CORES, type CrossoverSettings } from './report.js';

/** What is left out, or undefined, has its default. */
export type CrossoverOptions = {
  readonly [Name in keyof CrossoverSettings]?: CrossoverSettings[Name] | undefined;
} & { readonly quick?: boolean | undefined };

const CONNECTIONS_MAX = 20_000;
const ROUNDS_MAX = 100;
const AXIS_MAX = 32;
const CELLS_MAX = 4096;

const usual: Omit<CrossoverSettings, 'seed'> = {
  models: ['threads', 'pool', 'epoll'],
  connections: [1, 8, 64, 512],
  cpuUs: [0, 100, 500, 2000],
  waitMs: [0, 2, 10, 50],
  rounds: 2,
  cores: 'one',
  poolThreads: 64,
  heldOutShare: 0.6,
  windowMs: 300,
  requestsPerConnection: 3,
};
const quick: Partial<CrossoverSettings> = {
  connections: [1, 16, 128],
  cpuUs: [0, 200, 1000],
  waitMs: [0, 10],
  rounds: 1,
  windowMs: 150,
  requestsPerConnection: 2,
};

/** Fills in the defaults. Throws ERR_ARGUMENT, with the option's name and value, for whatever is wrong. */
export function readCrossover(options: CrossoverOptions): CrossoverSettings {
  const { quick: isQuick = false, ...rest } = options;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  const seed = Math.floor(Math.random() * 2 ** 32);
  const settings: CrossoverSettings = { ...usual, ...(isQuick && quick), seed, ...given };
  axis('--connections', settings.connections, 1, CONNECTIONS_MAX);
  axis('--cpu (microseconds)', settings.cpuUs, 0, CPU_US_MAX);
  axis('--wait (milliseconds)', settings.waitMs, 0, WAIT_MS_MAX);
  const cells = settings.connections.length * settings.cpuUs.length * settings.waitMs.length;
  if (cells > CELLS_MAX) throw argumentError('the grid', `at most ${CELLS_MAX} cells`, cells);
  checkInteger('--rounds', settings.rounds, 1, ROUNDS_MAX);
  checkInteger('--pool-threads', settings.poolThreads, 1, 4096);
  checkInteger('--seed', settings.seed, 0, 0xffff_ffff);
  checkInteger('requestsPerConnection', settings.requestsPerConnection, 1, 1000);
  checkMs('--window', settings.windowMs);
  if (settings.windowMs < 100 || settings.windowMs > 60_000)
    throw argumentError('--window', 'from 100 ms to 60000 ms', settings.windowMs);
  if (!(settings.heldOutShare >= 0 && settings.heldOutShare <= 1))
    throw argumentError('heldOutShare', 'from 0 to 1', settings.heldOutShare);
  if (!CORES.includes(settings.cores))
    throw argumentError('--cores', `one of ${CORES.join(', ')}`, settings.cores);
  if (settings.models.length === 0) throw argumentError('--models', 'at least one model', settings.models);
  const contestants = makeContestants(settings.models);
  const perRequest = contestants.find(({ requestsPerConnection }) => requestsPerConnection > 0);
  if (perRequest !== undefined)
    throw argumentError('--models', 'models that keep connections, as the grid does', perRequest.label);
  return settings;
}

/** Whole numbers in rising order, none twice. */
function axis(name: string, values: readonly number[], min: number, max: number): void {
  if (values.length === 0 || values.length > AXIS_MAX)
    throw argumentError(name, `from 1 to ${AXIS_MAX} numbers with commas between them`, values);
  for (const [index, value] of values.entries()) {
    checkInteger(name, value, min, max);
    if (index > 0 && value <= values[index - 1]) throw argumentError(name, 'numbers that rise', values);
  }
}

/** Without the numbers of connections that descriptors do not suffice for: two each, where a blocking server waits. */
export function crossoverWithinLimits(
  settings: CrossoverSettings,
  notices: string[],
  capacity: Reading<Capacity> = connectionCapacity(),
): CrossoverSettings {
  if (!isKnown(capacity)) return settings;
  const most = Math.max(Math.floor(capacity.value.count / 2), 1);
  const connections = settings.connections.filter((count) => count <= most);
  if (connections.length === settings.connections.length) return settings;
  const left = settings.connections.filter((count) => count > most).join(', ');
  notices.push(
    `This machine lets a process hold ${most} connections that wait (${capacity.value.boundBy}): ${left} are left out. ` +
      'For more, raise the limit: ulimit -n 8192',
  );
  return { ...settings, connections: connections.length > 0 ? connections : [1] };
}
