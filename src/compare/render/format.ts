// Numbers and tables for people: the same everywhere in the reports.

import Table from 'cli-table3';
import type { FigureInfo } from '../report.js';
import type { Summary } from '../statistics.js';

const KIB = 1024;
const counts = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

export function formatCount(value: number): string {
  return counts.format(value);
}

/** 78.1 GiB, 9.2 MiB, 640 bytes. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= KIB && unit < units.length - 1) {
    value /= KIB;
    unit++;
  }
  return `${unit === 0 ? String(Math.round(value)) : value.toFixed(1)} ${units[unit]}`;
}

/** A figure's value in its unit, as short as it may be said. */
export function formatValue(value: number, unit: FigureInfo['unit']): string {
  switch (unit) {
    case 'bytes':
      return formatBytes(value);
    case 'bytes/connection':
      return (value / KIB).toFixed(Math.abs(value) >= 1000 * KIB ? 0 : 2);
    case 'count':
      return formatCount(value);
    case 'share':
      return `${(value * 100).toFixed(Math.abs(value) < 0.1 ? 2 : 0)}%`;
    case '1/s':
      return value >= 100 ? formatCount(value) : value.toFixed(1);
    case 'ratio':
      return value.toFixed(3);
    case 's/million':
    case '1/request':
      return value.toFixed(2);
    case 'ms':
    case 'us':
    case 'ns':
      return value >= 1000 ? formatCount(value) : value.toFixed(value < 10 ? 2 : 1);
  }
}

/** `8.61 [8.55, 8.70]`; with fewer than six rounds the range, in braces. A single value stands alone. */
export function formatSummary(summary: Summary | undefined, unit: FigureInfo['unit']): string {
  if (summary === undefined) return '-';
  const value = (of: number): string => formatValue(of, unit);
  if (summary.n === 1) return value(summary.median);
  const { interval, median, min, max } = summary;
  if (min === max) return value(median);
  return interval === null
    ? `${value(median)} {${value(min)} .. ${value(max)}}`
    : `${value(median)} [${value(interval.low)} .. ${value(interval.high)}]`;
}

/** What stands in brackets in the tables. */
export function intervalNote(rounds: number): string {
  if (rounds === 1) return 'one round: no interval';
  return rounds < 6
    ? `median of ${rounds} rounds {lowest .. highest}; a 95% interval needs 6 rounds`
    : `median of ${rounds} rounds [95% interval of the median]; values that never differed stand alone`;
}

const noLines = {
  ...{
    top: '',
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    bottom: '',
    'bottom-mid': '',
    'bottom-left': '',
  },
  ...{
    'bottom-right': '',
    left: '',
    'left-mid': '',
    mid: '',
    'mid-mid': '',
    right: '',
    'right-mid': '',
    middle: '  ',
  },
};

/** The first column to the left, figures to the right. The first row is the heading. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(...rows.map((row) => row.length));
  const table = new Table({
    chars: noLines,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
    colAligns: Array.from({ length: columns }, (_, index) => (index === 0 ? 'left' : 'right')),
  });
  for (const row of rows) table.push(Array.from({ length: columns }, (_, index) => row[index] ?? ''));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Breaks sentences at the width of a screen. */
export function wrap(text: string, indent = '', width = 110): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > width - indent.length) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.map((one, index) => (index === 0 ? one : indent + one)).join('\n');
}
