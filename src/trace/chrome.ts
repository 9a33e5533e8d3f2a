// A trace in the Trace Event Format of Chrome: for Perfetto (ui.perfetto.dev) and chrome://tracing.

import { describeReadiness } from '../poller/poller.js';
import { describeRaw } from './flags.js';
import type { TraceEvent } from './format.js';
import type { TraceReader } from './reader.js';
import { describeCall } from './text.js';

/** The reactor's thread. The format wants a number; that of the system is of no use after the process has gone. */
const TID = 1;

interface Slice {
  name: string;
  cat: 'turn' | 'wait' | 'item' | 'drain';
  args: object;
}

/**
 * The lines of one JSON document. Turns, waits, items and drains are slices (phases B and E), nested; timers are asynchronous
 * slices (b, e) from being set to firing or being cancelled; everything else is an instant (i). Times: microseconds since
 * the first event.
 */
export function* chromeLines(trace: TraceReader): Generator<string, void, undefined> {
  yield '{"displayTimeUnit":"ns","traceEvents":[';
  const writer = new ChromeWriter(trace.header.pid);
  yield `${writer.metadata('process_name', `underloop ${String(trace.header.pid)}`)},`;
  let last = writer.metadata('thread_name', 'reactor');
  for (const event of trace) {
    for (const line of writer.lines(event)) {
      yield `${last},`;
      last = line;
    }
  }
  for (const line of writer.end()) {
    yield `${last},`;
    last = line;
  }
  yield last;
  const { startedUnixMs, lost } = trace.header;
  const recorded = new Date(startedUnixMs).toISOString();
  yield `],"otherData":${JSON.stringify({ recorded, lost, truncated: trace.truncated })}}`;
}

class ChromeWriter {
  private firstNs = -1;
  private nowUs = 0;
  private poller = '';
  private readonly open: Slice[] = [];
  private readonly timers = new Set<number>();

  constructor(private readonly pid: number) {}

  metadata(name: string, value: string): string {
    return this.line({ name, ph: 'M', ts: 0, args: { name: value } });
  }

  *lines(event: TraceEvent): Generator<string, void, undefined> {
    if (this.firstNs < 0) this.firstNs = event.timeNs;
    this.nowUs = (event.timeNs - this.firstNs) / 1000;
    switch (event.type) {
      case 'turnBegin':
        // The last turn has no end where its wait failed, or the ring begins in its middle.
        yield* this.end();
        yield this.begin({ name: 'turn', cat: 'turn', args: { turn: event.turn } });
        return;
      case 'turnEnd':
        yield* this.end();
        return;
      case 'waitBegin': {
        const timeoutMs = event.timeoutMs === Infinity ? 'unbounded' : event.timeoutMs;
        yield this.begin({ name: `wait (${event.reason})`, cat: 'wait', args: { timeoutMs } });
        return;
      }
      case 'waitEnd':
        yield* this.endOf('wait');
        return;
      case 'itemBegin': {
        const { fd, kind, timer } = event;
        if (timer >= 0 && this.timers.delete(timer)) yield this.timer('e', timer, 'fired');
        const readiness = describeReadiness(event.readiness);
        yield this.begin({
          name: `${kind} ${event.name}`.trim(),
          cat: 'item',
          args: kind === 'readiness' ? { fd, readiness } : timer >= 0 ? { timer } : {},
        });
        return;
      }
      case 'itemEnd':
        yield* this.endOf('item');
        return;
      case 'drainBegin':
        yield this.begin({ name: 'nextTick and promises', cat: 'drain', args: {} });
        return;
      case 'drainEnd':
        yield* this.endOf('drain');
        return;
      case 'timerSet':
        this.timers.add(event.timer);
        yield this.timer('b', event.timer, event.name);
        return;
      case 'timerCancelled':
        if (this.timers.delete(event.timer)) yield this.timer('e', event.timer, 'cancelled');
        return;
      case 'reactorOpened':
        this.poller = event.poller;
        break;
      default:
    }
    yield this.instant(event);
  }

  /** Ends all slices that are open. */
  *end(): Generator<string, void, undefined> {
    while (this.open.length > 0) yield this.close();
  }

  private instant(event: TraceEvent): string {
    const { type, timeNs: _, ...args } = event;
    let name: string = type;
    let more = {};
    if (event.type === 'call') name = describeCall(event);
    else if (event.type === 'interest') name = `${event.change} fd ${String(event.fd)}`;
    else if (event.type === 'error') name = event.message;
    else if (event.type === 'mark') name = event.text;
    else if (event.type === 'readiness') {
      name = `fd ${String(event.fd)} ${describeReadiness(event.readiness)}`;
      more = { flags: describeRaw(this.poller, event.raw) };
    }
    return this.line({ name, cat: type, ph: 'i', s: 't', args: { ...args, ...more } });
  }

  private begin(slice: Slice): string {
    this.open.push(slice);
    return this.line({ ...slice, ph: 'B' });
  }

  private *endOf(cat: Slice['cat']): Generator<string, void, undefined> {
    if (this.open.at(-1)?.cat === cat) yield this.close();
  }

  private close(): string {
    const slice = this.open.pop();
    return this.line({ name: slice?.name ?? '', cat: slice?.cat ?? '', ph: 'E' });
  }

  private timer(ph: 'b' | 'e', id: number, what: string): string {
    return this.line({ name: `timer ${String(id)}`, cat: 'timer', ph, id, args: { what } });
  }

  private line(event: object): string {
    return JSON.stringify({ ts: this.nowUs, pid: this.pid, tid: TID, ...event });
  }
}
