// The types of redis-sync.js, for tests in TypeScript.

import type { Answer } from './resp.js';

export class RedisConnection {
  command(...parts: (string | number | Uint8Array)[]): Answer;
  close(): void;
}
export function connectRedis(url: string): RedisConnection;
