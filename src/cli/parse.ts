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

/** Durations in milliseconds with commas between them. */
export function durations(text: string): number[] {
  return list(text).map(duration);
}

/** Durations in microseconds with commas between them. */
export function microsecondsList(text: string): number[] {
  return list(text).map(microseconds);
}

const BYTES_PER_UNIT: Readonly<Record<string, number>> = {
  '': 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
};

/** `512M`, `1.5G`, `64KiB`; powers of 1024; a bare number is bytes. */
export function bytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?$/i.exec(text);
  if (match === null) throw new InvalidArgumentError('Write a size such as 512M, 1.5G or 65536.');
  return Number(match[1]) * BYTES_PER_UNIT[match[2].toLowerCase()];
}

/** A number above 0. */
export function positive(text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (value <= 0) throw new InvalidArgumentError('Write a number above 0.');
  return value;
}
