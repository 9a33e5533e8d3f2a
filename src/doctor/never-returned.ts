// Findings about an item that never returned: the program could not tell them, for its thread was in it.

import { isKnown, isUnavailable, readProcess } from '../probe/index.js';
import type { Finding } from './finding.js';
import type { StuckMessage } from './stuck.js';

/** So many system calls that gave something: it goes on as long as something comes. */
const FLOOD_TRANSFERS_MIN = 200;

/** What the main thread of a process does now: it computes, or is in this system call. */
function lookAtThread(pid: number): { cause: 'cpu' | 'syscall' | 'unknown'; call: string | null } {
  const snapshot = readProcess(pid, { memory: false, sleep: true });
  if (isUnavailable(snapshot) || !isKnown(snapshot.threads)) return { cause: 'unknown', call: null };
  const main = snapshot.threads.value.find(({ threadId }) => threadId === pid);
  const call = main?.sleep?.call;
  if (main?.state === 'R') return { cause: 'cpu', call: null };
  if (call === undefined || !isKnown(call) || call.value.kind !== 'call')
    return { cause: 'unknown', call: null };
  return { cause: 'syscall', call: call.value.name ?? `system call ${call.value.number}` };
}

/** `pid`: of the process, if it is there still. `from`: the number of the first finding. */
export function neverReturned(stuck: StuckMessage, pid: number | null, from: number): Finding[] {
  const { kind, name, loop, poller, fd, forMs, transfers } = stuck;
  const { cause, call } = pid === null ? { cause: 'unknown' as const, call: null } : lookAtThread(pid);
  const who =
    kind === 'drain'
      ? 'what ran after a turn (promises, nextTick)'
      : `the handler ${name === '' ? '(no name)' : name}`;
  const common = {
    severity: 'error',
    loop,
    poller,
    fd,
    handler: { name, file: null, line: 0 },
    turn: 0,
    sinceMs: 0,
    times: 1,
  } as const;
  const why =
    cause === 'cpu' ? ': it computes' : cause === 'syscall' ? `: it is in the system call ${call ?? ''}` : '';
  const findings: Omit<Finding, 'number'>[] = [];
  if (loop.startsWith('reactor')) {
    findings.push({
      ...common,
      class: 'blocked-handler',
      cause,
      message: `${who} had not returned after ${forMs} ms${why}`,
      evidence: { call, longestMs: forMs, kind },
      remedy:
        cause === 'syscall'
          ? 'Use a call that does not block, or hand the call to an executor.'
          : 'Hand the work to another thread, or cut it into pieces of a few milliseconds and post() the next.',
    });
  }
  // One that computes in a single function is blocked, and no more; reactions that queue reactions, and calls that
  // are given ever more, take all the turns that others wait for.
  if ((kind === 'drain' && cause !== 'syscall') || transfers >= FLOOD_TRANSFERS_MIN) {
    findings.push({
      ...common,
      class: 'starvation',
      cause: null,
      message:
        transfers >= FLOOD_TRANSFERS_MIN
          ? `${loop.startsWith('reactor') ? who : 'the program'} goes on as long as something comes: ${transfers} system calls that gave something, and nobody else had a turn for ${forMs} ms`
          : `${who} queues itself anew without an end: nobody else had a turn for ${forMs} ms`,
      evidence: { forMs, transfers, kind },
      remedy:
        transfers >= FLOOD_TRANSFERS_MIN
          ? 'Bound what one call reads or accepts, and leave the rest for the next turn.'
          : 'Let go on by reactor.post(), a timer or setImmediate() instead of process.nextTick or a promise.',
    });
  }
  return findings.map((one, i) => ({ number: from + i, ...one }));
}
