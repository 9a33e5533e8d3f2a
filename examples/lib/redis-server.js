// A real Redis for examples and tests: that of REDIS_URL, or Debian's redis-server without persistence on a port of its own.

import { spawnSync } from 'node:child_process';
import { freePort, startOwnServer } from './own-server.js';

/** Why there is no Redis to use; null when there is. */
export function redisMissing() {
  if (process.env.REDIS_URL) return null;
  if (spawnSync('redis-server', ['--version']).status === 0) return null;
  return 'there is no Redis: set REDIS_URL to redis://127.0.0.1:6379, or install redis-server (Debian: apt-get install redis-server)';
}

/** A server to use, as `{ own, started, stop }`. `started` resolves to its URL. `own`: it ends with `stop()`, or with us. */
export function startRedis() {
  const given = process.env.REDIS_URL;
  if (!given) return { own: true, ...startOwnServer(import.meta.url) };
  return { own: false, started: Promise.resolve(given), stop: async () => {} };
}

// ---- In server-process.js ---------------------------------------------------------------------------------------------

export const folderName = 'underloop-redis-';

/** The command that serves. */
export async function prepare(folder) {
  const missing = redisMissing();
  if (missing !== null) throw new Error(missing);
  const port = await freePort();
  return {
    url: `redis://127.0.0.1:${port}`,
    command: 'redis-server',
    args: ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder],
    ready: /ready to accept connections/i,
  };
}
