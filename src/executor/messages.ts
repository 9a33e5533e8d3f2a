// What an executor and its workers tell each other.

/** What to call. All of it is cloned. */
export interface TaskMessage {
  /** A URL to import. */
  readonly module: string;
  readonly name: string;
  readonly args: readonly unknown[];
}

export type TaskOutcome =
  | { readonly value: unknown }
  /** `fields`: what the clone of an error loses. */
  | { readonly error: unknown; readonly fields: Readonly<Record<string, unknown>> };
