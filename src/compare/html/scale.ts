// Scales and ticks of the drawings.

import { formatCount } from '../render/format.js';

export interface Scale {
  readonly log: boolean;
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly number[];
  /** From a value to a share of the axis: 0 at `low`, 1 at `high`. */
  readonly at: (value: number) => number;
}

/** Values further apart than this are shown on a logarithmic scale. */
const LOG_FROM = 30;
const TICKS = 5;

function niceStep(span: number): number {
  const rough = span / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((one) => one * power >= rough) ?? 10;
  return factor * power;
}

function logTicks(low: number, high: number): number[] {
  const from = Math.round(Math.log10(low));
  const to = Math.round(Math.log10(high));
  const every = Math.ceil((to - from) / 6);
  const ticks: number[] = [];
  for (let power = from; power <= to; power += every) ticks.push(10 ** power);
  return ticks;
}

/** From zero when linear. Logarithmic when values lie far apart and none is zero or less. */
export function scaleOf(values: readonly number[]): Scale {
  const least = Math.min(...values);
  const most = Math.max(...values);
  if (least > 0 && most / least > LOG_FROM) {
    const low = 10 ** Math.floor(Math.log10(least));
    const high = 10 ** Math.ceil(Math.log10(most));
    const span = Math.log10(high / low);
    const at = (value: number): number => Math.log10(Math.max(value, low) / low) / span;
    return { log: true, low, high, ticks: logTicks(low, high), at };
  }
  const bottom = Math.min(least, 0);
  const top = Math.max(most, 0);
  const step = niceStep(top - bottom || 1);
  const low = Math.floor(bottom / step) * step;
  const high = Math.max(Math.ceil(top / step) * step, low + step);
  const count = Math.round((high - low) / step);
  const ticks = Array.from({ length: count + 1 }, (_, i) => Number((low + i * step).toPrecision(12)));
  return { log: false, low, high, ticks, at: (value) => (value - low) / (high - low) };
}

/** A tick's label: as short as it may be. */
export function tickText(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
  return size >= 1
    ? Number.isInteger(value)
      ? formatCount(value)
      : String(Number(value.toPrecision(3)))
    : String(Number(value.toPrecision(2)));
}

/** About how wide a text is at the drawings' size of 12 px, in px. */
export function textWidth(text: string): number {
  return text.length * 6.8;
}

/** Cuts a text to what has room; the whole of it stands in the table and in the title. */
export function cut(text: string, widthPx: number): string {
  const room = Math.max(Math.floor(widthPx / 6.8), 3);
  return text.length <= room ? text : `${text.slice(0, room - 1)}\u2026`;
}
