// What a held program looks like in words: for screens that are none, for pipes, and for tests.

import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { describeReadiness } from '../poller/poller.js';
import type { TraceEvent } from '../trace/format.js';
import { Took, describeEvent } from '../trace/text.js';
import type { HeldState, NextItem, SourceLine } from './protocol.js';

/** `readiness READABLE of fd 7: Connection`. */
export function describeItem({ kind, fd, readiness, name, stale }: NextItem): string {
  const what = kind === 'readiness' && !stale ? describeReadiness(readiness) : kind;
  const where = fd >= 0 ? ` of fd ${String(fd)}` : '';
  if (stale && fd < 0 && kind === 'readiness')
    return 'readiness whose registration has gone: it will be dropped';
  return `${what}${where}: ${name === '' ? '(no name)' : name}${stale ? ', which has gone and will be dropped' : ''}`;
}

/** The line of source, without its indentation; null when the file cannot be read. */
export function sourceText({ path, line }: SourceLine): string | null {
  try {
    return readFileSync(path, 'utf8').split('\n')[line - 1].trim();
  } catch {
    return null;
  }
}

export function describeSource(source: SourceLine): string {
  const path = relative(process.cwd(), source.path);
  const text = sourceText(source);
  return `${path.startsWith('..') ? source.path : path}:${String(source.line)}${text === null ? '' : `  ${text}`}`;
}

export const REASONS: Record<HeldState['reason'], string> = {
  step: 'held',
  turn: 'held at the first item of a turn',
  condition: 'held: the condition is met',
  breakpoint: 'held at breakpoint',
  pause: 'held: paused',
};

/** Events in words, one line each, without line ends. */
export function narrateEvents(events: readonly TraceEvent[], lost: number, poller: string): string[] {
  const lines: string[] = [];
  if (lost > 0) lines.push(`... ${String(lost)} events before these are not shown`);
  const took = new Took();
  for (const event of events) {
    const text = describeEvent(event, poller, took.ns(event));
    if (text !== '') lines.push(text);
  }
  return lines;
}

/** Items after the next one that are shown. */
const THEN_MAX = 5;

/** What happened since the last hold, then what comes next. One line each, without line ends. */
export function narrate(held: HeldState): string[] {
  const lines = narrateEvents(held.events, held.eventsLost, held.poller);
  const { next, left, reason, breakpoint, repeated, replay } = held;
  const number = breakpoint > 0 ? ` ${String(breakpoint)}` : '';
  const why = repeated ? 'held still' : `${REASONS[reason]}${number}`;
  const what = next.length > 0 ? `next: ${describeItem(next[0])}` : 'nothing is left of this turn';
  const event = replay === undefined ? '' : `event ${String(replay.event)}, `;
  lines.push(`== ${why}, ${event}turn ${String(held.turn)}; ${what}`);
  if (held.source !== null) lines.push(`   ${describeSource(held.source)}`);
  for (const item of next.slice(1, THEN_MAX + 1)) lines.push(`   then ${describeItem(item)}`);
  if (left > THEN_MAX + 1) lines.push(`   and ${String(left - THEN_MAX - 1)} more in this turn`);
  return lines;
}
