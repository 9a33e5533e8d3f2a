// The types of redis-server.js, for tests in TypeScript.

import type { DatabaseServer } from './postgres-server.js';

/** Why there is no Redis to use; null when there is. */
export function redisMissing(): string | null;
export function startRedis(): DatabaseServer;
