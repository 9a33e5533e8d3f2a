// The synchronous Postgres driver of the examples against a real server, with pg as the judge of what is true.

import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPostgres, type DatabaseServer } from '../../examples/lib/postgres-server.js';
import { scramClient } from '../../examples/lib/postgres-scram.js';
import { PostgresError, connectPostgres, type PostgresConnection } from '../../examples/lib/postgres-sync.js';
import { runProgram } from '../lifecycle/child.js';
import { thrown } from '../reactor/fixture.js';

describe('SCRAM-SHA-256', () => {
  // The example of RFC 7677.
  const nonce = 'rOprNGfwEbeRWgbNEkqO';
  const challenge = `r=${nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`;

  test('is what the RFC says', () => {
    const scram = scramClient('pencil', nonce, 'user');
    expect(scram.first).toBe(`n,,n=user,r=${nonce}`);
    expect(scram.answer(challenge)).toBe(
      `c=biws,r=${nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`,
    );
    scram.verify('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
    expect(scram.verified).toBe(true);
  });

  test('a server that does not know the password, or plays with nonce or iterations, is refused', () => {
    const scram = scramClient('pencil', nonce, 'user');
    expect(() => scram.verify('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')).toThrow(/did not prove/);
    scram.answer(challenge);
    expect(() => scram.verify('v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')).toThrow(/did not prove/);
    expect(() => scramClient('pencil', 'another').answer(challenge)).toThrow(/nonce/);
    expect(() => scramClient('pencil', nonce).answer(challenge.replace('4096', '99999999999'))).toThrow(
      /refused/,
    );
  });
});

describe('against a server', () => {
  let server: DatabaseServer;
  let url: string;
  let database: PostgresConnection;
  let judge: Client;
  beforeAll(async () => {
    server = startPostgres();
    url = await server.started;
    database = connectPostgres(url);
    judge = new Client(url);
    judge.on('error', () => {});
    await judge.connect();
  });
  afterAll(async () => {
    database?.close();
    await judge?.end();
    await server?.stop();
  });

  const queries: [string, unknown[]?][] = [
    ['select 1 as one, null as nothing, true as yes, false as no'],
    ["select 'grüße'::text as t, ''::text as empty, 9007199254740993::int8 as big, 1.50::numeric as exact"],
    ['select 0.1::float8 as f, 1.5::float4 as g, 7::int2 as h, $1::int as p', [42]],
    ["select '\\x00ff10'::bytea as b, $1::bytea as p", [Buffer.from([0, 1, 255])]],
    [`select '{"a":[1,null]}'::jsonb as j, $1::json as p`, [{ x: [1, 'ü'] }]],
    ['select $1::text as a, $2::text as b, $3::bool as c', ["'; drop table x; --", null, true]],
    ['select generate_series(1, 2000) as n'],
    ['select n, repeat(md5(n::text), 10) as t from generate_series(1, $1::int) as n', [2000]],
    ['select 1 as a where false'],
    ['select $1::int8 + 1 as sum', [2n ** 53n]],
  ];
  test.each(queries)('%s: the same rows as from pg', async (sql, values) => {
    const expected = await judge.query(sql, values);
    expect(database.query(sql, values).rows).toEqual(expected.rows);
  });

  test('several statements give the last result; commands tell what they did', () => {
    expect(
      database.query(
        'create temp table t (n int); insert into t values (1), (2); select count(*)::int as n from t',
      ),
    ).toEqual({ rows: [{ n: 2 }], command: 'SELECT 1' });
    expect(database.query('insert into t values ($1)', [3])).toEqual({ rows: [], command: 'INSERT 0 1' });
    expect(database.query('')).toEqual({ rows: [], command: '' });
  });

  test.each([
    ['select 1 / 0', [], '22012'],
    ['select 1 / $1::int', [0], '22012'],
    ['select * from no_such_table', [], '42P01'],
    ['selec 1', [], '42601'],
    ['select $1::int', ['x'], '22P02'],
    ['select $1', [], '42P02'],
    ['copy pg_type from stdin', [], '57014'],
  ])('%s %j: SQLSTATE %s, and the connection goes on', (sql, values, code) => {
    const error = thrown(() => database.query(sql, values));
    expect(error).toBeInstanceOf(PostgresError);
    expect(error).toMatchObject({ code, severity: 'ERROR' });
    expect(database.query('select 1 as one').rows).toEqual([{ one: 1 }]);
  });

  test('a wrong password, no password, an unknown database', () => {
    const { hostname: host, port, username: user, password } = new URL(url);
    const options = { host, port: Number(port), user };
    expect(thrown(() => connectPostgres({ ...options, password: 'wrong' })).code).toBe('28P01');
    const unknown = { ...options, password: decodeURIComponent(password), database: 'no such' };
    expect(thrown(() => connectPostgres(unknown)).code).toBe('3D000');
    if (server.own) expect(thrown(() => connectPostgres(options)).message).toMatch(/asks for a password/);
  });

  test('trust: a user without a password', ({ skip }) => {
    if (!server.own) skip('the server of DATABASE_URL is not ours to configure');
    database.query('create role trusted login');
    const { port } = new URL(url);
    const trusted = connectPostgres({ port: Number(port), user: 'trusted', database: 'postgres' });
    expect(trusted.query('select current_user::text as u').rows).toEqual([{ u: 'trusted' }]);
    trusted.close();
  });

  test('a query that takes longer than timeoutMs closes its connection; one that is ended says why', () => {
    const { hostname: host, port, username: user, password, pathname } = new URL(url);
    const options = {
      host,
      port: Number(port),
      user,
      password: decodeURIComponent(password),
      database: pathname.slice(1),
    };
    const slow = connectPostgres({ ...options, timeoutMs: 1000 });
    expect(thrown(() => slow.query('select pg_sleep(30)')).code).toBe('ERR_TIMEOUT');
    expect(thrown(() => slow.query('select 1')).message).toMatch(/closed/);

    const victim = connectPostgres(options);
    const [{ pid }] = victim.query('select pg_backend_pid() as pid').rows as [{ pid: number }];
    database.query('select pg_terminate_backend($1, 5000)', [pid]);
    expect(thrown(() => victim.query('select 1')).code).toBe('57P01');
    expect(thrown(() => victim.query('select 1')).message).toMatch(/closed/);
  });

  test('the example answers, and blocks its timer meanwhile', async () => {
    const program = fileURLToPath(new URL('../../examples/postgres-sync.js', import.meta.url));
    const outcome = await runProgram(`../examples/${program.split('/').at(-1)!}`, [], {
      env: { DATABASE_URL: url },
    });
    expect(outcome).toMatchObject({ code: 0, stderr: '', stdout: 'sum: 5; ticks of a timer meanwhile: 0\n' });
  });
});
