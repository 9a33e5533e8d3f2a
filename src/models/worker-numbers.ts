// What the starter of a thread of the model `worker` and that thread have in common.

/** What a thread is started with. */
export interface WorkerAssignment {
  /** The accepted socket. It stays the starter's, who closes it when this thread has ended. */
  readonly fd: number;
  readonly upstreamPort: number;
  readonly requestsPerConnection: number;
  /** Shared, {@link ROW} numbers: the thread writes, and the starter reads meanwhile. */
  readonly counts: Float64Array;
}

/** Requests answered as asked, and others. */
export const SERVED = 0;
export const ERRORS = 1;
/** 1 from when the thread's engine has started until the thread has ended. */
export const SERVING = 2;
export const ROW = 3;
