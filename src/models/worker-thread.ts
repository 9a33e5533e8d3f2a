// One thread of the model `worker`: one connection, served by blocking calls in JavaScript.

import { parentPort, workerData } from 'node:worker_threads';
import { binding } from '../binding.js';
import { ETIMEDOUT } from '../kernel/errno.js';
import { SHUT_WRITE } from '../kernel/kernel.js';
import { BlockingCalls } from '../workload/blocking-calls.js';
import { Handler, type Wire, type WorkloadCounters } from '../workload/handler.js';
import { ERRORS, SERVED, SERVING, type WorkerAssignment } from './worker-numbers.js';

/** What was read, and behind it the room in which its replies are put together. */
const READ_BYTES = 64 * 1024;
const buffer = new Uint8Array(2 * READ_BYTES);

/** Counters that the starting thread reads while this one writes them. */
class SharedCounters implements WorkloadCounters {
  constructor(private readonly counts: Float64Array) {}
  get served(): number {
    return this.counts[SERVED];
  }
  set served(count: number) {
    this.counts[SERVED] = count;
  }
  get errors(): number {
    return this.counts[ERRORS];
  }
  set errors(count: number) {
    this.counts[ERRORS] = count;
  }
}

/** A socket whose calls wait until they are done. */
class BlockingWire implements Wire {
  closed = false;
  readEnded = false;
  readonly queuedBytes = 0; // a write waits for the client, and so does its thread

  constructor(private readonly fd: number) {}

  write(bytes: Uint8Array, start: number, end: number): number {
    return Math.max(binding.blockingWrite(this.fd, bytes, start, end - start, -1), 0);
  }
  pause(): void {
    // Nothing is read while a request is served, and what is not read waits in the kernel.
  }
  resume(): void {
    // The next read is the loop's.
  }
  end(): void {
    binding.shutdown(this.fd, SHUT_WRITE);
    if (this.readEnded) this.closed = true;
  }
  close(): void {
    this.closed = true;
  }
}

function serve({ fd, upstreamPort, requestsPerConnection, counts }: WorkerAssignment): void {
  // What is to be done later: when nobody is in the middle, or when a time is over.
  const soon: (() => void)[] = [];
  let alarm: { atMs: number; callback: () => void } | null = null;
  const calls = new BlockingCalls(upstreamPort, (callback) => soon.push(callback));
  const ground = {
    later(delayMs: number, callback: () => void): () => void {
      alarm = { atMs: binding.now() + delayMs, callback };
      return () => (alarm = null);
    },
  };
  const options = { requestsPerConnection, counters: new SharedCounters(counts) };
  const wire = new BlockingWire(fd);
  const session = new Handler(ground, calls, options).session(wire);
  const due = (): { atMs: number; callback: () => void } | null => alarm;

  counts[SERVING] = 1;
  while (!wire.closed) {
    const next = due();
    const timeoutMs = next === null ? -1 : Math.max(next.atMs - binding.now(), 0);
    const count = binding.blockingRead(fd, buffer, 0, READ_BYTES, timeoutMs);
    if (count > 0) session.received(buffer, 0, count, true);
    else if (count === 0) {
      wire.readEnded = true;
      session.ended();
    } else if (count === ETIMEDOUT) next?.callback();
    else wire.close();
    for (let callback = soon.shift(); callback !== undefined; callback = soon.shift()) callback();
    if (wire.readEnded) wire.close(); // all that it had asked is answered
  }
  session.closed();
  calls.close();
}

if (parentPort !== null) serve(workerData as WorkerAssignment);
