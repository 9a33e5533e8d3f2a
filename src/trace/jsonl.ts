// A trace as JSON Lines: one object per event, the header first, and what is to be said of the end last.

import { describeRaw } from './flags.js';
import type { TraceReader } from './reader.js';

/** Lines, without their line ends. Numbers that JSON does not know (an unbounded timeout) are given as null. */
export function* jsonLines(trace: TraceReader): Generator<string, void, undefined> {
  yield JSON.stringify({ type: 'header', ...trace.header });
  let poller = '';
  for (const event of trace) {
    if (event.type === 'reactorOpened') poller = event.poller;
    const { type, timeNs, ...fields } = event;
    const flags = event.type === 'readiness' ? { flags: describeRaw(poller, event.raw) } : {};
    yield JSON.stringify({ type, timeNs, ...fields, ...flags });
  }
  yield JSON.stringify({ type: 'end', truncated: trace.truncated });
}
