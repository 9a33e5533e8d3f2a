// What a held program looks like in words: for screens that are none, for pipes, and for tests.

import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { describeReadiness } from '../poller/poller.js';
import { Took, describeEvent } from '../trace/text.js';
import type { HeldState, NextItem, SourceLine } from './protocol.js';

/** `readiness READABLE of fd 7: Connection`. */
export function describeItem({ kind, fd, readiness, name, stale }: NextItem): string {
  const what = kind === 'readiness' ? describeReadiness(readiness) : kind;
  const where = fd >= 0 ? ` of fd ${String(fd)}` : '';
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

const REASONS: Record<HeldState['reason'], string> = {
  step: 'held',
  turn: 'held at the first item of a turn',
  condition: 'held: the condition is met',
  breakpoint: 'held at breakpoint',
  pause: 'held: paused',
};

/** What happened since the last hold, then what comes next. One line each, without line ends. */
export function narrate(held: HeldState): string[] {
  const lines: string[] = [];
  if (held.eventsLost > 0) lines.push(`... ${String(held.eventsLost)} events before these are not shown`);
  const took = new Took();
  for (const event of held.events) {
    const text = describeEvent(event, held.poller, took.ns(event));
    if (text !== '') lines.push(text);
  }
  const { next, left, reason, breakpoint } = held;
  const number = breakpoint > 0 ? ` ${String(breakpoint)}` : '';
  if (next.length > 0) {
    lines.push(`== ${REASONS[reason]}${number}, turn ${String(held.turn)}; next: ${describeItem(next[0])}`);
    if (held.source !== null) lines.push(`   ${describeSource(held.source)}`);
    for (const item of next.slice(1, 6)) lines.push(`   then ${describeItem(item)}`);
    if (left > 6) lines.push(`   and ${String(left - 6)} more in this turn`);
  }
  return lines;
}
