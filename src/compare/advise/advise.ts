// Plain advice for the reader's own numbers: which models can do it, what limits them, and which one to take.

import type { CrossoverReport } from '../crossover/report.js';
import type { ModelLaw } from '../crossover/law.js';
import { isBlocking } from '../crossover/verdict.js';
import { argumentError } from '../../errors.js';
import { isKnown, threadCapacity } from '../../probe/index.js';
import { formatBytes, formatCount } from '../render/format.js';
import { BUSY_MAX, forecast } from './forecast.js';
import { checkQuestion } from './question.js';
import {
  ADVICE_SCHEMA,
  ADVICE_VERSION,
  LEVEL,
  type Advice,
  type Candidate,
  type Question,
} from './report.js';
import { formatRate, sayAdvice, sayRate, sayUs } from './say.js';

/** Deviations of the number under way for which threads are kept ready: one in a hundred requests finds none. */
const STAFFING = 2.33;
/** A pool this close to a thread for each connection is as good. */
const POOL_ENOUGH = 0.97;

/** A pool of nearly as many threads as connections is no other model. */
const WORTH_A_POOL = 0.9;

export interface Limits {
  /** Threads that one process can have here; null: not known. */
  readonly threadsMax: number | null;
}

/** What this machine allows a server. */
export function machineLimits(): Limits {
  const threads = threadCapacity();
  return { threadsMax: isKnown(threads) ? threads.value.count : null };
}

/** Threads for a pool: requests under way at once by Little's law, and some more where they arrive by themselves. */
export function poolThreads(law: ModelLaw, question: Question): number {
  const { connections } = question;
  if (question.ratePerSecond !== null) {
    const underWay = (question.ratePerSecond * forecast(law, question).latencyUs) / 1e6;
    if (!Number.isFinite(underWay)) return connections;
    return Math.min(Math.ceil(underWay + STAFFING * Math.sqrt(underWay)), connections);
  }
  // The fewest with which the pool does as much as a thread for each: it rises with N, so halve.
  const enough = POOL_ENOUGH * forecast(law, question).capacityPerSecond;
  let few = 0;
  let many = connections;
  while (many - few > 1) {
    const middle = (few + many) >> 1;
    if (forecast({ ...law, servedMax: middle }, question).capacityPerSecond >= enough) many = middle;
    else few = middle;
  }
  return many;
}

/** Every model that there is a law of, a pool out of that of threads, and several reactors out of that of a loop. */
function lawsFor(
  models: readonly ModelLaw[],
  question: Question,
): { law: ModelLaw; name: string; count: number | null }[] {
  const { cores } = question;
  const list: { law: ModelLaw; name: string; count: number | null }[] = [];
  const threads = models.find(({ contestant }) => contestant === 'threads');
  const loop = models.find(({ contestant }) => ['epoll', 'kqueue'].includes(contestant));
  for (const law of models) {
    if (law.contestant.startsWith('pool') || law.contestant.startsWith('reactor')) continue;
    list.push({
      law: { ...law, cores: isBlocking(law.contestant) ? cores : 1 },
      name: law.contestant,
      count: null,
    });
  }
  if (threads !== undefined) {
    const all = { ...threads, cores };
    const count = poolThreads(all, question);
    if (count < WORTH_A_POOL * question.connections)
      list.push({ law: pooled(all, loop, count), name: 'pool', count });
  }
  if (loop !== undefined && cores > 1) {
    const memory = loop.memory === null ? null : { ...loop.memory, baseBytes: loop.memory.baseBytes * cores };
    list.push({ law: { ...loop, cores, memory }, name: 'reactors', count: cores });
  }
  return list;
}

/** A queued connection costs what one on a loop does; each thread costs what it costs beyond that. */
function pooled(threads: ModelLaw, loop: ModelLaw | undefined, count: number): ModelLaw {
  const memory =
    threads.memory === null || !loop?.memory
      ? threads.memory
      : {
          baseBytes:
            threads.memory.baseBytes +
            count * Math.max(threads.memory.perConnectionBytes - loop.memory.perConnectionBytes, 0),
          perConnectionBytes: Math.min(loop.memory.perConnectionBytes, threads.memory.perConnectionBytes),
        };
  return { ...threads, servedMax: count, memory };
}

function reasonsAgainst(
  candidate: Omit<Candidate, 'reasons'>,
  question: Question,
  { threadsMax }: Limits,
): string[] {
  const { forecast: of, model, count } = candidate;
  const reasons: string[] = [];
  const { memoryBytes, ratePerSecond, p99Us } = question;
  if (memoryBytes !== null && of.memoryBytes !== null && of.memoryBytes > memoryBytes)
    reasons.push(`needs ${formatBytes(of.memoryBytes)} of memory, and has ${formatBytes(memoryBytes)}`);
  if (ratePerSecond !== null && ratePerSecond > BUSY_MAX * of.capacityPerSecond) {
    reasons.push(
      `does ${sayRate(of.capacityPerSecond)} at most (limit: ${of.limit}), and ${formatRate(ratePerSecond)} come`,
    );
  } else if (p99Us !== null && of.p99Us > p99Us)
    reasons.push(`has a p99 of about ${sayUs(of.p99Us)}, beyond ${sayUs(p99Us)}`);
  const threads = model === 'threads' ? question.connections : model === 'pool' ? (count ?? 0) : 0;
  if (threadsMax !== null && threads > threadsMax)
    reasons.push(
      `needs ${formatCount(threads)} threads, and this machine gives a process ${formatCount(threadsMax)}`,
    );
  return reasons;
}

/** Level with the best: throughput if it differs, else CPU per request. */
function choose(candidates: readonly Candidate[]): string[] {
  const able = candidates.filter(({ reasons }) => reasons.length === 0);
  const most = Math.max(...able.map((one) => one.forecast.requestsPerSecond));
  const fast = able.filter((one) => one.forecast.requestsPerSecond >= most / (1 + LEVEL));
  const least = Math.min(...fast.map((one) => one.forecast.serverCpuUs));
  return fast.filter((one) => one.forecast.serverCpuUs <= least * (1 + LEVEL)).map(({ model }) => model);
}

/** Throws ERR_ARGUMENT for wrong numbers, and for a report without a law. */
export function advise(
  question: Question,
  report: CrossoverReport,
  calibration: string,
  limits: Limits = { threadsMax: null },
): Advice {
  checkQuestion(question);
  if (report.law === null || report.law.models.length === 0)
    throw argumentError('--from', 'a crossover with a law (this one was ended too early)', calibration);
  const candidates = lawsFor(report.law.models, question).map(({ law, name, count }): Candidate => {
    const candidate = {
      model: name,
      blocking: isBlocking(name),
      count,
      from: law.contestant,
      forecast: forecast(law, question),
    };
    return { ...candidate, reasons: reasonsAgainst(candidate, question, limits) };
  });
  if (candidates.length === 0)
    throw argumentError(
      '--from',
      'a crossover with threads or a loop in it, of which pools and reactors are reckoned',
      report.law.models.map(({ contestant }) => contestant),
    );
  const take = choose(candidates);
  const best = candidates.find(({ model }) => model === take[0]) ?? candidates[0];
  const underWay = (best.forecast.requestsPerSecond * best.forecast.latencyUs) / 1e6;
  const advice = {
    schema: ADVICE_SCHEMA,
    version: ADVICE_VERSION,
    question,
    calibration,
    candidates,
    take,
    underWay,
    sentences: [],
  } as const;
  return { ...advice, sentences: sayAdvice(advice) };
}
