// What all connections of one listener share, and what they call.

import type { RingConnection } from './connection.js';
import type { Proactor } from './proactor.js';

/** What a connection calls, one object for all of a listener's; as those of net/connection.ts. */
export interface RingHandlers<Context = unknown> {
  open?(connection: RingConnection<Context>): void;
  /** Bytes have come: `buffer[start..end)`. The buffer goes back to the kernel after the call; what is behind `end` is free. */
  data?(connection: RingConnection<Context>, buffer: Uint8Array, start: number, end: number): void;
  drain?(connection: RingConnection<Context>): void;
  readClosed?(connection: RingConnection<Context>): void;
  close?(connection: RingConnection<Context>, error: Error | null): void;
}

/** What all connections of one listener share. */
export interface RingService<Context> {
  readonly proactor: Proactor;
  readonly handlers: RingHandlers<Context>;
  readonly writeQueueBytesMax: number;
  connectionClosed(): void;
}
