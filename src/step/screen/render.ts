// The screen as a function of its state and size: no terminal is needed to see it.

import { basename } from 'node:path';
import { COMMAND_HELP } from '../commands.js';
import {
  BOLD,
  Canvas,
  CYAN,
  DIM,
  GREEN,
  INVERSE,
  PLAIN,
  RED,
  UNDERLINE,
  YELLOW,
  type Span,
} from './cells.js';
import { BINDINGS } from './keys.js';
import { HEIGHT_MIN, WIDTH_MIN, layout, type Box } from './layout.js';
import { PANEL_MAKERS, type PanelView, type Row } from './panels.js';
import { PHASES, PHASE_NAMES, passedPhases, type Phase } from './phases.js';
import { describeCondition, describeState, type PanelName, type ScreenState } from './state.js';
import { fit, pad, plain, textCells, wrap } from './text.js';

export interface Frame {
  readonly canvas: Canvas;
  /** How far each visible panel can be scrolled, from and to; the overlay's too. */
  readonly scrolls: ReadonlyMap<PanelName | 'overlay', readonly [min: number, max: number]>;
  /** Rows of the chosen panel, or of the overlay: what a page is. */
  readonly page: number;
}

/** The text of a frame, a string per row, without spaces at the ends. */
export function render(state: ScreenState, width: number, height: number): string[] {
  return draw(state, width, height).canvas.lines();
}

export function draw(state: ScreenState, width: number, height: number): Frame {
  const canvas = new Canvas(width, height);
  const scrolls = new Map<PanelName | 'overlay', readonly [number, number]>();
  if (width < WIDTH_MIN || height < HEIGHT_MIN) {
    drawTooSmall(canvas);
    return { canvas, scrolls, page: 1 };
  }
  const keys = state.prompt === null ? keyRows(state, width) : [hintRow(state.prompt.hint)];
  const top = 3;
  // The panels stand still while something is asked.
  const bodyHeight = height - top - 1 - allKeyRows(width).length;
  drawHead(canvas, state);
  drawPhases(canvas, state);
  canvas.put(0, 2, fit(describeState(state), width), statusStyle(state));
  let page = 1;
  if (state.overlay !== 'none') {
    const rows = state.overlay === 'help' ? helpRows(width) : breakpointRows(state);
    page = bodyHeight - 1;
    const max = Math.max(rows.length - page, 0);
    scrolls.set('overlay', [0, max]);
    const first = Math.min(state.overlayScroll, max);
    drawTitle(canvas, 0, top, width, state.overlay === 'help' ? 'help' : 'breakpoints', true, '');
    rows.slice(first, first + page).forEach((row, index) => canvas.putSpans(0, top + 1 + index, row));
  } else {
    for (const box of layout(top, width, bodyHeight, state.zoomed ? state.focus : null)) {
      scrolls.set(box.panel, drawPanel(canvas, state, box));
      if (box.panel === state.focus) page = box.height - 1;
    }
  }
  drawMessage(canvas, state, top + bodyHeight);
  keys.forEach((row, index) => canvas.putSpans(0, top + bodyHeight + 1 + index, row));
  return { canvas, scrolls, page };
}

function drawTooSmall(canvas: Canvas): void {
  const { width, height } = canvas;
  const text =
    `This terminal is too small: ${String(width)}x${String(height)}. ` +
    `At least ${String(WIDTH_MIN)}x${String(HEIGHT_MIN)} is needed. q quits.`;
  let line = '';
  let y = 0;
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      canvas.put(0, y++, line);
      line = '';
    }
    line += (line === '' ? '' : ' ') + word;
  }
  canvas.put(0, y, line);
}

function statusStyle(state: ScreenState): number {
  if (state.status === 'ended') return state.ending?.code === 0 ? BOLD : BOLD | RED;
  if (state.status === 'held') return PLAIN;
  return state.phase === 'wait' || state.silentMs === 0 ? GREEN : BOLD | YELLOW;
}

function statusWord(state: ScreenState): string {
  if (state.status === 'starting') return 'STARTS';
  if (state.status === 'held') return 'HELD';
  if (state.status === 'ended') return 'ENDED';
  if (state.silentMs === 0) return 'RUNS';
  return state.phase === 'wait' ? 'WAITS' : 'BLOCKED?';
}

