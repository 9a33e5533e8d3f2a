// pg, unmodified, over the bridge, against a real PostgreSQL server: what it must not lose, it does not lose.

import { createHash, randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Socket, pgStream } from '../../src/node/index.js';
import { runNode } from './servers.js';
import { startPostgres, type Database } from './postgres.js';

let database: Database;
const pools: pg.Pool[] = [];

function pool(options: pg.PoolConfig = {}): pg.Pool {
  const made = new pg.Pool({ ...database.config, stream: pgStream() as never, max: 4, ...options });
  made.on('error', () => undefined); // a restart of the server breaks idle clients: the pool replaces them
  pools.push(made);
  return made;
}

beforeAll(async () => {
  database = await startPostgres();
});
afterAll(async () => {
  await Promise.all(pools.map((one) => one.end()));
  await database.remove();
});

describe('pg over underloop/node', () => {
  it('runs on our sockets', async () => {
    const client = await pool().connect();
    const { stream } = (client as unknown as { connection: { stream: unknown } }).connection;
    expect(stream).toBeInstanceOf(Socket);
    client.release();
  });

  it('answers many queries of a pool, each with its own', async () => {
    const one = pool({ max: 8 });
    const results = await Promise.all(
      Array.from({ length: 400 }, (_, i) => one.query<{ n: number }>('select $1::int as n', [i])),
    );
    expect(results.map(({ rows }) => rows[0]!.n)).toEqual(Array.from({ length: 400 }, (_, i) => i));
  });

  it('brings a large result whole', async () => {
    const { rows } = await pool().query<{ i: number; text: string }>(
      "select i, repeat('x', 100) || i as text from generate_series(1, 100000) as i",
    );
    expect(rows.length).toBe(100_000);
    expect(rows.every(({ i, text }, at) => i === at + 1 && text === 'x'.repeat(100) + String(i))).toBe(true);
  });

  it('sends a large value whole, and brings it back', async () => {
    const one = pool();
    const bytes = randomBytes(16 * 1024 * 1024);
    await one.query('create table blobs (content bytea)');
    await one.query('insert into blobs values ($1)', [bytes]);
    const { rows } = await one.query<{ hash: string; content: Buffer }>(
      "select encode(sha256(content), 'hex') as hash, content from blobs",
    );
    expect(rows[0]!.hash).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(rows[0]!.content.equals(bytes)).toBe(true);
  });

  it('hears every notification, in order', async () => {
    const one = pool();
    const listener = await one.connect();
    const heard: number[] = [];
    const all = new Promise<void>((resolve) => {
      listener.on('notification', ({ payload }) => {
        heard.push(Number(payload));
        if (heard.length === 1000) resolve();
      });
    });
    await listener.query('listen news');
    for (let from = 0; from < 1000; from += 100) {
      await one.query("select pg_notify('news', i::text) from generate_series($1::int, $1::int + 99) as i", [
        from,
      ]);
    }
    await all;
    expect(heard).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    listener.release(true);
  });

  it('cancels a query that runs, and the connection goes on', async () => {
    const one = pool();
    const client = await one.connect();
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    const slept = client.query('select pg_sleep(60)').catch((error: unknown) => error);
    let cancelled = false;
    while (!cancelled) {
      const active = await one.query<{ ok: boolean }>(
        "select pg_cancel_backend(pid) as ok from pg_stat_activity where pid = $1 and query like '%pg_sleep%' and state = 'active'",
        [rows[0]!.pid],
      );
      cancelled = active.rows[0]?.ok === true;
    }
    expect(await slept).toMatchObject({ code: '57014' });
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    client.release();
  });

  it('tells of a backend that was terminated, and the pool goes on', async () => {
    const one = pool();
    const client = await one.connect();
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    const failed = new Promise((resolve) => client.on('error', resolve));
    await one.query('select pg_terminate_backend($1)', [rows[0]!.pid]);
    expect(await failed).toBeInstanceOf(Error);
    client.release(true);
    expect((await one.query('select 2 as two')).rows).toEqual([{ two: 2 }]);
  });

  it('loses nothing that was acknowledged when the server restarts meanwhile', async () => {
    const one = pool({ connectionTimeoutMillis: 2000 });
    await one.query('create table ledger (n int primary key)');
    let next = 0;
    let failures = 0;
    let running = true;
    const acknowledged: number[] = [];
    const insert = async (): Promise<void> => {
      while (running) {
        const n = next++;
        for (;;) {
          try {
            await one.query('insert into ledger values ($1) on conflict do nothing', [n]);
            acknowledged.push(n);
            break;
          } catch {
            failures++;
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        }
      }
    };
    const reached = async (count: number): Promise<void> => {
      while (acknowledged.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    const writers = Array.from({ length: 4 }, insert);
    await reached(100);
    await database.stop();
    await database.start();
    await reached(acknowledged.length + 200);
    running = false;
    await Promise.all(writers);
    const { rows } = await one.query<{ n: number }>('select n from ledger order by n');
    expect(rows.map(({ n }) => n)).toEqual(acknowledged.toSorted((a, b) => a - b));
    expect(failures).toBeGreaterThan(0);
  });

  it('runs the example, which ends by itself', async () => {
    const { host, port, user, password } = database.config;
    const url = `postgres://${user}:${password}@${host}:${port}/postgres`;
    expect(await runNode(['examples/node/pg.js'], { DATABASE_URL: url })).toEqual({
      code: 0,
      stdout: `${Array.from({ length: 20 }, (_, i) => i * 2).join(' ')}\n`,
      stderr: '',
    });
  });
});
