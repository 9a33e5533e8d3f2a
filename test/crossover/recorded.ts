// A crossover that was measured, the medians of its two rounds: the default grid on 2 cores of an AMD EPYC, Linux 6.18, Node.js 20.

import { readFileSync } from 'node:fs';
import type { CrossoverReport, Measurement } from '../../src/compare/crossover/report.js';
import { readCrossover } from '../../src/compare/crossover/settings.js';
import { drawn } from './made-up.js';

const MODELS = ['threads', 'pool', 'epoll'];

/** Its lines are those of crossoverCsv, with fewer columns. */
function measurements(): Measurement[] {
  const text = readFileSync(new URL('recorded.csv', import.meta.url), 'utf8');
  const [heading, ...lines] = text.trim().split('\n');
  const names = heading!.split(',');
  return lines.map((line) => {
    const fields = line.split(',').map((field, index) => {
      const number = Number(field);
      return [names[index]!, Number.isNaN(number) ? field : number];
    });
    const usual = { round: 1, failure: null, serverRssBytes: null, clientBound: false, requests: 1000 };
    return { ...usual, ...Object.fromEntries(fields) } as Measurement;
  });
}

/** The report of it, if `seed` had chosen which cells are held out. */
export function recorded(seed: number): CrossoverReport {
  return drawn(readCrossover({ models: MODELS, rounds: 1, seed }), measurements(), new Map());
}
