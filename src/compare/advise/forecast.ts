// What a model will do with the reader's numbers: the law where all ask all the time, and a queue where requests arrive by themselves.

import { demandUs, delayUs, predict, type ModelLaw } from '../crossover/law.js';
import type { Forecast, Question } from './report.js';

/** The largest load of its cores or threads that we call possible: beyond it queues grow without need of a reason. */
export const BUSY_MAX = 0.95;
const P99_ODDS = 100;

/**
 * The mean time in a queue for `servers` of equal times, and how likely there is one at all, if requests arrive
 * independently (Sakasegawa's approximation of M/D/c). Infinite when more comes than can be served.
 */
export function queueing(
  busy: number,
  servers: number,
  serviceUs: number,
): { meanUs: number; probability: number } {
  if (busy >= 1) return { meanUs: Infinity, probability: 1 };
  const probability = busy ** (Math.sqrt(2 * (servers + 1)) - 1);
  return { meanUs: (probability * serviceUs) / (2 * servers * (1 - busy)), probability };
}

/** A queue's time that is exceeded once in a hundred: its tail is exponential. */
function p99Of({ meanUs, probability }: { meanUs: number; probability: number }): number {
  if (meanUs === Infinity) return Infinity;
  return probability * P99_ODDS <= 1 ? 0 : (Math.log(probability * P99_ODDS) * meanUs) / probability;
}

/** The load comes from elsewhere: it takes nothing of the server's cores. */
export function forecast(law: ModelLaw, question: Question): Forecast {
  const all = predict(law, null, question);
  const limit = all.limit === 'connections' ? 'connections' : 'server CPU';
  const capacityPerSecond = all.requestsPerSecond;
  const { memoryBytes } = all;
  if (question.ratePerSecond === null) {
    // Little's law over all that ask: where threads are fewer, a request waits for one as well.
    const latencyUs = (question.connections * 1e6) / capacityPerSecond;
    return {
      capacityPerSecond,
      requestsPerSecond: capacityPerSecond,
      latencyUs,
      p99Us: latencyUs * law.tail,
      serverCpuUs: all.serverCpuUs,
      busyCores: all.serverBusy * law.cores,
      memoryBytes,
      limit,
    };
  }
  const rate = Math.min(question.ratePerSecond, capacityPerSecond);
  const alone = demandUs(law.parameters, question, all.served, 1);
  const delay = delayUs(law.parameters, question);
  // What comes fast enough for queues is served in batches as well.
  const busy = Math.min((rate * alone) / 1e6 / law.cores, 1);
  const demand = busy * all.serverCpuUs + (1 - busy) * alone;
  const cpuBusy = (question.ratePerSecond * demand) / 1e6 / law.cores;
  const atCpu = queueing(cpuBusy, law.cores, demand);
  const threadUs = demand + delay + atCpu.meanUs;
  const atThreads = queueing((question.ratePerSecond * threadUs) / 1e6 / all.served, all.served, threadUs);
  return {
    capacityPerSecond,
    requestsPerSecond: rate,
    latencyUs: threadUs + atThreads.meanUs,
    p99Us: demand + delay + p99Of(atCpu) + p99Of(atThreads),
    serverCpuUs: demand,
    busyCores: Math.min(cpuBusy, 1) * law.cores,
    memoryBytes,
    limit,
  };
}
