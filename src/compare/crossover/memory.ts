// What a connection costs in memory, all in, by the method of `compare idle`, and what a server has before the first.

import { SEND_PAGE_BYTES } from '../../probe/bill.js';
import { compare } from '../run.js';
import type { MemoryLaw } from './law.js';

/** Fewer are mostly noise: slabs come in pages. */
const CONNECTIONS = 600;
/** Each of their connections has a thread, which keeps SEND_PAGE_BYTES once it has sent: in no count of the kernel's. */
const ONE_THREAD_EACH: readonly string[] = ['threads'];

/** Bytes per connection, by label of a model. A model whose bill could not be made is not there. */
export async function connectionBytes(
  models: readonly string[],
  poolThreads: number,
  signal: AbortSignal,
): Promise<Map<string, number>> {
  const options = {
    models,
    connections: CONNECTIONS,
    rounds: 1,
    durationMs: 100,
    actives: 0,
    poolThreads,
  };
  const bytes = new Map<string, number>();
  if (signal.aborted) return bytes;
  const report = await compare('idle', options, { signal });
  for (const { contestant, figures, failure } of report.cells) {
    // Without `rest`, which is mostly what other programs did meanwhile; where slabs can't be read, they are in it.
    const rest = figures['threadSlabs'] === undefined ? 0 : (figures['rest'] ?? 0);
    const total = (figures['total'] ?? NaN) - rest;
    const model = report.contestants.find(({ label }) => label === contestant)?.model ?? '';
    if (failure !== null || Number.isNaN(total)) continue;
    bytes.set(contestant, Math.max(total, 0) + (ONE_THREAD_EACH.includes(model) ? SEND_PAGE_BYTES : 0));
  }
  return bytes;
}

/** The base is what the server's process had under the smallest load, without the connections of that load. */
export function memoryLaw(
  perConnectionBytes: number | undefined,
  smallest: { serverRssBytes: number | null; connections: number } | undefined,
): MemoryLaw | null {
  if (perConnectionBytes === undefined || smallest === undefined || smallest.serverRssBytes === null)
    return null;
  return {
    baseBytes: Math.max(smallest.serverRssBytes - smallest.connections * perConnectionBytes, 0),
    perConnectionBytes,
  };
}
