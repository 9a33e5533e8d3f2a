// The types of verdict.js, for tests in TypeScript.

import type { Mutant } from './catalogue.js';

export interface Outcome {
  failed: string[];
  hung: string[];
  broken: string[];
  timedOut: boolean;
}
export function judge(
  mutant: Pick<Mutant, 'fails' | 'alsoFails'>,
  outcome: Outcome,
): { killed: boolean; reasons: string[]; fallen: number; hung: number };
