// Checks what the load generator is told, and fills in the defaults.

import { isIPv4, isIPv6 } from 'node:net';
import { argumentError, checkInteger, checkMs, checkObject, checkPort } from '../errors.js';
import { CPU_US_MAX, PAYLOAD_BYTES_MAX, WAIT_MS_MAX } from '../workload/frames.js';
import type { ArrivalKind } from './arrivals.js';
import { LOAD_MODES } from './config.js';
import type { ActivesConfig, LoadConfig, LoadMode, LoadSettings } from './config.js';

/** One pair of addresses has about 28,000 ports for outgoing connections (net.ipv4.ip_local_port_range). */
const CONNECTIONS_PER_SOURCE = 25_000;
const CONNECTIONS_MAX = 1_000_000;
const DEPTH_MAX = 65_536;
/** More than any request's table should hold: 2^22 of them take 130 MiB. */
const OUTSTANDING_MAX = 2 ** 22;
const DURATION_MS_MAX = 86_400_000;

const modesOf: Partial<Record<keyof LoadConfig, readonly LoadMode[]>> = {
  depth: ['closed', 'slow-read'],
  ratePerSecond: ['open', 'arrive'],
  arrivals: ['open', 'arrive'],
  outstandingMax: ['open', 'arrive'],
  requestsPerConnection: ['churn'],
  bytesPerSecond: ['slow-read', 'slow-write'],
  requestsMax: ['closed', 'churn'],
};

/** Every setting that there is: a misspelt one is refused and not ignored. */
const known: Record<keyof LoadConfig, true> = {
  port: true,
  mode: true,
  host: true,
  connections: true,
  depth: true,
  ratePerSecond: true,
  arrivals: true,
  outstandingMax: true,
  requestsPerConnection: true,
  bytesPerSecond: true,
  actives: true,
  payloadBytes: true,
  cpuUs: true,
  waitMs: true,
  warmUpMs: true,
  durationMs: true,
  requestsMax: true,
  requestTimeoutMs: true,
  connectTimeoutMs: true,
  connectingMax: true,
  connectsPerSecond: true,
  sourceHosts: true,
  closing: true,
  seed: true,
  recordsMax: true,
  progressMs: true,
  startOnLine: true,
};

/** Fills in the defaults. Throws ERR_ARGUMENT, with the argument's name and value, for whatever is wrong. */
export function checkConfig(config: LoadConfig): LoadSettings {
  checkObject('config', config);
  for (const [name, value] of Object.entries(config)) {
    if (!Object.hasOwn(known, name))
      throw argumentError(`config.${name}`, 'left out: there is no such setting', value);
  }
  const { mode, host = '127.0.0.1', requestTimeoutMs = 10_000 } = config;
  oneOf('mode', mode, LOAD_MODES);
  const openLoop = mode === 'open' || mode === 'arrive';
  const connections = config.connections ?? (mode === 'arrive' ? 0 : 1);
  for (const [name, modes] of Object.entries(modesOf)) {
    const value = config[name as keyof LoadConfig];
    if (value !== undefined && !modes.includes(mode)) {
      throw argumentError(
        `config.${name}`,
        `left out in mode '${mode}' (it belongs to ${modes.join(', ')})`,
        value,
      );
    }
  }
  checkPort('config.port', config.port);
  if (config.port === 0) throw argumentError('config.port', 'the port of a server, from 1 to 65535', 0);
  checkAddress('config.host', host);
  const fewest = mode === 'idle' || mode === 'arrive' ? 0 : 1;
  checkInteger('config.connections', connections, fewest, mode === 'arrive' ? 0 : CONNECTIONS_MAX);
  positiveMs('requestTimeoutMs', requestTimeoutMs);

  const settings: LoadSettings = {
    port: config.port,
    mode,
    host,
    connections,
    depth: mode === 'closed' || mode === 'slow-read' ? integer('depth', config.depth, 1, 1, DEPTH_MAX) : null,
    ratePerSecond: openLoop ? rate('ratePerSecond', config.ratePerSecond) : null,
    arrivals: openLoop
      ? oneOf<ArrivalKind>('arrivals', config.arrivals ?? 'poisson', ['fixed', 'poisson'])
      : null,
    outstandingMax: null,
    requestsPerConnection:
      mode === 'churn' ? integer('requestsPerConnection', config.requestsPerConnection, 1, 1, 2 ** 31) : null,
    bytesPerSecond:
      mode === 'slow-read' || mode === 'slow-write' ? rate('bytesPerSecond', config.bytesPerSecond) : null,
    actives: actives(config.actives, requestTimeoutMs),
    payloadBytes: integer('payloadBytes', config.payloadBytes, 64, 0, PAYLOAD_BYTES_MAX),
    cpuUs: integer('cpuUs', config.cpuUs, 0, 0, CPU_US_MAX),
    waitMs: integer('waitMs', config.waitMs, 0, 0, WAIT_MS_MAX),
    warmUpMs: milliseconds('warmUpMs', config.warmUpMs, 500),
    durationMs: positiveMs('durationMs', config.durationMs ?? 1000),
    requestsMax:
      config.requestsMax === undefined
        ? null
        : integer('requestsMax', config.requestsMax, 0, 1, Number.MAX_SAFE_INTEGER),
    requestTimeoutMs,
    connectTimeoutMs: positiveMs('connectTimeoutMs', config.connectTimeoutMs ?? 5000),
    connectingMax: integer('connectingMax', config.connectingMax, 128, 1, CONNECTIONS_MAX),
    connectsPerSecond: integer('connectsPerSecond', config.connectsPerSecond, 0, 0, 1_000_000),
    sourceHosts: sources(config.sourceHosts, host, connections + (config.actives?.connections ?? 0)),
    closing: oneOf<'reset' | 'end'>('closing', config.closing ?? 'reset', ['reset', 'end']),
    seed: integer('seed', config.seed, 1, 0, 0xffff_ffff),
    recordsMax: integer('recordsMax', config.recordsMax, 0, 0, 100_000),
    progressMs: milliseconds('progressMs', config.progressMs, 0),
    startOnLine: config.startOnLine ?? false,
  };
  if (typeof settings.startOnLine !== 'boolean') {
    throw argumentError('config.startOnLine', 'true or false', config.startOnLine);
  }
  if (settings.ratePerSecond !== null) {
    const timeoutBrings = Math.ceil((settings.ratePerSecond * requestTimeoutMs) / 1000) + 1024;
    const enough = Math.min(timeoutBrings, OUTSTANDING_MAX);
    settings.outstandingMax = integer('outstandingMax', config.outstandingMax, enough, 1, OUTSTANDING_MAX);
  }
  if (connections * (settings.depth ?? 1) > OUTSTANDING_MAX) {
    throw argumentError('config.connections * config.depth', `at most ${OUTSTANDING_MAX}`, [
      connections,
      settings.depth,
    ]);
  }
  return settings;
}

