// What a program prints reaches the screen as text and nothing else; and the way from one screen to the next is right.

/* eslint-disable no-control-regex -- a terminal is told things by them */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BOLD, Canvas, INVERSE, RED, difference } from '../../../src/step/screen/cells.js';
import { KeyReader } from '../../../src/step/screen/keys.js';
import { Output } from '../../../src/step/screen/output.js';
import { fit, pad, plain, textCells, wrap } from '../../../src/step/screen/text.js';
import { Emulator } from './emulator.js';

const CONTROL = /[\x00-\x1f\x7f-\x9f]/;
/** Text with what terminals obey, and what they disagree about. */
const nasty = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '\x1b[31m',
        '\x1b[2J',
        '\x1b]0;t\x07',
        '\x1bP',
        '\x9b5A',
        '\x1b',
        '\t',
        '\r',
        '\x00',
        '\x7f',
      ),
      fc.constantFrom('漢', '字', '🙂', 'e\u0301', '\u200d', '\u202e', '\ud800', 'é', '─'),
      fc.string({ unit: 'binary', maxLength: 8 }),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

describe('text of the program', () => {
  test('keeps no control character and no sequence, whatever comes', () => {
    fc.assert(
      fc.property(nasty, (text) => {
        expect(plain(text)).not.toMatch(CONTROL);
      }),
    );
  });

  test('colours and titles leave nothing behind; lone control characters are shown as carets; tabs are spaces', () => {
    expect(plain('a\x1b[1;31mred\x1b[0m\x1b]0;title\x07b\x1b(B')).toBe('aredb');
    expect(plain('bell\x07 nul\x00 del\x7f')).toBe('bell^G nul^@ del^?');
    expect(plain('a\tb')).toBe('a       b');
    expect(plain('漢\tb')).toBe('漢      b');
    expect(plain('x\u202ey\u200dz')).toBe('xyz');
  });

  test('is cut, filled and wrapped by cells, and never by the middle of a wide character', () => {
    expect(textCells('漢字ab')).toBe(6);
    expect(textCells('e\u0301')).toBe(1);
    expect(textCells('🙂')).toBe(2);
    expect(fit('漢字ab', 4)).toBe('漢…');
    expect(pad('漢', 4)).toBe('漢  ');
    expect(wrap('漢字ab', 3)).toEqual(['漢', '字a', 'b']);
    fc.assert(
      fc.property(nasty, fc.integer({ min: 2, max: 20 }), (text, cells) => {
        const line = plain(text);
        expect(textCells(fit(line, cells))).toBeLessThanOrEqual(cells);
        expect(textCells(pad(line, cells))).toBe(cells);
        for (const part of wrap(line, cells)) expect(textCells(part)).toBeLessThanOrEqual(cells);
        expect(wrap(line, cells).join('')).toBe(line);
      }),
    );
  });
});

describe('output', () => {
  const shown = (output: Output): string[] => output.lines.map(({ stream, text }) => `${stream}|${text}`);

  test('is the same however it is cut into pieces', () => {
    fc.assert(
      fc.property(fc.array(nasty, { maxLength: 5 }), fc.integer({ min: 1, max: 7 }), (lines, size) => {
        const text = lines.join('\n');
        const [whole, pieces] = [new Output(), new Output()];
        whole.push('stdout', text);
        for (let at = 0; at < text.length; at += size) pieces.push('stdout', text.slice(at, at + size));
        expect(shown(pieces)).toEqual(shown(whole));
      }),
    );
  });

  test('keeps the two streams apart in the middle of their lines', () => {
    const output = new Output();
    output.push('stdout', 'half ');
    output.push('stderr', 'oops\n');
    output.push('stdout', 'whole\n');
    expect(shown(output)).toEqual(['stdout|half whole', 'stderr|oops']);
  });

  test('a carriage return begins the line anew, as progress bars do it', () => {
    const output = new Output();
    output.push('stdout', '10%\r20%\r30%\r\nnext');
    expect(shown(output)).toEqual(['stdout|30%', 'stdout|next']);
  });

  test('is bounded in lines and in the length of each, and says how many are gone', () => {
    const output = new Output();
    for (let i = 0; i < 50; i++) output.push('stdout', `${String(i)}\n`.repeat(100));
    expect(output.lines.length).toBe(2000);
    expect(output.lost).toBe(3000);
    expect(output.lines.at(-1)?.text).toBe('49');
    output.push('stdout', `${'1\n'.repeat(5000)}end`);
    expect(output.lines.length).toBe(2000);
    expect(output.lines.at(-1)?.text).toBe('end');
    output.push('stdout', 'x'.repeat(100_000));
    expect(output.lines.at(-1)!.text.length).toBeLessThan(10_000);
  });
});

