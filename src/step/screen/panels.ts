// What stands in each panel: rows of styled text, as many as there are; which of them are visible is up to the frame.

import { relative } from 'node:path';
import { describeItem } from '../narrate.js';
import { BOLD, CYAN, DIM, GREEN, INVERSE, PLAIN, RED, YELLOW, type Span } from './cells.js';
import type { EvidenceRow } from './evidence.js';
import type { PanelName, ScreenState } from './state.js';
import { pad, plain, wrap } from './text.js';

export type Row = readonly Span[];

export interface PanelView {
  readonly title: string;
  readonly rows: readonly Row[];
  /** Where the panel stands before it is scrolled: at its first row, at its last, or around row `around`. */
  readonly anchor: 'first' | 'last' | 'around';
  readonly around?: number;
}

const row = (text: string, style = PLAIN): Row => [{ text, style }];
const count = (number: number): string => (number > 0 ? `: ${String(number)}` : '');

type Maker = (state: ScreenState, width: number, height: number) => PanelView;

function queuePanel(state: ScreenState): PanelView {
  const { held, selected } = state;
  if (held === null) return { title: 'run queue', rows: [row('nothing yet', DIM)], anchor: 'first' };
  const rows: Row[] = held.next.map((item, index) => {
    const style = (index === selected ? INVERSE : 0) | (item.stale ? DIM : index === 0 ? BOLD | GREEN : 0);
    return row(`${String(index).padStart(3)} ${plain(describeItem(item))}`, style);
  });
  if (held.left > held.next.length)
    rows.push(row(`    and ${String(held.left - held.next.length)} more`, DIM));
  const { posted, deferred, closed } = held.queues;
  if (posted + deferred + closed > 0) {
    const later = `posted ${String(posted)}, deferred ${String(deferred)}, closed ${String(closed)}`;
    rows.push(row(`    for a later turn: ${later}`, DIM));
  }
  return { title: `run queue${count(held.left)}`, rows, anchor: 'around', around: selected };
}

const SIGNS = { same: '=', differs: '≠', unknown: ' ' } as const;
const FD_CELLS = 6;

/** `7 readable level = readable level  Connection`. */
function interestPanel(state: ScreenState, width: number): PanelView {
  const { evidence, evidenceError, held } = state;
  const differing = evidence.filter(({ differs }) => differs).length;
  const title = `interest set${count(held?.registrySize ?? 0)}${differing > 0 ? `, ${String(differing)} DIFFER` : ''}`;
  const asked = evidence.some(({ kernel, differs }) => kernel !== null || differs);
  const belief = Math.min(
    Math.max(...evidence.map(({ believed }) => believed?.length ?? 7), 8),
    Math.floor(width / 2) - 4,
  );
  const rows: Row[] = evidence.map((one) => interestRow(one, asked, belief));
  const head = `${pad('fd', FD_CELLS)}${pad('believed', belief)} ${asked ? '  kernel, source' : '  source'}`;
  rows.unshift(row(head, DIM));
  if (evidenceError !== null) rows.splice(1, 0, row(`no evidence: ${evidenceError}`, RED));
  if (held !== null && held.registrySize > held.registry.length) {
    rows.push(row(`and ${String(held.registrySize - held.registry.length)} more`, DIM));
  }
  for (const note of state.evidenceNotes) rows.push(row(plain(note), DIM));
  return { title, rows, anchor: 'first' };
}

function interestRow(one: EvidenceRow, asked: boolean, belief: number): Row {
  const { fd, differs, kernel } = one;
  const sign = differs ? SIGNS.differs : kernel === null ? SIGNS.unknown : SIGNS.same;
  // Where the two agree, saying it once is enough.
  const told = differs ? `${kernel ?? 'nothing'} ` : '';
  const derived = one.derived === null ? '' : ` now ${one.derived}`;
  const text = `${pad(String(fd).padStart(4), FD_CELLS)}${pad(plain(one.believed ?? 'nothing'), belief)} `;
  const rest = `${asked ? sign : ' '} ${plain(`${told}${one.description}${derived}`)}`;
  return differs ? [{ text: text + rest, style: RED | BOLD }] : row(text + rest);
}

function timersPanel({ held }: ScreenState): PanelView {
  if (held === null) return { title: 'timers', rows: [], anchor: 'first' };
  const rows: Row[] = held.timers.map(({ inMs, name }) => {
    const when = inMs <= 0 ? `due for ${(-inMs).toFixed(1)} ms` : `in ${inMs.toFixed(1)} ms`;
    return row(` ${when.padEnd(16)} ${plain(name) || '(no name)'}`, inMs <= 0 ? YELLOW : PLAIN);
  });
  if (held.timerCount === 0) rows.push(row(' none', DIM));
  if (held.timerCount > held.timers.length) {
    rows.push(row(` and ${String(held.timerCount - held.timers.length)} more`, DIM));
  }
  return { title: `timers${count(held.timerCount)}`, rows, anchor: 'first' };
}

