// Counts the loops in worker threads, which are not examined: whoever reads that nothing was found is to know of them.

import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import { setInstrument, setPollerInstrument } from '../reactor/instrument.js';

/** A name among the program's own. The memory behind it is that of all threads of the process, workers of workers included. */
const COUNT = 'underloop.doctor.worker-loops';

/** In the main thread, before the program begins: gives a look at the count. */
export function shareWorkerLoops(): () => number {
  const count = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  setEnvironmentData(COUNT, count);
  return () => Atomics.load(count, 0);
}

/** In a worker, before its own code. Of a process that is not examined, nothing. */
export function countWorkerLoops(): void {
  const count = getEnvironmentData(COUNT);
  if (!(count instanceof Int32Array)) return;
  setInstrument(() => {
    Atomics.add(count, 0, 1);
    return {};
  });
  setPollerInstrument((poller) => {
    Atomics.add(count, 0, 1);
    return poller;
  });
}
