// A trace as a log for people: one line per event, in milliseconds since the first.

import { constants } from 'node:os';
import { describeReadiness } from '../poller/poller.js';
import { describeRaw } from './flags.js';
import type { TraceEvent } from './format.js';
import type { TraceReader } from './reader.js';

const REASONS = {
  queued: 'something is queued',
  timer: 'until the nearest timer',
  host: 'the host asks for no more',
  idle: 'nothing to wait for but readiness',
} as const;

// Not util.getSystemErrorMap(): that knows no EINPROGRESS.
const ERROR_NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));
ERROR_NAMES.set(constants.errno.EAGAIN, 'EAGAIN'); // not its other name, EWOULDBLOCK

/** Lines, without their line ends. */
export function* textLines(trace: TraceReader): Generator<string, void, undefined> {
  const { header } = trace;
  yield `# trace of process ${String(header.pid)}, recorded from ${new Date(header.startedUnixMs).toISOString()} on`;
  if (header.lost > 0) yield `# the ring has overwritten the ${String(header.lost)} records before this`;
  let poller = '';
  let firstNs = -1;
  const took = new Took();
  for (const event of trace) {
    if (firstNs < 0) firstNs = event.timeNs;
    if (event.type === 'reactorOpened') poller = event.poller;
    const tookNs = took.ns(event);
    const ms = ((event.timeNs - firstNs) / 1e6).toFixed(6).padStart(14);
    const line = describeEvent(event, poller, tookNs);
    if (line !== '') yield `${ms}  ${line}`;
  }
  if (trace.truncated)
    yield '# the end of the trace is missing: the recording process was ended while it wrote';
}

/** How long items, waits and drains took: give it every event. */
export class Took {
  private beganNs = 0;

  /** Since the last beginning. */
  ns({ type, timeNs }: TraceEvent): number {
    const tookNs = timeNs - this.beganNs;
    if (type === 'itemBegin' || type === 'waitBegin' || type === 'drainBegin') this.beganNs = timeNs;
    return tookNs;
  }
}

/** One event in words; empty for what is said by its neighbours. `tookNs`: since its beginning, for what ends. */
export function describeEvent(event: TraceEvent, poller: string, tookNs: number): string {
  const took = `after ${(tookNs / 1000).toFixed(1)} us`;
  switch (event.type) {
    case 'reactorOpened':
      return `reactor on ${event.poller} (fd ${String(event.pollerFd)}), kernel ${event.kernel}`;
    case 'reactorClosed':
      return 'reactor closed';
    case 'turnBegin':
      return `turn ${String(event.turn)}`;
    case 'turnEnd':
      return `turn ${String(event.turn)} ends`;
    case 'waitBegin': {
      const timeout =
        event.timeoutMs === Infinity ? 'without bound' : `${event.timeoutMs.toFixed(3)} ms at most`;
      return `  wait ${timeout}: ${REASONS[event.reason]}`;
    }
    case 'waitEnd':
      return event.events < 0
        ? `  the wait failed with ${errorName(event.events)} ${took}`
        : `  ${String(event.events)} ready ${took}`;
    case 'readiness': {
      const raw = describeRaw(poller, event.raw);
      return (
        `    fd ${String(event.fd)} ${describeReadiness(event.readiness)}${raw === '' ? '' : ` (${raw})`}, ` +
        `slot ${String(event.slot)} generation ${String(event.generation)}`
      );
    }
    case 'batch': {
      const { timers, readinesses, posted, deferred, closed } = event;
      const parts = Object.entries({ timers, readinesses, posted, deferred, closed });
      const some = parts.filter(([, count]) => count > 0).map(([name, count]) => `${String(count)} ${name}`);
      return `  batch: ${some.join(', ') || 'empty'}`;
    }
    case 'itemBegin': {
      const what = event.kind === 'readiness' ? describeReadiness(event.readiness) : event.kind;
      const where = event.fd >= 0 ? ` fd ${String(event.fd)}` : '';
      const which = event.timer >= 0 ? ` ${String(event.timer)}` : '';
      return `  > ${what}${which}${where}: ${event.name || '(no name)'}`;
    }
    case 'itemEnd':
      return `  < ${took}`;
    case 'stale':
      return `  stale ${describeReadiness(event.readiness)} dropped, slot ${String(event.slot)} generation ${String(event.generation)}`;
    case 'interest':
      return `    fd ${String(event.fd)} ${event.change} ${describeReadiness(event.interest)}, slot ${String(event.slot)}`;
    case 'timerSet':
      return `    timer ${String(event.timer)} set for ${event.deadlineMs.toFixed(3)}: ${event.name || '(no name)'}`;
    case 'timerCancelled':
      return `    timer ${String(event.timer)} cancelled`;
    case 'queued':
      return `    ${event.kind} queued: ${event.name || '(no name)'}`;
    case 'resumed':
      return `    promise resumed: ${event.name}`;
    case 'error':
      return `    threw ${event.message}`;
    case 'call':
      return `    ${describeCall(event)}`;
    case 'drainBegin':
      return '  nextTick and promises';
    case 'drainEnd':
      return `  done ${took}`;
    case 'mark':
      return `  -- ${event.text}`;
  }
}

/** `recv(7, 0, 65536) = 64`, as strace(1) shows it. */
export function describeCall(call: Extract<TraceEvent, { type: 'call' }>): string {
  const numbers = call.a === 0 && call.b === 0 ? [] : [call.a, call.b];
  const args = [...(call.fd >= 0 ? [call.fd] : []), ...numbers, ...(call.text === '' ? [] : [call.text])];
  return `${call.name}(${args.join(', ')}) = ${call.result < 0 ? errorName(call.result) : String(call.result)}`;
}

export function errorName(result: number): string {
  return ERROR_NAMES.get(-result) ?? String(result);
}
