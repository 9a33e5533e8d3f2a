// examples/articles as their users meet them: what they measure bears the relation that they tell of, and nothing is left behind.

import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPostgres, type DatabaseServer } from '../../examples/lib/postgres-server.js';
import { connectPostgres } from '../../examples/lib/postgres-sync.js';
import { redisMissing, startRedis } from '../../examples/lib/redis-server.js';
import { runProgram, startProgram, type Program } from '../lifecycle/child.js';

/** A case as the program prints it. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Figures = any;
interface Article {
  cases: Figures[];
  holds: boolean;
  verdict: string;
}
type Verdict = (cases: Figures[]) => { holds: boolean; text: string };

const folder = '../examples/articles';
const names = ['fetch-twice', 'five-requests', 'get-user', 'cpu-bound', 'queue-consumer'];
const missing = redisMissing();

const env: Record<string, string> = {};
const servers: DatabaseServer[] = [];
beforeAll(async () => {
  const postgres = startPostgres();
  servers.push(postgres);
  env['DATABASE_URL'] = await postgres.started;
  if (missing !== null) return;
  const redis = startRedis();
  servers.push(redis);
  env['REDIS_URL'] = await redis.started;
});
afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop()));
});

/** Runs it with small numbers, and turns the figures round: the verdict must turn with them. */
async function measured(name: string, turned: (cases: Figures[]) => Figures[]): Promise<Figures[]> {
  const outcome = await runProgram(`${folder}/${name}.js`, ['--fast', '--json'], { env, hangMs: 25_000 });
  expect(outcome).toMatchObject({ code: 0, stderr: '' });
  const { cases, holds, verdict: told } = JSON.parse(outcome.stdout) as Article;
  expect(holds, told).toBe(true);
  const url = new URL(`../../examples/articles/${name}.js`, import.meta.url);
  const { verdict } = (await import(url.href)) as { verdict: Verdict };
  expect(verdict(cases)).toEqual({ holds, text: told });
  const otherwise = verdict(turned(cases));
  expect(otherwise.holds, otherwise.text).toBe(false);
  expect(otherwise.text).not.toBe(told);
  return cases;
}

/**
 * They compare what was measured, and for half a second only: a machine that is busy with other work spoils an attempt now and
 * then. An error of ours spoils every one.
 */
const DISTURBED = { retry: 2 };

