// What the generator refuses, before it has connected to anything, and in which words; and its defaults.

import { describe, expect, it } from 'vitest';
import { checkConfig } from '../../src/load/check-config.js';
import { LOAD_MODES } from '../../src/load/config.js';
import type { LoadConfig } from '../../src/load/config.js';

const good: LoadConfig = { port: 4000, mode: 'closed' };
const refused = (change: Record<string, unknown>): unknown => {
  try {
    return checkConfig({ ...good, ...change } as LoadConfig);
  } catch (error) {
    return error;
  }
};

describe('load config', () => {
  it.each([
    [{ port: 0 }, 'config.port', '0'],
    [{ port: 70_000 }, 'config.port', '70000'],
    [{ mode: 'fast' }, 'config.mode', "'fast'"],
    [{ host: 'localhost' }, 'config.host', "'localhost'"],
    [{ connections: 0 }, 'config.connections', '0'],
    [{ connections: 2.5 }, 'config.connections', '2.5'],
    [{ depth: 0 }, 'config.depth', '0'],
    [{ connections: 100_000, depth: 1000 }, 'config.connections * config.depth', '100000'],
    [{ ratePerSecond: 10 }, 'config.ratePerSecond', '10'],
    [{ mode: 'open' }, 'config.ratePerSecond', 'undefined'],
    [{ mode: 'open', ratePerSecond: -1 }, 'config.ratePerSecond', '-1'],
    [{ mode: 'open', ratePerSecond: 1, arrivals: 'bursts' }, 'config.arrivals', "'bursts'"],
    [{ mode: 'open', ratePerSecond: 1, depth: 2 }, 'config.depth', '2'],
    [{ mode: 'slow-read' }, 'config.bytesPerSecond', 'undefined'],
    [{ requestsPerConnection: 1 }, 'config.requestsPerConnection', '1'],
    [{ payloadBytes: 2 ** 20 + 1 }, 'config.payloadBytes', '1048577'],
    [{ cpuUs: 60_000_001 }, 'config.cpuUs', '60000001'],
    [{ waitMs: 600_001 }, 'config.waitMs', '600001'],
    [{ warmUpMs: -1 }, 'config.warmUpMs', '-1'],
    [{ durationMs: 0 }, 'config.durationMs', '0'],
    [{ durationMs: Infinity }, 'config.durationMs', 'Infinity'],
    [{ durationMs: 1e12 }, 'config.durationMs', '1000000000000'],
    [{ requestTimeoutMs: 0 }, 'config.requestTimeoutMs', '0'],
    [{ actives: { connections: 0 } }, 'config.actives.connections', '0'],
    [{ actives: { connections: 1, rate: 5 } }, 'config.actives.rate', '5'],
    [{ sourceHosts: ['here'] }, 'config.sourceHosts[0]', "'here'"],
    [{ sourceHosts: ['::1'] }, 'config.sourceHosts[0]', "'::1'"],
    [{ closing: 'softly' }, 'config.closing', "'softly'"],
    [{ startOnLine: 'yes' }, 'config.startOnLine', "'yes'"],
    [{ conections: 10 }, 'config.conections', '10'],
  ])('refuses %j with a coded error that names argument and value', (change, name, value) => {
    expect(refused(change)).toMatchObject({ code: 'ERR_ARGUMENT' });
    const { message } = refused(change) as Error;
    expect(message.startsWith(`${name} must be `)).toBe(true);
    expect(message).toContain(value);
  });

  it('always has a bounded duration, timeouts, and requests under way', () => {
    for (const mode of LOAD_MODES) {
      const openLoop = mode === 'open' || mode === 'arrive';
      const settings = checkConfig({
        port: 1,
        mode,
        ...(openLoop && { ratePerSecond: 1e6 }),
        ...(mode.startsWith('slow') && { bytesPerSecond: 10 }),
      });
      expect(settings.durationMs).toBe(1000);
      expect(settings.requestTimeoutMs).toBe(10_000);
      expect(settings.connectTimeoutMs).toBe(5000);
      if (openLoop) expect(settings.outstandingMax).toBeLessThanOrEqual(2 ** 22);
    }
  });

  it('takes several source addresses when one pair of addresses has too few ports', () => {
    expect(checkConfig({ port: 1, mode: 'idle', connections: 20_000 }).sourceHosts).toEqual([]);
    expect(checkConfig({ port: 1, mode: 'idle', connections: 60_000 }).sourceHosts).toEqual([
      '127.0.0.1',
      '127.0.0.2',
      '127.0.0.3',
    ]);
  });
});
