// The report of a recording and the verdict of a replay, in lines for people.

import { describeReadiness } from '../poller/poller.js';
import type { LookedAt } from './look.js';
import type { Circumstances, RecordEnded, Verdict } from './protocol.js';
import type { Recorded, Replayed } from './run.js';

const WHOLE = new Intl.NumberFormat('en');
export const count = (value: number): string => WHOLE.format(value);

function size(bytes: number): string {
  if (bytes < 10_000) return `${count(bytes)} bytes`;
  return bytes < 10_000_000
    ? `${count(Math.round(bytes / 1000))} kB`
    : `${count(Math.round(bytes / 1e6))} MB`;
}

function uncoveredLines(list: Circumstances['uncovered']): string[] {
  return [
    'not covered: this came in past the recording, and a replay may differ where it matters',
    ...list.map(({ kind, where }) => `  ${kind}, first asked for at ${where}`),
  ];
}

/** What `underloop record` says at once when the recording ends and the program goes on. */
export function endedLine({ why, events, failed }: RecordEnded, file: string): string {
  const reach = events === 0 ? 'nothing can be recorded' : `the recording ends at event ${count(events)}`;
  const remedy = failed
    ? `make room, or name another file with --output`
    : '--bytes-max sets that of the file';
  return `${reach}, and the program goes on: ${failed ? `${file}: ` : ''}${why}; ${remedy}`;
}

/** What `underloop record` says at its end. */
export function recordLines({ summary, ended, extent, signal, code }: Recorded, file: string): string[] {
  const how = signal === null ? `with exit status ${String(code)}` : `by ${signal}`;
  const begin = ended === null ? '' : 'the beginning of the run: ';
  const lines = [
    extent.events === 0
      ? `nothing is recorded; the program ended ${how}`
      : `recorded ${begin}${count(extent.events)} events, ${size(extent.bytes)}, in ${file}; the program ended ${how}`,
  ];
  if (extent.events === 0) return lines;
  if (summary === null)
    return [...lines, 'it reported nothing at its end: the recording goes as far as it was written'];
  if (summary.uncovered.length > 0) return [...lines, ...uncoveredLines(summary.uncovered)];
  return [
    ...lines,
    `covered: everything that came in ${summary.ended === null ? '' : 'until then '}is in the recording`,
  ];
}

/** What `underloop replay` says of the circumstances: only what matters. */
export function circumstanceLines(told: Circumstances | null): string[] {
  if (told === null) return [];
  const changed = told.changed.map((path) => `changed since it was recorded: ${path}`);
  return told.uncovered.length === 0 ? changed : [...changed, ...uncoveredLines(told.uncovered)];
}

const ENDS = {
  limit: 'the recording ends there, at its bound of bytes',
  cut: 'the recording ends there: its end is missing',
  signal: 'the recorded program was ended there',
} as const;

export function verdictLines(verdict: Verdict): string[] {
  switch (verdict.type) {
    case 'same':
      return [
        `same: ${count(verdict.events)} events, ${count(verdict.turn)} turns, exit status ${verdict.code}`,
        `state ${verdict.stateHash}`,
      ];
    case 'over': {
      const by = verdict.signal === null ? '' : ` by ${verdict.signal}`;
      return [
        `same as far as it goes: ${count(verdict.events)} events; ${ENDS[verdict.why]}${by}`,
        `state ${verdict.stateHash}`,
      ];
    }
    case 'arrived':
      return [
        `at event ${count(verdict.events)}, turn ${count(verdict.turn)}`,
        ...verdict.recent.map((line) => `  ${line}`),
        ...verdict.state.flatMap(reactorLines),
        `state ${verdict.stateHash}`,
      ];
    case 'differs':
      return [
        `differs at event ${count(verdict.event)}, turn ${count(verdict.turn)}${
          verdict.item === null ? ', between items' : `, in ${verdict.item}`
        }`,
        `  recorded: ${verdict.recorded}`,
        `  now:      ${verdict.now}`,
        ...(verdict.before.length === 0
          ? []
          : ['before that:', ...verdict.before.map((line) => `  ${line}`)]),
      ];
    case 'damaged':
      return [`${verdict.code}: ${verdict.message}`];
  }
}

function reactorLines(looked: LookedAt): string[] {
  const { reactor, turn, left, registrations, registrationCount, timers, timerCount, queues } = looked;
  const { posted, deferred, closed } = queues;
  const lines = [
    `reactor ${reactor}: turn ${turn}, ${left} left of its batch; ${posted} posted, ${deferred} deferred, ${closed} closed`,
    ...registrations.map(
      ({ fd, interest, slot, generation, name }) =>
        `  fd ${fd}: ${interest === 0 ? 'parked' : describeReadiness(interest)}, slot ${slot}, generation ${generation}, ${name}`,
    ),
    ...timers.map(
      ({ inMs, name }) => `  timer in ${inMs.toFixed(3)} ms: ${name === '' ? '(without a name)' : name}`,
    ),
  ];
  const more = registrationCount - registrations.length + timerCount - timers.length;
  return more === 0 ? lines : [...lines, `  and ${count(more)} more`];
}

/** Where the two processes were not alike. */
export function versionLines({ facts }: Pick<Replayed, 'facts'>): string[] {
  if (facts.node === process.version && facts.platform === process.platform) return [];
  return [
    `recorded on ${facts.platform} with Node ${facts.node}, and replayed on ${process.platform} with Node ${process.version}`,
  ];
}
