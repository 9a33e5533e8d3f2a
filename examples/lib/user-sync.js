// A user by the synchronous driver, with one connection per thread: for handlers, and for executors (which import it).

import { connectPostgres } from './postgres-sync.js';

/** A query that takes as long as asked for, and gives the user with that number. */
export const USER_QUERY =
  "select id, 'user ' || id as name from generate_series(1, 1000) as id, pg_sleep($1::float8 / 1000) where id = $2::int";

let database;

/** Blocks its thread until the answer is there. */
export function getUser(url, ms, id) {
  database ??= connectPostgres(url);
  return database.query(USER_QUERY, [ms, id]).rows[0];
}