function callsPanel({ calls }: ScreenState): PanelView {
  const rows = calls.map(({ type, text }): Row => {
    const failed = /= E[A-Z]+$/.test(text);
    const style =
      type === 'error'
        ? RED | BOLD
        : type === 'itemBegin'
          ? CYAN
          : type === 'call' && failed
            ? YELLOW
            : PLAIN;
    return row(text, type === 'waitBegin' || type === 'waitEnd' || type === 'stale' ? DIM : style);
  });
  return { title: 'last calls', rows, anchor: 'last' };
}

/** Cells of a title that are not its text. */
const TITLE_MARGIN = 10;

function sourcePanel({ source, held }: ScreenState, width: number): PanelView {
  if (source === null) {
    const text = held === null ? 'nothing yet' : 'the next item is none of the program’s own functions';
    return { title: 'source', rows: [row(text, DIM)], anchor: 'first' };
  }
  const { at, lines } = source;
  const path = relative(process.cwd(), at.path);
  const whole = `${plain(path.startsWith('..') ? at.path : path)}:${String(at.line)}`;
  // The end of a path says more than its beginning.
  const title = whole.length > width - TITLE_MARGIN ? `…${whole.slice(TITLE_MARGIN + 1 - width)}` : whole;
  if (lines.length === 0) return { title, rows: [row('this file cannot be read', DIM)], anchor: 'first' };
  const digits = String(lines.length).length;
  const rows = lines.map((text, index): Row => {
    const lit = index + 1 === at.line;
    const number = `${lit ? '▶' : ' '}${String(index + 1).padStart(digits)} `;
    return [
      { text: number, style: lit ? BOLD | GREEN : DIM },
      { text: plain(text), style: lit ? BOLD | GREEN : PLAIN },
    ];
  });
  return { title, rows, anchor: 'around', around: at.line - 1 };
}

const EIGHTHS = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'] as const;
/** One more cell is eight times as many bytes: six cells reach from 1 byte to 256 KiB. */
const BAR_CELLS = 6;

/** A bar of the logarithm: a queue of one byte is seen as well as one of a mebibyte. */
export function bar(bytes: number): string {
  const eighths = bytes <= 0 ? 0 : Math.min(Math.round(((Math.log2(bytes) + 1) * 8) / 3), BAR_CELLS * 8);
  const full = Math.floor(eighths / 8);
  return ('█'.repeat(full) + (full < BAR_CELLS ? EIGHTHS[eighths % 8] : '')).padEnd(BAR_CELLS);
}

/** At most five characters. */
export function shortBytes(bytes: number): string {
  if (bytes < 10_000) return String(bytes);
  if (bytes < 1024 * 1024) return `${String(Math.round(bytes / 1024))}K`;
  return `${(bytes / 1024 / 1024).toFixed(bytes < 100 * 1024 * 1024 ? 1 : 0)}M`;
}

function socketsPanel({ evidence, held }: ScreenState, width: number): PanelView {
  const sockets = evidence.filter(
    ({ rxBytes, txBytes, state }) => rxBytes !== null || txBytes !== null || state !== null,
  );
  const title = `sockets${count(sockets.length)}`;
  if (sockets.length === 0) {
    const text = held === null ? 'nothing yet' : 'the kernel was not asked for their queues';
    return { title, rows: [row(text, DIM)], anchor: 'first' };
  }
  const stateCells = Math.min(Math.max(width - 36, 3), 12);
  const queue = (name: string, bytes: number | null): Span[] => [
    { text: ` ${name}`, style: DIM },
    { text: bytes === null ? ' '.repeat(BAR_CELLS) : bar(bytes), style: CYAN },
    { text: pad(bytes === null ? '?' : shortBytes(bytes), 5), style: PLAIN },
  ];
  const rows = sockets.map((one): Row => [
    {
      text: `${String(one.fd).padStart(4)} ${pad(plain(one.state ?? ''), stateCells)}`,
      style: one.differs ? RED : PLAIN,
    },
    ...queue('rx', one.rxBytes),
    ...queue('tx', one.txBytes),
    { text: ` ${plain(one.tcp === null ? one.description : `${one.description}; ${one.tcp}`)}`, style: DIM },
  ]);
  return { title, rows, anchor: 'first' };
}

function outputPanel(state: ScreenState, width: number, height: number): PanelView {
  const { lines, lost } = state.output;
  // Lines are wrapped from the end on, and no more of them than can be looked at.
  const wanted = height + state.scroll.output + height;
  const rows: Row[] = [];
  let at = lines.length;
  while (at > 0 && rows.length < wanted) {
    const { stream, text } = lines[--at];
    const style = stream === 'stderr' ? YELLOW : PLAIN;
    for (const part of wrap(text, width).reverse()) rows.push(row(part, style));
  }
  if (at === 0 && lost > 0) rows.push(row(`${String(lost)} lines before these are forgotten`, DIM));
  if (lines.length === 0) rows.push(row('the program has printed nothing', DIM));
  return { title: `output${count(lines.length + lost)}`, rows: rows.reverse(), anchor: 'last' };
}

export const PANEL_MAKERS: Readonly<Record<PanelName, Maker>> = {
  queue: queuePanel,
  interest: interestPanel,
  timers: timersPanel,
  calls: callsPanel,
  source: sourcePanel,
  sockets: socketsPanel,
  output: outputPanel,
};
