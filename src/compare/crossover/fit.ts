// Calibrates the law: finds the costs of a model with which it comes closest to what was measured.

import { median } from '../statistics.js';
import { minimise } from './minimise.js';
import { predict, type ClientLaw, type Conditions, type LawParameters, type ModelLaw } from './law.js';

/** What the law learns from: the medians of a model under a condition. */
export interface Observation extends Conditions {
  readonly requestsPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly serverCpuUs: number;
  readonly generatorCpuUs: number;
  readonly upstreamCpuUs: number;
}

type Name = keyof LawParameters;
const names: readonly Name[] = [
  'requestUs',
  'accountUs',
  'wakeUpUs',
  'growthUs',
  'waitUs',
  'latencyUs',
  'waitLatencyUs',
  'sharpness',
];
/** Where the search begins: the order of magnitude is enough. What no observation tells stays here. */
const usual: LawParameters = {
  requestUs: 8,
  accountUs: 5,
  wakeUpUs: 5,
  growthUs: 0.3,
  waitUs: 15,
  latencyUs: 40,
  waitLatencyUs: 300,
  sharpness: 3,
};
/** CPU per request counts beside throughput, but less: a core also does what no process is charged for. */
const CPU_WEIGHT = 0.3;
/** Holds what no observation tells where it is. */
const REST_WEIGHT = 0.0005;
/** With fewer connections than this the load's processes wake up for every single reply, which costs them more. */
const MANY_CONNECTIONS = 16;
/** Simplexes get stuck: each begins anew where the last one ended. */
const ATTEMPTS = 4;

/** Logarithms, so that costs stay positive; the sharpness stays above 1. */
function coded(parameters: LawParameters): number[] {
  return names.map((name) => Math.log(parameters[name] - (name === 'sharpness' ? 1 : 0)));
}
function decoded(at: readonly number[]): LawParameters {
  const values = names.map((name, index) => [name, Math.exp(at[index]) + (name === 'sharpness' ? 1 : 0)]);
  return Object.fromEntries(values) as Record<Name, number>;
}

/** The load's own cost per request where it is busy: the median over the cells with many connections. */
export function fitClient(observations: readonly Observation[], sharedCores: number | null): ClientLaw {
  const cost = (waits: boolean): number => {
    const all = observations.filter(({ waitMs }) => waitMs > 0 === waits);
    const many = all.filter(({ connections, cpuUs }) => connections >= MANY_CONNECTIONS && cpuUs === 0);
    const costs = (many.length > 0 ? many : all).map((one) => one.generatorCpuUs + one.upstreamCpuUs);
    return costs.length === 0 ? 0 : median(costs);
  };
  const requestUs = cost(false);
  return { requestUs, waitUs: Math.max(cost(true) - requestUs, 0), sharedCores };
}

/**
 * The model's parameters: those for which the sum of |log(predicted / measured)| of throughput and of CPU per request is
 * least. Sums of absolute values, so that one cell in which the machine hiccupped bends nothing.
 */
export function fitModel(
  law: Omit<ModelLaw, 'parameters' | 'tail'>,
  client: ClientLaw,
  observations: readonly Observation[],
): ModelLaw {
  const first = coded(usual);
  const tail = observations.length === 0 ? 1 : median(observations.map((one) => one.p99Us / one.p50Us));
  const distance = (at: readonly number[]): number => {
    const tried = { ...law, tail, parameters: decoded(at) };
    let sum = 0;
    for (const one of observations) {
      const { requestsPerSecond, serverCpuUs } = predict(tried, client, one);
      sum += Math.abs(Math.log(requestsPerSecond / one.requestsPerSecond));
      if (one.serverCpuUs > 0) sum += CPU_WEIGHT * Math.abs(Math.log(serverCpuUs / one.serverCpuUs));
    }
    const rest = at.reduce((all, value, index) => all + (value - first[index]) ** 2, 0);
    return sum / Math.max(observations.length, 1) + REST_WEIGHT * rest;
  };
  let at = first;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++)
    at = minimise(distance, at, { step: 1 / (attempt + 1) });
  return { ...law, tail, parameters: decoded(at) };
}