function actives(given: ActivesConfig | undefined, requestTimeoutMs: number): Required<ActivesConfig> | null {
  if (given === undefined) return null;
  checkObject('config.actives', given);
  const { connections, intervalMs = 100, timeoutMs = requestTimeoutMs, ...rest } = given;
  for (const [name, value] of Object.entries(rest)) {
    throw argumentError(`config.actives.${name}`, 'left out: there is no such setting', value);
  }
  checkInteger('config.actives.connections', connections, 1, 100_000);
  positiveMs('actives.intervalMs', intervalMs);
  positiveMs('actives.timeoutMs', timeoutMs);
  return { connections, intervalMs, timeoutMs };
}

function sources(given: string[] | undefined, host: string, connections: number): string[] {
  if (given !== undefined) {
    if (!Array.isArray(given)) throw argumentError('config.sourceHosts', 'an array of addresses', given);
    given.forEach((source, i) => {
      checkAddress(`config.sourceHosts[${i}]`, source);
      if (isIPv4(source) !== isIPv4(host)) {
        throw argumentError(`config.sourceHosts[${i}]`, `of the same family as config.host, ${host}`, source);
      }
    });
    return given;
  }
  const needed = Math.ceil(connections / CONNECTIONS_PER_SOURCE);
  // Only the loopback network has addresses that need no setting up.
  if (needed < 2 || !host.startsWith('127.')) return [];
  return Array.from({ length: needed }, (_, i) => `127.0.0.${i + 1}`);
}

function integer(
  name: string,
  value: number | undefined,
  byDefault: number,
  min: number,
  max: number,
): number {
  const given = value ?? byDefault;
  checkInteger(`config.${name}`, given, min, max);
  return given;
}

function milliseconds(name: string, value: number | undefined, byDefault: number): number {
  const given = value ?? byDefault;
  checkMs(`config.${name}`, given);
  if (given > DURATION_MS_MAX)
    throw argumentError(`config.${name}`, `at most ${DURATION_MS_MAX} ms, a day`, given);
  return given;
}

function positiveMs(name: string, value: number): number {
  milliseconds(name, value, value);
  if (value <= 0) throw argumentError(`config.${name}`, 'a number of milliseconds above 0', value);
  return value;
}

function rate(name: string, value: number | undefined): number {
  if (typeof value !== 'number' || !(value > 0 && value <= 1e9)) {
    throw argumentError(`config.${name}`, 'a number above 0, at most 1e9', value);
  }
  return value;
}

function oneOf<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (!allowed.includes(value)) {
    throw argumentError(`config.${name}`, `one of ${allowed.map((one) => `'${one}'`).join(', ')}`, value);
  }
  return value;
}

function checkAddress(name: string, value: string): void {
  if (typeof value !== 'string' || (!isIPv4(value) && !isIPv6(value))) {
    throw argumentError(name, 'a numeric address such as 127.0.0.1', value);
  }
}
