// Turns option texts into numbers: durations with their unit, whole numbers, lists.

import { InvalidArgumentError } from 'commander';

const MS_PER_UNIT: Readonly<Record<string, number>> = { '': 1, us: 0.001, ms: 1, s: 1000, m: 60_000 };

/** `2s`, `250ms`, `1.5s`, `3m`; a bare number is milliseconds. */
export function duration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(us|ms|s|m|)$/.exec(text);
  if (match === null) throw new InvalidArgumentError('Write a duration such as 500ms, 2s or 1.5s.');
  return Number(match[1]) * MS_PER_UNIT[match[2]];
}

/** A duration in whole microseconds; a bare number is microseconds. */
export function microseconds(text: string): number {
  return Math.round(/^\d+$/.test(text) ? Number(text) : duration(text) * 1000);
}

export function whole(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('Write a whole number.');
  return Number(text);
}

/** Names with commas between them. */
export function list(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** Whole numbers with commas between them. */
export function wholes(text: string): number[] {
  return list(text).map(whole);
}
