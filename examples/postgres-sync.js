#!/usr/bin/env node
// Asks a Postgres server, and blocks until it has answered: DATABASE_URL=postgres://user:password@127.0.0.1/db node ...

import { connectPostgres } from './lib/postgres-sync.js';

const url = process.env.DATABASE_URL;
if (url === undefined) {
  console.error('postgres-sync: set DATABASE_URL to postgres://user:password@127.0.0.1:5432/database');
  process.exit(2);
}
const database = connectPostgres(url);
let ticks = 0;
setInterval(() => ticks++, 10).unref();
const { rows } = database.query('select $1::int + $2::int as sum, pg_sleep(0.2)::text as slept', [2, 3]);
console.log(`sum: ${rows[0].sum}; ticks of a timer meanwhile: ${ticks}`);
database.close();
