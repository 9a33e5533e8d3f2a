// A pool of pg, the asynchronous Postgres client of Node, with its connections open before they are needed.

import pg from 'pg';

/** `connections`: as many as pg opens by default (10) when it is undefined. */
export async function openPool(url, connections) {
  const pool = new pg.Pool({ connectionString: url, ...(connections !== undefined && { max: connections }) });
  pool.on('error', (error) => console.error(`pg: an idle connection has failed: ${error.message}`));
  const clients = await Promise.all(Array.from({ length: pool.options.max }, () => pool.connect()));
  for (const client of clients) client.release();
  return pool;
}
