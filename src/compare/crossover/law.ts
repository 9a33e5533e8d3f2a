// The law: what a model does under a load nobody has measured, out of Little's law and costs calibrated on this machine.

/** A load: every connection asks again as soon as it is answered, and each request works and then waits for so long. */
export interface Conditions {
  readonly connections: number;
  readonly cpuUs: number;
  readonly waitMs: number;
}

/** What a model costs here. All times are microseconds, and all but `sharpness` are of one request. */
export interface LawParameters {
  /** CPU of every request: the calls, the frames. */
  readonly requestUs: number;
  /** CPU of accounting, of requests that work or wait. */
  readonly accountUs: number;
  /** CPU of work beyond what was asked for: cold caches after it, and a reply that goes out alone. */
  readonly workUs: number;
  /** CPU of waking up and going to sleep, shared by those that are served in one go. */
  readonly wakeUpUs: number;
  /** CPU more with each doubling of the connections served: caches, run queues. */
  readonly growthUs: number;
  /** CPU of the call to the upstream, of requests that wait. */
  readonly waitUs: number;
  /** Time that an unloaded request takes beyond CPU and wait: the network, the client, cores that wake up. */
  readonly latencyUs: number;
  /** The same, more, of requests that wait: the upstream's timer and its way. */
  readonly waitLatencyUs: number;
  /** How sharp the knee is: 1 all waits add up, large: only the longest counts. */
  readonly sharpness: number;
}

export interface MemoryLaw {
  readonly baseBytes: number;
  /** Both ends' sockets are in it. */
  readonly perConnectionBytes: number;
}

export interface ModelLaw {
  readonly contestant: string;
  /** Connections that are served at once; null: all. */
  readonly servedMax: number | null;
  /** Cores on which the model can run. */
  readonly cores: number;
  readonly parameters: LawParameters;
  /** p99 by median of the same load: the median over what the law has learned from. */
  readonly tail: number;
  readonly memory: MemoryLaw | null;
}

/** The load's own cost: in this measurement it has a core of its own, which can be the bottleneck. */
export interface ClientLaw {
  /** CPU of generator and upstream per request, and more of requests that wait. */
  readonly requestUs: number;
  readonly waitUs: number;
  /** CPU of waking up and going to sleep, shared by those that come in one go. */
  readonly wakeUpUs: number;
  /** Cores that server and load share; null: the load has a core of its own. */
  readonly sharedCores: number | null;
}

export interface Prediction {
  readonly requestsPerSecond: number;
  /** From send to reply; all connections alike, so that mean and median are one. */
  readonly latencyUs: number;
  readonly serverCpuUs: number;
  /** Of all the cores that it may use. */
  readonly serverBusy: number;
  readonly served: number;
  readonly memoryBytes: number | null;
  /** What to raise first for more throughput. */
  readonly limit: 'connections' | 'server CPU' | 'client CPU';
}

/** How often a request wakes up the server: for itself, and for the upstream's answer. */
const wakeUps = (waits: boolean): number => (waits ? 2 : 1);
/** And the load's core: for the reply, and its upstream for the call and for its timer. */
const clientWakeUps = (waits: boolean): number => (waits ? 3 : 1);

/** Several waits of which the longest counts most: their p-norm. */
function joined(sharpness: number, waits: readonly number[]): number {
  const longest = Math.max(...waits);
  if (longest <= 0) return 0;
  const sum = waits.reduce((all, wait) => all + (Math.max(wait, 0) / longest) ** sharpness, 0);
  return longest * sum ** (1 / sharpness);
}

/** Time of one request that is alone, beyond its server's CPU: wait, network, wake-ups. */
export function delayUs({ latencyUs, waitLatencyUs }: LawParameters, { waitMs }: Conditions): number {
  return latencyUs + (waitMs > 0 ? waitMs * 1000 + waitLatencyUs : 0);
}

/** CPU of one request, if `batch` are served in one go. */
export function demandUs(
  of: LawParameters,
  { cpuUs, waitMs }: Conditions,
  served: number,
  batch: number,
): number {
  const waits = waitMs > 0;
  const works = cpuUs > 0;
  const account = works || waits ? of.accountUs : 0;
  const asked = (works ? cpuUs + of.workUs : 0) + (waits ? of.waitUs : 0);
  const wakes = (wakeUps(waits) * of.wakeUpUs) / batch;
  return asked + of.requestUs + account + wakes + of.growthUs * Math.log2(served);
}

/** CPU of one request on the load's own core, if `batch` come in one go. */
export function clientUs(
  { requestUs, waitUs, wakeUpUs }: ClientLaw,
  { waitMs }: Conditions,
  batch: number,
): number {
  const waits = waitMs > 0;
  return requestUs + (waits ? waitUs : 0) + (clientWakeUps(waits) * wakeUpUs) / batch;
}

/**
 * How many are served in one go: a request, and those that it finds where it comes to. Each of them is there for
 * `aloneUs`, and elsewhere for `delay`.
 */
export function batchOf(served: number, aloneUs: number, delay: number): number {
  return 1 + ((served - 1) * aloneUs) / (delay + aloneUs);
}

/**
 * What a model will do. `client` null: the load is on machines of its own and never the bottleneck.
 *
 * m connections are served at once (pool: its threads). One request alone takes R1 = Z + D. Of m that ask all the time
 * the others take the server's CPU first, (m / cores - 1) D, or the client's; together with Z they are joined by a norm,
 * R = D + |Z, (m / cores - 1) D, (m - 1) Dc|. Little's law: X = m / R.
 */
export function predict(law: ModelLaw, client: ClientLaw | null, conditions: Conditions): Prediction {
  const { parameters, cores, memory } = law;
  const served = Math.min(conditions.connections, law.servedMax ?? Infinity);
  const delay = delayUs(parameters, conditions);
  const alone = demandUs(parameters, conditions, served, 1);
  const demand = demandUs(parameters, conditions, served, batchOf(served, alone, delay));
  const atServer = Math.max(served / cores - 1, 0) * demand;
  let atClient = 0;
  if (client !== null) {
    const clientAlone = clientUs(client, conditions, 1);
    const clientDemand = clientUs(client, conditions, batchOf(served, clientAlone, delay));
    atClient = (served - 1) * clientDemand;
    if (client.sharedCores !== null) {
      atClient = Math.max(atClient, (served * (demand + clientDemand)) / client.sharedCores - demand);
    }
  }
  const latencyUs = demand + joined(parameters.sharpness, [delay, atServer, atClient]);
  const requestsPerSecond = (served * 1e6) / latencyUs;
  const longest = Math.max(delay, atServer, atClient);
  return {
    requestsPerSecond,
    latencyUs,
    serverCpuUs: demand,
    serverBusy: Math.min((requestsPerSecond * demand) / 1e6 / cores, 1),
    served,
    memoryBytes:
      memory === null ? null : memory.baseBytes + memory.perConnectionBytes * conditions.connections,
    limit: longest === delay ? 'connections' : longest === atServer ? 'server CPU' : 'client CPU',
  };
}

/** The most that a model can do with any number of connections: all cores busy. Requests per second. */
export function capacityPerSecond(law: ModelLaw, conditions: Conditions): number {
  const served = Math.min(conditions.connections, law.servedMax ?? Infinity);
  const { parameters } = law;
  return (law.cores * 1e6) / demandUs(parameters, conditions, served, Math.max(served, 1));
}
