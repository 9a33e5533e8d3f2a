// The types of postgres-sync.js, for tests in TypeScript.

export interface PostgresOptions {
  host?: string;
  port?: number;
  user: string;
  password?: string;
  database?: string;
  timeoutMs?: number;
}
export class PostgresError extends Error {
  /** SQLSTATE. */
  code: string;
  severity: string;
  detail?: string;
  hint?: string;
  position?: number;
}
export class PostgresConnection {
  parameters: Record<string, string>;
  query(sql: string, values?: unknown[]): { rows: Record<string, unknown>[]; command: string };
  close(): void;
}
export function connectPostgres(target: string | PostgresOptions): PostgresConnection;
