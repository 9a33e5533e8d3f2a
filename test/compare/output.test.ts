// What a comparison writes: CSV that reads back, JSON without loss, numbers and tables for people.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toCsv } from '../../src/compare/csv.js';
import { toJson } from '../../src/compare/json.js';
import {
  formatBytes,
  formatCount,
  formatSummary,
  formatTable,
  formatValue,
  intervalNote,
  wrap,
} from '../../src/compare/render/format.js';
import { figureTable, footing, heading } from '../../src/compare/render/frame.js';
import type { Cell, FigureInfo, Report } from '../../src/compare/report.js';
import { summarise } from '../../src/compare/statistics.js';
import { noteSilence } from '../../src/compare/workloads/ladder.js';
import type { LoadResult } from '../../src/load/result.js';
import { renderLadder } from '../../src/compare/render/ladder.js';
import { cellOf, reportOf } from './report.js';

/** RFC 4180, by hand: what a spreadsheet does. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  while (at < text.length) {
    let field = '';
    if (text[at] === '"') {
      for (at++; text[at] !== '"' || text[at + 1] === '"'; at++) {
        if (text[at] === '"') at++;
        field += text[at];
      }
      at++;
    } else while (at < text.length && text[at] !== ',' && text[at] !== '\n') field += text[at++];
    row.push(field);
    if (text[at] === '\n') {
      rows.push(row);
      row = [];
    }
    at++;
  }
  return rows;
}

test('a workload with points has a table for each figure that was measured anywhere, and no empty ones', () => {
  const us = (title: string): FigureInfo => ({ title, unit: 'us', source: '' });
  const figures = { 'p50Us@1': us('p50, 1'), 'p50Us@2': us('p50, 2'), 'p99Us@1': us('p99, 1') };
  const text = (values: Record<string, number>): string =>
    renderLadder(reportOf([cellOf(1, 'a', values)], figures), 'title', ['p50Us', 'p99Us']);
  expect(text({ 'p50Us@2': 7 })).toMatch(/\n\n +a\np50, 2 +7\.00\n\n\S/);
  expect(text({})).not.toMatch(/^ +a$/m);
  expect(text({ 'p50Us@1': 5, 'p99Us@1': 9 }).match(/^ +a$/gm)).toHaveLength(2);
});

test('a point at which nothing was answered is told below the tables', () => {
  const cell = cellOf(1, 'worker', {});
  const requests = (answered: number) => ({ answered }) as LoadResult['requests'];
  noteSilence(cell, { requests: requests(1), actives: null }, '1 us');
  noteSilence(cell, { requests: requests(0), actives: {} as LoadResult['actives'] }, '5 idle');
  expect(cell.notes).toEqual([]);
  noteSilence(cell, { requests: requests(0), actives: null }, '0 us');
  expect(footing(reportOf([cell]))).toContain('* worker: nothing was answered in the window (0 us)');
});

describe('CSV', () => {
  const text = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ', 'é') });
  const cell = fc
    .record({
      round: fc.nat(),
      contestant: text,
      failure: fc.option(text.filter((failure) => failure !== '')),
      figures: fc.dictionary(text, fc.double({ noNaN: true, noDefaultInfinity: true }), { maxKeys: 3 }),
    })
    .map((some): Cell => ({ notes: [], unavailable: {}, raw: {}, ...some }));

  test('reads back: every figure of every cell, and every failure, whatever stands in them', () => {
    fc.assert(
      fc.property(fc.array(cell, { maxLength: 4 }), (cells) => {
        const report = { ...reportOf([]), cells } as Report;
        const [head, ...rows] = parseCsv(toCsv(report));
        expect(head).toEqual(['workload', 'round', 'model', 'figure', 'unit', 'value', 'failure']);
        const expected = cells.flatMap(({ round, contestant, figures, failure }) => {
          const line = (name: string, value: string): string[] => [
            'echo',
            String(round),
            contestant,
            name,
            '',
            value,
            failure ?? '',
          ];
          const lines = Object.entries(figures).map(([name, value]) => line(name, String(value)));
          return lines.length === 0 && failure !== null ? [line('', '')] : lines;
        });
        expect(rows).toEqual(expected);
      }),
    );
  });

  test('each line has its unit', () => {
    const report = reportOf([cellOf(1, 'epoll', { p50Us: 12.5 })], {
      p50Us: { title: 'latency p50', unit: 'us', source: 'a test' },
    });
    expect(toCsv(report).split('\n')[1]).toBe('echo,1,epoll,p50Us,us,12.5,');
  });
});

describe('JSON', () => {
  test('64-bit integers are numbers, and it is one line', () => {
    const cell = {
      ...cellOf(1, 'epoll', { x: 1 }),
      raw: { startedNs: 5_000_000_000_000_001n, text: 'a\nb' },
    };
    const text = toJson(reportOf([cell]));
    expect(text.indexOf('\n')).toBe(text.length - 1);
    expect((JSON.parse(text) as Report).cells[0]!.raw).toEqual({
      startedNs: 5_000_000_000_000_001,
      text: 'a\nb',
    });
  });

  test('a report comes back as it was; several are an array', () => {
    const report = reportOf([cellOf(1, 'epoll', { x: 0.1 + 0.2 })]);
    expect(JSON.parse(toJson(report))).toEqual(JSON.parse(JSON.stringify(report)));
    expect(JSON.parse(toJson([report, report]))).toHaveLength(2);
  });
});

describe('values', () => {
  test.each<[number, FigureInfo['unit'], string]>([
    [640, 'bytes', '640 bytes'],
    [-28 * 1024, 'bytes', '-28.0 KiB'],
    [78.125 * 2 ** 30, 'bytes', '78.1 GiB'],
    [1536, 'bytes/connection', '1.50'],
    [2 ** 20, 'bytes/connection', '1024'],
    [10_000, 'count', '10,000'],
    [0.9512, 'share', '95%'],
    [-0.0012, 'share', '-0.12%'],
    [12.345, '1/s', '12.3'],
    [18_730.4, '1/s', '18,730'],
    [2, '1/request', '2.00'],
    [8.612, 's/million', '8.61'],
    [0.5, 'ms', '0.50'],
    [93.74, 'us', '93.7'],
    [10_023_660, 'ns', '10,023,660'],
  ])('%d %s is %s', (value, unit, expected) => {
    expect(formatValue(value, unit)).toBe(expected);
  });

  test('bytes end at the largest unit', () => {
    expect(formatBytes(2 ** 60)).toBe('1048576.0 TiB');
    expect(formatCount(1234567)).toBe('1,234,567');
  });

  test('brackets are for intervals only; a range has braces', () => {
    expect(formatSummary(undefined, 'ms')).toBe('-');
    expect(formatSummary(summarise([5]), 'ms')).toBe('5.00');
    expect(formatSummary(summarise([1, 2, 3]), 'ms')).toBe('2.00 {1.00 .. 3.00}');
    expect(formatSummary(summarise([1, 2, 3, 4, 5, 6]), 'ms')).toBe('3.50 [1.00 .. 6.00]');
    expect(formatSummary(summarise([4, 4, 4]), 'count')).toBe('4');
  });

  test('a note says which it is', () => {
    expect(intervalNote(1)).toBe('one round: no interval');
    expect(intervalNote(5)).toMatch(/lowest \.\. highest.*needs 6/);
    expect(intervalNote(6)).toMatch(/95% interval of the median/);
  });
});

describe('tables and text', () => {
  test('names to the left, figures to the right, missing ones blank, no blanks at the ends', () => {
    expect(
      formatTable([
        ['', 'a', 'bb'],
        ['first', '1', '22'],
        ['x', '333'],
      ]),
    ).toBe('         a  bb\nfirst    1  22\nx      333');
  });

  test('wrapping loses no word and keeps to the width', () => {
    const words = fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1 });
    fc.assert(
      fc.property(words, fc.integer({ min: 20, max: 110 }), (list, width) => {
        const lines = wrap(list.join(' '), '  ', width).split('\n');
        expect(lines.map((line) => line.trim()).join(' ')).toBe(list.join(' '));
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
      }),
    );
  });

  test('a figure that nobody has has no row; one that somebody lacks has a dash', () => {
    const figures: Record<string, FigureInfo> = {
      x: { title: 'the x', unit: 'count', source: '' },
      y: { title: 'the y', unit: 'count', source: '' },
    };
    const report = reportOf([cellOf(1, 'a', { x: 1 }), cellOf(1, 'b', {})], figures);
    expect(figureTable(report, ['x', 'y'], { x: ' *' })).toBe('         a  b\nthe x *  1  -');
  });

  test('failures, missing figures and notes stand below, each once, with who and when', () => {
    const cells: Cell[] = [
      { ...cellOf(1, 'a', {}), failure: 'it died' },
      { ...cellOf(1, 'b', {}), notes: ['slow'], unavailable: { x: 'needs root' } },
      { ...cellOf(2, 'a', {}), unavailable: { x: 'needs root' } },
      { ...cellOf(2, 'b', {}), notes: ['slow'] },
    ];
    const text = footing(reportOf(cells, { x: { title: ' the x', unit: 'count', source: '' } }));
    expect(text).toContain('fewer for a (n = 1).');
    expect(text).toContain('- the x: needs root (b, a)');
    expect(text.match(/\* b: slow/g)).toHaveLength(1);
    expect(text).toContain('! a, round 1, FAILED: it died');
  });

  test('an interrupted report and its notices say so at the top', () => {
    const report = { ...reportOf([cellOf(1, 'a', {})]), interrupted: true, notices: ['fewer connections'] };
    expect(heading(report, 'title')).toMatch(
      /^title\n[^]*\n! fewer connections\n! Interrupted: 1 cells were measured\.$/,
    );
  });
});