describe('the difference of two screens', () => {
  const put = fc.record({
    x: fc.integer({ min: 0, max: 12 }),
    y: fc.integer({ min: 0, max: 4 }),
    text: nasty.map(plain),
    style: fc.constantFrom(0, BOLD, INVERSE, RED),
  });
  const canvas = fc.array(put, { maxLength: 6 }).map((puts) => {
    const made = new Canvas(13, 5);
    for (const { x, y, text, style } of puts) made.put(x, y, text, style);
    return made;
  });

  test('leads from any screen to any other', () => {
    fc.assert(
      fc.property(canvas, canvas, (before, after) => {
        const emulator = new Emulator(13, 5);
        emulator.alternate = true;
        emulator.write(difference(null, before, true));
        emulator.write(difference(before, after, true));
        const bases = after.lines().map((line) => line.replace(/\p{M}/gu, '').trimEnd());
        expect(emulator.lines).toEqual(bases);
      }),
      { numRuns: 300 },
    );
  });

  test('is nothing for the same screen, and small for a small change', () => {
    const [a, b, c] = [new Canvas(200, 60), new Canvas(200, 60), new Canvas(200, 60)];
    for (const one of [a, b, c]) for (let y = 0; y < 60; y++) one.put(0, y, 'line '.repeat(40));
    c.put(100, 30, 'X');
    expect(difference(a, b, true)).toBe('');
    expect(difference(a, c, true)).toBe('\x1b[31;101H\x1b[0mX\x1b[0m');
  });

  test('has no colours where none are wanted, and bold and inverse all the same', () => {
    const after = new Canvas(10, 1);
    after.put(0, 0, 'a', RED | BOLD);
    after.put(1, 0, 'b', INVERSE);
    expect(difference(null, after, false)).not.toContain('31');
    expect(difference(null, after, false)).toContain('\x1b[0;1ma\x1b[0;7mb');
    expect(difference(null, after, true)).toContain('\x1b[0;1;31ma');
  });
});

describe('keys', () => {
  test('are named the same however their bytes are cut', () => {
    const bytes = 's\x1b[A\x1bOB\x1b[5~\x1b[Z\r\t\x7f \x03é\x1b[1;5C';
    const named = [
      's',
      'up',
      'down',
      'pageup',
      'backtab',
      'enter',
      'tab',
      'backspace',
      'space',
      'ctrl-c',
      'é',
      'unknown',
    ];
    for (let size = 1; size <= bytes.length; size++) {
      const reader = new KeyReader();
      const keys: string[] = [];
      for (let at = 0; at < bytes.length; at += size) keys.push(...reader.push(bytes.slice(at, at + size)));
      expect(keys).toEqual(named);
    }
  });

  test('a lone ESC is the escape key once nothing more comes', () => {
    const reader = new KeyReader();
    expect(reader.push('\x1b')).toEqual([]);
    expect(reader.unfinished).toBe(true);
    expect(reader.flush()).toEqual(['escape']);
    expect(reader.push('\x1bq')).toEqual(['escape', 'q']);
  });
});
