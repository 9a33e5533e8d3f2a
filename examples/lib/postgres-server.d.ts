// The types of postgres-server.js, for tests in TypeScript.

export interface DatabaseServer {
  /** Whether it is ours, and ends with `stop()` or with this process. */
  own: boolean;
  /** Its URL, of a superuser with a password. */
  started: Promise<string>;
  stop(): Promise<void>;
}
export function startPostgres(): DatabaseServer;
