// A screen in memory: characters and styles in cells, and the shortest way from one screen to the next.

import { cellsOf } from './text.js';

/** Bits of a style; its colour stands above them. */
export const PLAIN = 0;
export const BOLD = 1;
export const DIM = 2;
export const INVERSE = 4;
export const UNDERLINE = 8;
const COLOUR_SHIFT = 4;
export const RED = 1 << COLOUR_SHIFT;
export const GREEN = 2 << COLOUR_SHIFT;
export const YELLOW = 3 << COLOUR_SHIFT;
export const CYAN = 6 << COLOUR_SHIFT;

/** Marks beyond this many on one character are somebody's joke. */
const CELL_CHARACTERS_MAX = 6;

export interface Span {
  readonly text: string;
  readonly style: number;
}

export class Canvas {
  /** One character with the marks on it; empty: the right half of a wide one. */
  readonly characters: string[];
  readonly styles: Uint8Array;

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.characters = new Array<string>(width * height).fill(' ');
    this.styles = new Uint8Array(width * height);
  }

  /** Writes into row `y` from column `x` on, at most `cells`; returns the column behind. `text` is a plain one. */
  put(x: number, y: number, text: string, style = PLAIN, cells = this.width - x): number {
    if (y < 0 || y >= this.height) return x;
    const end = Math.min(x + cells, this.width);
    for (const character of text) {
      const width = cellsOf(character);
      const at = y * this.width + x;
      if (width === 0) {
        const marked = x > 0 ? this.characters[at - 1] : '';
        if (marked !== '' && marked.length < CELL_CHARACTERS_MAX) this.characters[at - 1] += character;
        continue;
      }
      if (x + width > end) break;
      this.halve(at);
      if (width === 2) this.halve(at + 1);
      this.characters[at] = character;
      this.styles[at] = style;
      if (width === 2) {
        this.characters[at + 1] = '';
        this.styles[at + 1] = style;
      }
      x += width;
    }
    return x;
  }

  /** Of a wide character that is written over by half, the other half is a space. */
  private halve(at: number): void {
    if (this.characters[at] === '') this.characters[at - 1] = ' ';
    if (this.characters[at + 1] === '') this.characters[at + 1] = ' ';
  }

  putSpans(x: number, y: number, spans: readonly Span[], cells = this.width - x): number {
    const end = x + cells;
    for (const { text, style } of spans) x = this.put(x, y, text, style, end - x);
    return x;
  }

  /** Gives `cells` cells of a row one style more. */
  restyle(x: number, y: number, cells: number, style: number): void {
    for (let i = 0; i < cells; i++) this.styles[y * this.width + x + i] |= style;
  }

  /** What can be read, a line per row, without spaces at the ends. */
  lines(): string[] {
    const lines: string[] = [];
    for (let y = 0; y < this.height; y++) {
      const row = this.characters.slice(y * this.width, (y + 1) * this.width);
      lines.push(row.join('').trimEnd());
    }
    return lines;
  }
}

/** Select Graphic Rendition; ECMA-48. Without colours, bold and inverse still tell things apart. */
function sgr(style: number, colours: boolean): string {
  const codes = ['0'];
  if ((style & BOLD) !== 0) codes.push('1');
  if ((style & DIM) !== 0) codes.push('2');
  if ((style & UNDERLINE) !== 0) codes.push('4');
  if ((style & INVERSE) !== 0) codes.push('7');
  if (colours && style >> COLOUR_SHIFT > 0) codes.push(`3${String(style >> COLOUR_SHIFT)}`);
  return `\x1b[${codes.join(';')}m`;
}

/** Characters whose width all terminals agree on: Latin, and the lines and blocks that we draw with. */
function isCertain(character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  return character.length === 1 && (code < 0x300 || (code >= 0x2500 && code < 0x25a0));
}

/** What a terminal that shows `before` must be told to show `after`. Without `before` it shows nothing known. */
export function difference(before: Canvas | null, after: Canvas, colours: boolean): string {
  const { width, height, characters, styles } = after;
  const same = before?.width === width && before.height === height ? before : null;
  const parts: string[] = same === null ? ['\x1b[0m\x1b[2J'] : [];
  let style = same === null ? 0 : -1;
  let cursor = -1;
  for (let at = 0; at < width * height; at++) {
    const character = characters[at];
    if (character === '') continue;
    if (same === null ? character === ' ' && styles[at] === 0 : isSame(same, after, at)) continue;
    if (cursor !== at) parts.push(`\x1b[${String(Math.floor(at / width) + 1)};${String((at % width) + 1)}H`);
    if (style !== styles[at]) {
      style = styles[at];
      parts.push(sgr(style, colours));
    }
    parts.push(character);
    const next = at + (characters[at + 1] === '' && (at + 1) % width !== 0 ? 2 : 1);
    // At a row's end, and behind a character of doubtful width, the cursor is told where to go.
    cursor = next % width === 0 || !isCertain(character) ? -1 : next;
  }
  if (parts.length > 0) parts.push('\x1b[0m');
  return parts.join('');
}

function isSame(before: Canvas, after: Canvas, at: number): boolean {
  return before.characters[at] === after.characters[at] && before.styles[at] === after.styles[at];
}
