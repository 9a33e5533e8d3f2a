// As much of a terminal as the screen uses; anything else that it is told is an error, so that nothing escapes unseen.

/* eslint-disable no-control-regex -- a terminal is told things by them */

import { cellsOf } from '../../../src/step/screen/text.js';

const TOKEN = /\x1b\[(\?)?([\d;]*)([A-Za-z])|\x1b[^[]?|[\x00-\x1a\x1c-\x1f]|[^]/gu;

/** Text and attributes of the cells, and the modes that a screen must give back. */
export class Emulator {
  private cells: string[][] = [];
  private attributes: string[][] = [];
  private x = 0;
  private y = 0;
  private attribute = '0';
  private rest = '';
  alternate = false;
  cursorShown = true;
  wraps = true;
  /** What was written outside the alternate screen. */
  main = '';
  /** All that came, as it came. */
  raw = '';
  /** Bytes that came since this was set to 0. */
  received = 0;

  constructor(
    public width: number,
    public height: number,
  ) {
    this.clear();
  }

  resize(width: number, height: number): void {
    this.width = width;
    this.height = height;
    this.clear();
  }

  write(text: string): void {
    this.raw += text;
    this.received += text.length;
    const all = this.rest + text;
    this.rest = /\x1b(?:\[[?\d;]*)?$/.exec(all)?.[0] ?? '';
    for (const match of all.slice(0, all.length - this.rest.length).matchAll(TOKEN)) this.obey(match);
  }

  private obey([token, isPrivate, numbers, letter]: RegExpMatchArray): void {
    if (letter !== undefined) {
      if (isPrivate !== undefined && (letter === 'h' || letter === 'l'))
        this.mode(Number(numbers), letter === 'h');
      else if (letter === 'H') this.moveTo(numbers);
      else if (letter === 'm') this.attribute = numbers === '' ? '0' : numbers;
      else if (letter === 'J' && numbers === '2') this.clear();
      else throw new Error(`the emulator does not know ${JSON.stringify(token)}`);
    } else if (!this.alternate) this.main += token;
    else if (token < ' ' || token === '\x7f')
      throw new Error(`a control character: ${JSON.stringify(token)}`);
    else this.put(token);
  }

  private moveTo(numbers: string): void {
    const [row, column] = numbers.split(';').map(Number);
    if (!(row >= 1 && row <= this.height && column >= 1 && column <= this.width)) {
      throw new Error(`the cursor goes to ${numbers} of ${String(this.width)}x${String(this.height)}`);
    }
    [this.y, this.x] = [row - 1, column - 1];
  }

  private mode(number: number, on: boolean): void {
    if (number === 1049) this.alternate = on;
    else if (number === 25) this.cursorShown = on;
    else if (number === 7) this.wraps = on;
    else throw new Error(`the emulator does not know mode ${String(number)}`);
  }

  private put(character: string): void {
    const cells = cellsOf(character);
    if (cells === 0) return;
    if (this.x + cells > this.width)
      throw new Error(`${JSON.stringify(character)} stands beyond the last column`);
    const row = this.cells[this.y];
    for (let x = this.x; x < this.x + cells; x++) {
      if (row[x] === '') row[x - 1] = ' ';
      if (row[x + 1] === '') row[x + 1] = ' ';
    }
    row[this.x] = character;
    this.attributes[this.y][this.x] = this.attribute;
    if (cells === 2) row[this.x + 1] = '';
    this.x += cells;
  }

  private clear(): void {
    this.cells = Array.from({ length: this.height }, () => new Array<string>(this.width).fill(' '));
    this.attributes = Array.from({ length: this.height }, () => new Array<string>(this.width).fill('0'));
  }

  get lines(): string[] {
    return this.cells.map((row) => row.join('').trimEnd());
  }
  get text(): string {
    return this.lines.join('\n');
  }
  /** Whether `text` stands somewhere with this attribute: 1 bold, 2 dim, 4 underlined, 7 inverse, 31 red, ... */
  hasStyled(text: string, attribute: number): boolean {
    return this.cells.some((row, y) => {
      const at = row.join('').indexOf(text);
      return at >= 0 && this.attributes[y][at].split(';').includes(String(attribute));
    });
  }
}