describe('--fast --json', DISTURBED, () => {
  test.concurrent(
    'fetch-twice: the sum of the waits when each blocks, less when they are gathered',
    async () => {
      const [sync, async] = await measured('fetch-twice', ([sync, async]) => [async, sync]);
      // By the server's stamps: both clients made it wait for as long.
      expect(sync.longestMs).toBeGreaterThanOrEqual(300);
      expect(async.longestMs).toBeGreaterThanOrEqual(300);
      expect(sync.tookMs).toBeGreaterThanOrEqual(sync.sumMs);
      expect(async.tookMs).toBeGreaterThanOrEqual(async.longestMs);
      expect(async.tookMs).toBeLessThan(async.sumMs);
      expect(sync.ticks).toBe(0);
      expect(async.ticks).toBeGreaterThan(0);
    },
  );

  test.concurrent('five-requests: five calls with the synchronous driver, about one with pg', async () => {
    const [sync, pg] = await measured('five-requests', ([sync, pg]) => [pg, sync]);
    const { requests, callMs } = sync;
    expect(requests).toBe(5);
    expect(sync.answeredMs.at(-1)).toBeGreaterThanOrEqual(requests * callMs);
    expect(pg.answeredMs[0]).toBeGreaterThanOrEqual(callMs);
    expect(pg.answeredMs.at(-1)).toBeLessThan(requests * callMs);
    expect(sync.lag.maxMs).toBeGreaterThan(callMs);
    expect(pg.lag.maxMs).toBeLessThan(sync.lag.maxMs);
  });

  test('get-user: so many queries at a time as there are connections, and the loop is free unless it makes them', async () => {
    const cases = await measured('get-user', ([sync, pool, ...rest]) => [pool, sync, ...rest]);
    const [sync, pool, small, ...executors] = cases;
    const perConnection = 1000 / sync.queryMs;
    expect(sync.perSecond).toBeLessThanOrEqual(perConnection);
    expect(small.perSecond).toBeLessThanOrEqual(10 * perConnection);
    for (const c of executors) expect(c.perSecond).toBeLessThanOrEqual(c.size * perConnection);
    expect(pool.perSecond).toBeGreaterThan(0.4 * sync.clients * sync.perSecond);
    expect(sync.others.p50Ms).toBeGreaterThan(sync.queryMs);
    for (const c of [pool, small, ...executors]) {
      expect(c.lag.maxMs, c.name).toBeLessThan(sync.lag.maxMs);
      expect(c.others.p50Ms, c.name).toBeLessThan(sync.others.p50Ms);
    }
    for (const { latency, others, lag } of cases) {
      for (const { p50Ms, p99Ms, maxMs } of [latency, others, lag]) {
        expect(p50Ms).toBeLessThanOrEqual(p99Ms);
        expect(p99Ms).toBeLessThanOrEqual(maxMs);
      }
    }
  });

  test('cpu-bound: others wait for computations in the loop, and not for those on an executor', async () => {
    const [loop, threads, processes] = await measured('cpu-bound', ([loop, ...rest]) => [...rest, loop]);
    for (const c of [threads, processes]) {
      expect(c.others.p50Ms, c.kind).toBeLessThan(loop.others.p50Ms / 2);
      expect(c.lag.p50Ms, c.kind).toBeLessThan(loop.lag.p50Ms);
      expect(c.roundTripMs).toBeGreaterThan(0);
    }
  });

  const title = missing === null ? '' : ` (skipped: ${missing})`;
  test.skipIf(missing !== null)(
    `queue-consumer: no faster than its waits when each blocks; many at a time when not${title}`,
    async () => {
      const cases = await measured('queue-consumer', ([sync, async, ...rest]) => [async, sync, ...rest]);
      const [sync, async] = cases;
      expect(cases.map(({ exactlyOnce }) => exactlyOnce)).toEqual([true, true, true, true]);
      expect(sync.tookMs).toBeGreaterThanOrEqual(sync.waitedMs);
      expect(async.tookMs).toBeLessThan(async.waitedMs);
      expect(async.waitedMs).toBeGreaterThanOrEqual(async.messages * async.waitMs);
    },
  );

  test.skipIf(missing !== null)(
    `what is not as the article says is exit status 1: a queue of which one message is read at a time${title}`,
    async () => {
      const args = ['--json', '--batch', '1', '--messages', '20', '--ms', '10'];
      const { code, stdout, stderr } = await runProgram(`${folder}/queue-consumer.js`, args, { env });
      expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
      expect(JSON.parse(stdout)).toMatchObject({ holds: false });
    },
  );
});

