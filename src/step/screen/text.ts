// What a text looks like in the cells of a terminal: its width, and nothing in it that a terminal would obey.

/* eslint-disable no-control-regex -- these are what this is about */

/** Cells of East Asian wide characters; Unicode's EastAsianWidth.txt, W and F. Emoji are asked of the runtime. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2329, 0x232a],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x17000, 0x18cff],
  [0x1aff0, 0x1b2ff],
  [0x20000, 0x3fffd],
];

const EMOJI = /^\p{Emoji_Presentation}$/u;
const MARK = /^\p{M}$/u;
const TAB_CELLS = 8;

/** Cells of one character: 0 for a mark that stands on the character before it, 2 for wide ones. */
export function cellsOf(character: string): 0 | 1 | 2 {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x300) return 1;
  if (MARK.test(character)) return 0;
  if (code < 0x1100) return 1;
  for (const [first, last] of WIDE) if (code >= first && code <= last) return 2;
  return EMOJI.test(character) ? 2 : 1;
}

/** Cells of a text that {@link plain} has made. */
export function textCells(text: string): number {
  let cells = 0;
  for (const character of text) cells += cellsOf(character);
  return cells;
}

/** The beginning of a text that fits into `cells`; one that does not fit ends in `…`. */
export function fit(text: string, cells: number): string {
  if (text.length <= cells && textCells(text) <= cells) return text;
  if (cells < 1) return '';
  let used = 0;
  let kept = '';
  for (const character of text) {
    used += cellsOf(character);
    if (used > cells - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

/** As `fit`, and filled up with spaces. */
export function pad(text: string, cells: number): string {
  const fitted = fit(text, cells);
  return fitted + ' '.repeat(Math.max(cells - textCells(fitted), 0));
}

/** Lines of at most `cells` each. */
export function wrap(text: string, cells: number): string[] {
  if (text.length <= cells && textCells(text) <= cells) return [text];
  const lines: string[] = [];
  let line = '';
  let used = 0;
  for (const character of text) {
    const width = cellsOf(character);
    if (used + width > cells && line !== '') {
      lines.push(line);
      line = '';
      used = 0;
    }
    line += character;
    used += width;
  }
  lines.push(line);
  return lines;
}

// ESC [ ... letter; ESC ] ... BEL or ST, and the other strings; ESC and one more; the same with the C1 bytes.
const SEQUENCE =
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)|\x1b[ -/]*[0-~]/g;
/** What joins, hides or turns round the characters beside it: terminals do not agree on how many cells that takes. */
const INVISIBLE = /[\p{Default_Ignorable_Code_Point}\u2028\u2029]/gu;
const CONTROL = /[\x00-\x1f\x7f-\x9f]|\p{Cs}/gu;

/** `^C`, as terminals echo it; other characters that cannot be shown become U+FFFD. */
function showControl(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 0x20 || code === 0x7f) return `^${String.fromCharCode(code ^ 0x40)}`;
  return '\ufffd';
}

/** One line of text of which a terminal obeys nothing: escape sequences are left out, control characters shown. */
export function plain(text: string): string {
  const visible = text.replace(SEQUENCE, '').replace(INVISIBLE, '');
  return expandTabs(visible).replace(CONTROL, showControl);
}

function expandTabs(text: string): string {
  if (!text.includes('\t')) return text;
  let expanded = '';
  for (const part of text.split(/(\t)/)) {
    expanded += part === '\t' ? ' '.repeat(TAB_CELLS - (textCells(expanded) % TAB_CELLS)) : part;
  }
  return expanded;
}
