// The generator as a process against a server as a process: what it prints, how it ends, and what it makes of a stopped server.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { LoadConfig } from '../../src/load/config.js';
import type { LoadProgress, LoadResult } from '../../src/load/result.js';

const generator = fileURLToPath(new URL('../../dist/load/generate.js', import.meta.url));
const serverProgram = fileURLToPath(new URL('./server.mjs', import.meta.url));

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

interface Process {
  child: ChildProcess;
  lines: Record<string, unknown>[];
  errors: string[];
  exit: Promise<number | null>;
  /** The first line that is so. */
  line(test: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
}

function start(program: string, args: string[]): Process {
  const child = spawn(process.execPath, [program, ...args], { stdio: 'pipe' });
  children.push(child);
  const lines: Record<string, unknown>[] = [];
  const errors: string[] = [];
  const waiting = new Set<() => void>();
  child.stderr.setEncoding('utf8').on('data', (text: string) => errors.push(text));
  child.stdin.on('error', () => undefined); // it may end first
  createInterface({ input: child.stdout }).on('line', (text) => {
    lines.push(JSON.parse(text) as Record<string, unknown>);
    for (const look of waiting) look();
  });
  const exit = once(child, 'close').then(([code]) => code as number | null);
  const line: Process['line'] = async (test) =>
    Promise.race([
      new Promise<Record<string, unknown>>((resolve) => {
        const look = (): void => {
          const found = lines.find(test);
          if (found !== undefined) resolve(found);
        };
        waiting.add(look);
        look();
      }),
      exit.then((code) => {
        const found = lines.find(test);
        if (found !== undefined) return found;
        throw new Error(
          `it ended with ${String(code)} before; it said ${JSON.stringify(lines)} ${errors.join('')}`,
        );
      }),
    ]);
  return { child, lines, errors, exit, line };
}

async function startServer(): Promise<{ port: number; child: ChildProcess }> {
  const server = start(serverProgram, []);
  const { port } = await server.line(() => true);
  return { port: port as number, child: server.child };
}

function startLoad(config: LoadConfig): Process {
  const load = start(generator, []);
  load.child.stdin?.write(`${JSON.stringify(config)}\n`);
  return load;
}

const resultOf = async (load: Process): Promise<LoadResult> =>
  (await load.line(({ type }) => type === 'result')) as unknown as LoadResult;
const isPhase = (phase: string) => (line: Record<string, unknown>) => line['phase'] === phase;

describe('generate', () => {
  it('takes a config on stdin and prints one result', async () => {
    const server = await startServer();
    const load = startLoad({
      port: server.port,
      mode: 'closed',
      connections: 8,
      depth: 4,
      warmUpMs: 50,
      durationMs: 200,
    });
    const result = await resultOf(load);
    expect(await load.exit).toBe(0);
    expect(load.lines).toEqual([{ type: 'ready', pid: load.child.pid }, result]);
    expect(result).toMatchObject({ version: 1, pid: load.child.pid, ended: 'duration', failure: null });
    expect(result.requests.answered).toBeGreaterThan(0);
    expect(result.requests.answered).toBe(result.requests.sent);
    expect(result.self.cpuShare).toBeGreaterThan(0);
    expect(result.self.threadCpuShare).toBeLessThanOrEqual(result.self.cpuShare + 0.2);
  });

  it('takes a config as an argument, tells of its progress, and keeps times in its window', async () => {
    const server = await startServer();
    const config: LoadConfig = {
      port: server.port,
      mode: 'open',
      ratePerSecond: 500,
      connections: 4,
      warmUpMs: 100,
      durationMs: 400,
      progressMs: 50,
    };
    const load = start(generator, ['--config', JSON.stringify(config)]);
    const result = await resultOf(load);
    expect(await load.exit).toBe(0);
    const progress = load.lines.slice(0, -1) as unknown as LoadProgress[];
    expect(progress.every(({ type }) => type === 'progress')).toBe(true);
    expect(progress.filter(({ phase }) => phase === 'measuring').length).toBeGreaterThan(1);
    expect(result.requests.sent).toBe(result.requests.answered);
    expect(result.times.windowMs).toBeCloseTo(400, 6);
  });

  it('shows p99 >= 1 s in open loop when the server is stopped for 1.4 s, which the closed loop hides', async () => {
    const shape = { connections: 8, warmUpMs: 300, durationMs: 5000, progressMs: 100 };
    const measure = async (config: Omit<LoadConfig, 'port'>): Promise<LoadResult> => {
      const server = await startServer();
      const load = startLoad({ port: server.port, ...config });
      await load.line(isPhase('measuring'));
      await sleep(500);
      server.child.kill('SIGSTOP');
      await sleep(1400);
      server.child.kill('SIGCONT');
      const result = await resultOf(load);
      expect(await load.exit).toBe(0);
      server.child.stdin?.end();
      return result;
    };
    const [open, closed] = [
      await measure({ mode: 'open', ratePerSecond: 1000, ...shape }),
      await measure({ mode: 'closed', ...shape }),
    ];
    expect(open.latency?.p99Ms).toBeGreaterThanOrEqual(1000);
    expect(closed.latency?.p99Ms).toBeLessThan(200);
    expect(closed.latency?.maxMs).toBeGreaterThanOrEqual(1390);
    expect(open.requests.answered).toBe(open.requests.sent);
  });

  it('reports what it has when its stdin ends', async () => {
    const server = await startServer();
    const load = startLoad({
      port: server.port,
      mode: 'closed',
      warmUpMs: 0,
      durationMs: 600_000,
      progressMs: 20,
    });
    await load.line(isPhase('measuring'));
    load.child.stdin?.end();
    expect(await resultOf(load)).toMatchObject({ ended: 'interrupted', failure: null });
    expect(await load.exit).toBe(0);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('reports what it has at %s', async (signal) => {
    const server = await startServer();
    const load = startLoad({
      port: server.port,
      mode: 'idle',
      connections: 50,
      durationMs: 600_000,
      progressMs: 20,
    });
    await load.line(isPhase('warm-up'));
    load.child.kill(signal);
    const result = await resultOf(load);
    expect(result.ended).toBe('interrupted');
    expect(result.connections.connected).toBe(50);
    expect(await load.exit).toBe(0);
  });

  it('holds until it is told to start', async () => {
    const server = await startServer();
    const load = startLoad({
      port: server.port,
      mode: 'idle',
      connections: 20,
      actives: { connections: 2, intervalMs: 20 },
      warmUpMs: 0,
      durationMs: 200,
      startOnLine: true,
    });
    const connected = await load.line(isPhase('connected'));
    expect(connected).toMatchObject({ open: 22, answered: 0 });
    load.child.stdin?.write('start\n');
    const result = await resultOf(load);
    expect(result.ended).toBe('duration');
    expect(result.actives?.requests.answered).toBeGreaterThan(0);
  });

  it('says that the server has died', async () => {
    const server = await startServer();
    const load = startLoad({
      port: server.port,
      mode: 'closed',
      warmUpMs: 0,
      durationMs: 600_000,
      progressMs: 20,
    });
    await load.line(isPhase('measuring'));
    server.child.kill('SIGKILL');
    const result = await resultOf(load);
    expect(result.failure).toBe('all connections are closed');
    expect(await load.exit).toBe(1);
  });

  it.each([
    ['{"port":1}', 'config.mode must be'],
    ['{"port":1,"mode":"closed","depth":-1}', 'config.depth must be'],
    ['nonsense', "config must be one line of JSON; got 'nonsense'"],
  ])('refuses the config %s with a coded error', async (config, message) => {
    const load = start(generator, ['--config', config]);
    const line = await load.line(() => true);
    expect(line).toMatchObject({ type: 'error', code: 'ERR_ARGUMENT' });
    expect(line['message']).toContain(message);
    expect(await load.exit).toBe(2);
    expect(load.errors.join('')).toContain(message);
  });

  it('refuses arguments that it does not know', async () => {
    const load = start(generator, ['--confg', '{}']);
    expect(await load.exit).toBe(2);
    expect(load.errors.join('')).toContain('--confg');
  });
});