describe('the command line', () => {
  test.concurrent.each(names)('%s: --help, and what is wrong with an option', async (name) => {
    const run = (...args: string[]) => runProgram(`${folder}/${name}.js`, args);
    const [help, wrong] = await Promise.all([run('--help'), run('--ms', 'soon')]);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    for (const option of ['--fast', '--json', '--help', '--ms']) expect(help.stdout).toContain(option);
    expect(wrong).toMatchObject({ code: 2, stdout: '' });
    expect(wrong.stderr).toContain('--ms must be an integer from 1 to');
    expect(wrong.stderr).toContain("'soon'");
  });

  test('every command of docs/articles.md is one that the programs know, and every program is there', async () => {
    const document = readFileSync(new URL('../../docs/articles.md', import.meta.url), 'utf8');
    const commands = new Set(
      [...document.matchAll(/node examples\/articles\/(\S+\.js[^`\n]*)/g)].map(([, c]) => c!),
    );
    const programs = [...commands].map((command) => command.split('.')[0]);
    expect(new Set(programs)).toEqual(new Set(names));
    await Promise.all(
      [...commands].map(async (command) => {
        const [program, ...args] = command.trim().split(' ');
        const { code, stderr } = await runProgram(`${folder}/${program!}`, [...args, '--help']);
        expect({ command, code, stderr }).toEqual({ command, code: 0, stderr: '' });
      }),
    );
  });

  test('a server that cannot be had is exit status 3, and what to do', async () => {
    const noPath = { PATH: join(tmpdir(), 'no such folder') };
    expect(await runProgram(`${folder}/queue-consumer.js`, ['--fast', '--json'], { env: noPath })).toEqual({
      code: 3,
      signal: null,
      stdout: '',
      stderr:
        'queue-consumer: there is no Redis: set REDIS_URL to redis://127.0.0.1:6379, or install redis-server ' +
        '(Debian: apt-get install redis-server)\n',
    });
    const nobody = { DATABASE_URL: 'postgres://tester@127.0.0.1:1/postgres' };
    const refused = await runProgram(`${folder}/five-requests.js`, ['--fast', '--json'], { env: nobody });
    expect(refused).toMatchObject({ code: 3, stdout: '' });
    expect(refused.stderr).toContain('ECONNREFUSED');
  });
});

/** All processes that come from `pid`, with their command lines. */
function descendants(pid: number): Map<number, string> {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const [, parent] = /\) \S (\d+) /.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))!;
      parents.set(Number(name), Number(parent));
    } catch {
      // It has ended.
    }
  }
  const found = new Map<number, string>();
  const add = (of: number): void => {
    for (const [child, parent] of parents) {
      if (parent !== of || found.has(child)) continue;
      try {
        found.set(child, readFileSync(`/proc/${String(child)}/cmdline`, 'utf8'));
      } catch {
        continue;
      }
      add(child);
    }
  };
  add(pid);
  return found;
}

const isAlive = (pid: number): boolean => {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${String(pid)}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe.runIf(process.platform === 'linux')('nothing is left behind', () => {
  let temporary: string;
  beforeAll(() => {
    temporary = mkdtempSync(join(tmpdir(), 'underloop-articles-'));
    chmodSync(temporary, 0o755); // Postgres runs as somebody else where we are root
  });
  afterAll(() => rmSync(temporary, { recursive: true, force: true }));

  /** A server that is blocked in a call of its own Postgres for a minute, and all processes of the program. */
  async function blocked(): Promise<{ program: Program; pids: number[] }> {
    const program = startProgram(`${folder}/five-requests.js`, ['--ms', '60000'], {
      env: { TMPDIR: temporary, DATABASE_URL: '' },
      hangMs: 20_000,
    });
    let all = new Map<number, string>();
    const isBlocked = (): boolean => {
      all = descendants(program.child.pid!);
      return [...all.values()].some((command) => /^postgres: .* SELECT/.test(command));
    };
    await until(isBlocked);
    expect(readdirSync(temporary)).toHaveLength(1);
    // The load, the server, Postgres and what runs that, at least.
    expect(all.size).toBeGreaterThan(4);
    return { program, pids: [...all.keys()] };
  }

  test('Ctrl-C ends everything first, and is exit status 130', async () => {
    const { program, pids } = await blocked();
    program.child.kill('SIGINT');
    expect(await program.outcome).toMatchObject({ code: 130, stderr: '' });
    expect(pids.filter(isAlive)).toEqual([]);
    expect(readdirSync(temporary)).toEqual([]);
  });

  test('even SIGKILL leaves neither a process nor a folder', async () => {
    const { program, pids } = await blocked();
    program.child.kill('SIGKILL');
    expect(await program.outcome).toMatchObject({ signal: 'SIGKILL' });
    await until(() => !pids.some(isAlive) && readdirSync(temporary).length === 0);
  });

  test('nor does SIGKILL leave a process that is blocked in a call which goes on', async () => {
    const program = startProgram(`${folder}/five-requests.js`, ['--ms', '60000'], { env });
    const database = connectPostgres(env['DATABASE_URL']!);
    const calls = "select 1 from pg_stat_activity where state = 'active' and query like 'select pg_sleep%'";
    await until(() => database.query(calls).rows.length > 0);
    const pids = [...descendants(program.child.pid!).keys()];
    program.child.kill('SIGKILL');
    await until(() => !pids.some(isAlive));
    expect(database.query(calls).rows).toHaveLength(1);
    database.close();
  });

  test('SIGTERM is exit status 143; a reader that leaves early (| head) is no failure', async () => {
    const [terminated, unread] = [1, 2].map(() => startProgram(`${folder}/fetch-twice.js`, ['--ms', '700']));
    const pids = (program: Program): number[] => [...descendants(program.child.pid!).keys()];
    await until(() => pids(terminated!).length === 2);
    const left = pids(terminated!);
    terminated!.child.kill('SIGTERM');
    expect(await terminated!.outcome).toMatchObject({ code: 143, stderr: '' });
    expect(left.filter(isAlive)).toEqual([]);

    unread!.child.stdout!.destroy();
    expect(await unread!.outcome).toMatchObject({ code: 0, stderr: '' });
  });
});
