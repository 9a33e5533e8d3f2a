// What the figures of several workloads have in common: where they come from, and how those of latency are told.

import type { FigureInfo } from '../report.js';

export const GENERATOR_HISTOGRAM = "the generator's histogram";
export const SERVER_COUNTER = "the server's counter";
export const SERVER_CPU_PER_SERVED = "getrusage of the server's process / requests served";
export const VERIFIED_REPLIES = 'replies within the window, each verified';

/** Of a closed loop or an open one, which `how` says. */
export function latencyUs(percentile: string, how: string): FigureInfo {
  return { title: `latency ${percentile}`, unit: 'us', source: `${GENERATOR_HISTOGRAM}${how}` };
}

export const CLOSED_LOOP = ' (closed loop)';
export const FROM_INTENDED_SEND = ', from the intended send';

export const requestsPerSecond: FigureInfo = {
  title: 'requests per second',
  unit: '1/s',
  source: VERIFIED_REPLIES,
};