function drawHead(canvas: Canvas, state: ScreenState): void {
  const { held, pid } = state;
  const { width } = canvas;
  const word = statusWord(state);
  const parts = [`${width < 80 ? '' : 'underloop step '}${plain(basename(state.script))}`];
  if (pid >= 0) parts.push(`pid ${String(pid)}`);
  if (held !== null) {
    const which = held.reactor > 1 ? `reactor ${String(held.reactor)}: ` : '';
    parts.push(`${which}${held.poller}${held.pollerFd >= 0 ? ` fd ${String(held.pollerFd)}` : ''}`);
    parts.push(`turn ${String(state.turn)}`);
  }
  canvas.put(0, 0, pad(` ${parts.join('  ')}`, width - word.length - 1), INVERSE);
  canvas.put(width - word.length - 1, 0, `${word} `, INVERSE | BOLD);
}

function drawPhases(canvas: Canvas, state: ScreenState): void {
  const { held, phase } = state;
  const counts = new Map<Phase, number>();
  if (state.status === 'held')
    for (const { kind } of held?.next ?? []) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const passed = passedPhases(held?.events ?? []);
  const spans = (names: Readonly<Record<Phase, string>>, variant: number): Span[] =>
    PHASES.flatMap((one, index): Span[] => {
      const space = variant < 2 ? ' ' : '';
      const number = counts.get(one);
      const text = `${names[one]}${number === undefined ? '' : ` ${String(number)}`}`;
      const style = one === phase ? INVERSE | BOLD : passed.has(one) ? UNDERLINE : DIM;
      return [...(index === 0 ? [] : [{ text: '›', style: DIM }]), { text: space + text + space, style }];
    });
  const cells = (row: Row): number => row.reduce((sum, { text }) => sum + textCells(text), 0);
  const variants = PHASE_NAME_VARIANTS.map(spans);
  const fitting = variants.find((row) => cells(row) <= canvas.width) ?? variants.at(-1);
  if (fitting !== undefined) canvas.putSpans(0, 1, fitting);
}

/** From the longest to the shortest, which goes without spaces too. */
const PHASE_NAME_VARIANTS: readonly Readonly<Record<Phase, string>>[] = [
  PHASE_NAMES,
  { ...PHASE_NAMES, drain: 'ticks' },
  {
    ...PHASE_NAMES,
    timer: 'tmr',
    readiness: 'ready',
    posted: 'post',
    deferred: 'defer',
    closed: 'close',
    drain: 'ticks',
  },
];

function drawTitle(
  canvas: Canvas,
  x: number,
  y: number,
  width: number,
  title: string,
  chosen: boolean,
  note: string,
): void {
  canvas.put(x, y, '─'.repeat(width), DIM);
  const text = ` ${fit(title, width - 6 - note.length)} `;
  const end = canvas.put(x + 1, y, text, chosen ? INVERSE | BOLD : BOLD);
  if (note !== '' && end + note.length + 1 < x + width) canvas.put(x + width - note.length - 1, y, note, DIM);
}

/** Draws what is visible of a panel; returns how far it can be scrolled. */
function drawPanel(canvas: Canvas, state: ScreenState, box: Box): readonly [number, number] {
  const { panel, x, y, width, height } = box;
  const room = height - 1;
  const view = PANEL_MAKERS[panel](state, width, room);
  const [rest, min, max] = range(view, room, panel);
  const scroll = Math.max(Math.min(state.scroll[panel], max), min);
  const first = view.anchor === 'last' ? rest - scroll : rest + scroll;
  const below = view.rows.length - first - room;
  const note = `${first > 0 ? '↑' : ''}${below > 0 ? '↓' : ''}`;
  drawTitle(canvas, x, y, width, view.title, panel === state.focus, note);
  if (x > 0) for (let at = y; at < y + height; at++) canvas.put(x - 1, at, '│', DIM);
  // What is shown of a running program is its last hold.
  const old = state.status !== 'held' && panel !== 'output' && panel !== 'calls';
  view.rows.slice(first, first + room).forEach((row: Row, index) => {
    canvas.putSpans(x, y + 1 + index, row, width);
    const [only] = row;
    if (row.length === 1 && (only.style & INVERSE) !== 0) canvas.restyle(x, y + 1 + index, width, only.style);
    if (old) canvas.restyle(x, y + 1 + index, width, DIM);
  });
  return [min, max];
}

