// The part of pg that the tests use; the package has no types of its own.

declare module 'pg' {
  export class Client {
    constructor(url: string);
    connect(): Promise<void>;
    query(sql: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>;
    end(): Promise<void>;
    on(event: 'error', listener: (error: Error) => void): this;
  }
}
