// Calibrates the law: finds the costs of a model with which it comes closest to what was measured.

import { median } from '../statistics.js';
import { keyOf } from './grid.js';
import {
  batchOf,
  clientUs,
  delayUs,
  predict,
  type ClientLaw,
  type Conditions,
  type LawParameters,
  type ModelLaw,
} from './law.js';
import { minimise } from './minimise.js';

/** What the law learns from: the medians of a model under a condition. */
export interface Observation extends Conditions {
  readonly requestsPerSecond: number;
  readonly served: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly serverCpuUs: number;
  readonly generatorCpuUs: number;
  readonly upstreamCpuUs: number;
}

type Name = keyof LawParameters;
export const parameterNames: readonly Name[] = [
  'requestUs',
  'accountUs',
  'workUs',
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
  workUs: 5,
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
/** The same of the load: requestUs, waitUs, wakeUpUs. */
const usualClient: readonly number[] = [8, 14, 20];
/** With fewer requests per second the load's core is cold whenever one comes: that costs more than any wake-up here. */
const AWAKE_PER_SECOND = 1000;
/** Simplexes get stuck: each begins anew where the last one ended. */
const ATTEMPTS = 4;

/** Logarithms, so that costs stay positive; the sharpness stays above 1. */
function coded(parameters: LawParameters): number[] {
  return parameterNames.map((name) => Math.log(parameters[name] - (name === 'sharpness' ? 1 : 0)));
}
function decoded(at: readonly number[]): LawParameters {
  const values = parameterNames.map((name, index) => [
    name,
    Math.exp(at[index]) + (name === 'sharpness' ? 1 : 0),
  ]);
  return Object.fromEntries(values) as Record<Name, number>;
}

/**
 * The point with the least sum of `of`, as far as it is found from `first`. Sums of absolute values, so that one cell in
 * which the machine hiccupped bends nothing.
 */
function closest(first: readonly number[], of: (at: readonly number[]) => number): number[] {
  const held = (at: readonly number[]): number =>
    of(at) + REST_WEIGHT * at.reduce((all, value, index) => all + (value - first[index]) ** 2, 0);
  let at = [...first];
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) at = minimise(held, at, { step: 1 / (attempt + 1) });
  return at;
}

const off = (predicted: number, measured: number): number => Math.abs(Math.log(predicted / measured));
const loadUs = (one: Observation): number => one.generatorCpuUs + one.upstreamCpuUs;

/**
 * The load's own costs: those with which the sum of |log(predicted / measured)| of what its processes used is least. Of
 * each load it is the least that a model has let them use: a slow server hands them its replies one by one.
 */
export function fitClient(observations: readonly Observation[], sharedCores: number | null): ClientLaw {
  const usable = observations.filter((one) => one.cpuUs === 0 && loadUs(one) > 0);
  const awake = usable.filter(({ requestsPerSecond }) => requestsPerSecond >= AWAKE_PER_SECOND);
  const least = new Map<string, Observation>();
  for (const one of awake.length > 0 ? awake : usable) {
    const other = least.get(keyOf(one));
    if (other === undefined || loadUs(one) < loadUs(other)) least.set(keyOf(one), one);
  }
  const lawAt = (at: readonly number[]): ClientLaw => {
    const [requestUs, waitUs, wakeUpUs] = at.map(Math.exp);
    return { requestUs, waitUs, wakeUpUs, sharedCores };
  };
  const at = closest(usualClient.map(Math.log), (tried) => {
    const law = lawAt(tried);
    let sum = 0;
    for (const one of least.values()) {
      const batch = batchOf(one.served, clientUs(law, one, 1), delayUs(usual, one));
      sum += off(clientUs(law, one, batch), loadUs(one));
    }
    return sum / Math.max(least.size, 1);
  });
  return lawAt(at);
}

/** The model's parameters: those with which the same sum, of throughput and of CPU per request, is least. */
export function fitModel(
  law: Omit<ModelLaw, 'parameters' | 'tail'>,
  client: ClientLaw,
  observations: readonly Observation[],
): ModelLaw {
  const tail = observations.length === 0 ? 1 : median(observations.map((one) => one.p99Us / one.p50Us));
  const at = closest(coded(usual), (tried) => {
    const triedLaw = { ...law, tail, parameters: decoded(tried) };
    let sum = 0;
    for (const one of observations) {
      const { requestsPerSecond, serverCpuUs } = predict(triedLaw, client, one);
      sum += off(requestsPerSecond, one.requestsPerSecond);
      if (one.serverCpuUs > 0) sum += CPU_WEIGHT * off(serverCpuUs, one.serverCpuUs);
    }
    return sum / Math.max(observations.length, 1);
  });
  return { ...law, tail, parameters: decoded(at) };
}