/** The first visible row of a panel that is not scrolled, and how far it can be scrolled from there. */
function range(
  view: PanelView,
  room: number,
  panel: PanelName,
): readonly [rest: number, min: number, max: number] {
  const over = Math.max(view.rows.length - room, 0);
  if (view.anchor === 'first') return [0, 0, over];
  if (view.anchor === 'last') return [over, 0, over];
  const rest = Math.max(Math.min((view.around ?? 0) - Math.floor(room / 3), over), 0);
  // The run queue follows the chosen item, and does nothing else.
  return panel === 'queue' ? [rest, 0, 0] : [rest, -rest, over - rest];
}

function drawMessage(canvas: Canvas, state: ScreenState, y: number): void {
  const { prompt, message } = state;
  if (prompt !== null) {
    const question = `${prompt.question}: `;
    const room = canvas.width - question.length - 1;
    const bad = message?.bad === true ? `  ${message.text}` : '';
    let end = canvas.put(0, y, question, BOLD);
    end = canvas.put(end, y, prompt.text.slice(-room));
    end = canvas.put(end, y, ' ', INVERSE);
    canvas.put(end, y, bad, RED);
    return;
  }
  if (message !== null) canvas.put(0, y, fit(message.text, canvas.width), message.bad ? BOLD | RED : CYAN);
}

function keyWords(...words: readonly (readonly [key: string, word: string])[]): Span[] {
  return words.flatMap(([key, word]) => [
    { text: key, style: BOLD | CYAN },
    { text: ` ${word}  `, style: PLAIN },
  ]);
}

const hintRow = (hint: string): Row => [
  ...keyWords(['enter', 'do it'], ['esc', 'leave']),
  { text: hint, style: PLAIN },
];

/** The bottom line, or as many as the width needs. */
function keyRows(state: ScreenState, width: number): Row[] {
  if (state.status === 'ended') {
    const leave = keyWords([state.leaves ? 'any other key' : 'q', 'leaves']);
    return [[...keyWords(['tab', 'panel'], ['↑↓', 'scroll'], ['z', 'zoom']), ...leave]];
  }
  if (state.overlay === 'help') return [keyWords(['↑↓', 'scroll'], ['any other key', 'leaves the help'])];
  return allKeyRows(width);
}

function allKeyRows(width: number): Row[] {
  const rows: Span[][] = [[]];
  let used = 0;
  for (const { brief } of BINDINGS) {
    if (brief === null) continue;
    const cells = textCells(brief.join(' ')) + 2;
    if (used + cells - 2 > width) {
      rows.push([]);
      used = 0;
    }
    rows.at(-1)?.push(...keyWords(brief));
    used += cells;
  }
  return rows;
}

function helpRows(width: number): Row[] {
  const rows: Row[] = [];
  for (const { help } of BINDINGS) {
    if (help === null) continue;
    rows.push([
      { text: pad(help[0], 28), style: BOLD | CYAN },
      { text: help[1], style: PLAIN },
    ]);
  }
  const conditions = COMMAND_HELP.split('\n').filter((line) => line.startsWith('COND'));
  const notes = [
    '',
    ...conditions,
    '',
    'Phases: the lit one is the next item’s, or where a silent program is; those underlined have passed since the last hold.',
    'Interest set: what the registry believes; = the kernel has the same, ≠ it has what stands behind, in red.',
    'Queue bars: each cell is eight times as many bytes.',
    'Output: what came from standard error is yellow.',
  ];
  for (const note of notes)
    for (const part of wrapWords(note, width)) rows.push([{ text: part, style: PLAIN }]);
  return rows;
}

function wrapWords(text: string, width: number): string[] {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line !== '' && textCells(line) + 1 + textCells(word) > width) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.flatMap((line) => wrap(line, width));
}

function breakpointRows({ breakpoints }: ScreenState): Row[] {
  if (breakpoints.size === 0) return [[{ text: 'There is none: b sets one.', style: DIM }]];
  return [...breakpoints].map(([number, condition]) => [
    { text: String(number).padStart(4), style: BOLD },
    { text: `  ${describeCondition(condition)}`, style: PLAIN },
  ]);
}
