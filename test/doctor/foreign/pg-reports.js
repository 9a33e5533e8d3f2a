import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import pg from 'pg';
import { pgStream } from 'underloop/node';

const message = (type, ...parts) => {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};
const short = (value) => Buffer.from([value >> 8, value & 255]);
const long = (value) => Buffer.from(Int32Array.of(value).buffer).swap32();
const READY = message('Z', Buffer.from('I'));
const COLUMN = Buffer.concat([
  Buffer.from('n\0'),
  long(0),
  short(0),
  long(25),
  short(65535),
  long(-1),
  short(0),
]);
const row = (text) => message('D', short(1), long(text.length), Buffer.from(text));

function answer(sql) {
  const rows = Number(/limit (\d+)/.exec(sql)?.[1] ?? 1);
  const lines = Array.from({ length: rows }, (_, i) => row(`row ${i} of a report, made for a test`));
  const done = message('C', Buffer.from(`SELECT ${rows}\0`));
  return Buffer.concat([message('T', short(1), COLUMN), ...lines, done, READY]);
}

const database = createServer((socket) => {
  let pending = Buffer.alloc(0);
  let isStarted = false;
  socket.on('error', () => {});
  socket.on('data', (bytes) => {
    pending = Buffer.concat([pending, bytes]);
    for (;;) {
      const at = isStarted ? 1 : 0;
      if (pending.length < at + 4) return;
      const length = pending.readInt32BE(at) + at;
      if (pending.length < length) return;
      const body = pending.subarray(at + 4, length);
      const type = isStarted ? String.fromCharCode(pending[0]) : 'startup';
      pending = pending.subarray(length);
      if (type === 'startup') {
        isStarted = true;
        socket.write(Buffer.concat([message('R', long(0)), READY]));
      } else if (type === 'Q') {
        const sql = body.toString().slice(0, -1);
        setTimeout(() => socket.write(answer(sql)), 2);
      } else if (type === 'X') socket.end();
    }
  });
}).listen(0, '127.0.0.1');
await once(database, 'listening');

const pool = new pg.Pool({
  host: '127.0.0.1',
  port: database.address().port,
  user: 'reports',
  database: 'reports',
  ssl: false,
  max: 5,
  stream: pgStream(),
});

let rows = 0;
async function report(limit) {
  const result = await pool.query(`select n from lines limit ${limit}`);
  rows += result.rows.filter(({ n }) => n.startsWith('row ')).length;
}

let wanted = 0;
for (let hour = 0; hour < 24; hour++) {
  const limits = Array.from({ length: 12 }, (_, i) => 20 + i * 60);
  wanted += limits.reduce((sum, limit) => sum + limit, 0);
  await Promise.all(limits.map(report));
}
await pool.end();
database.close();

const runDelayMs = Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6;
console.log(JSON.stringify({ fault: rows !== wanted, evidence: { rows, wanted, runDelayMs } }));
