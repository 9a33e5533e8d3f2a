// One connection of the generator: what is under way on it, and the reply that has come only in part.

import type { Connection } from '../net/connection.js';

/** A client is one connection from its connect to its close; churn makes a new one each time. */
export class Client {
  connection: Connection<Client> | null = null;
  startedMs = 0;
  /** arrive: when it was meant to come. */
  intendedMs = 0;
  opened = false;
  /** We close it: its end is no loss. */
  closing = false;
  /** Requests under way. */
  outstanding = 0;
  /** Requests that timed out: as many replies may come late. */
  abandoned = 0;
  answered = 0;

  // A reply that came in part: its header if that is not complete, then only how far it is; the payload is checked as it comes.
  header: Buffer | null = null;
  have = 0;
  frameBytes = 0;
  payloadGood = true;

  /** For the modes' own use: slow writers' request and how far it was sent. */
  frame: Uint8Array | null = null;
  frameSent = 0;
  slot = -1;

  constructor(readonly index: number) {}
}
