// pg over the reactor: DATABASE_URL=postgres://user:password@host/database node examples/node/pg.js

import pg from 'pg';
import { pgStream } from '../../dist/node/index.js'; // in a program of yours: from 'underloop/node'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, stream: pgStream(), max: 4 });
const answers = await Promise.all(
  Array.from({ length: 20 }, (_, i) => pool.query('select $1::int * 2 as double', [i])),
);
console.log(answers.map(({ rows }) => rows[0].double).join(' '));
await pool.end();
