// Types of the programs with one mistake each, for the tests.

export const CLASSES: readonly string[];

export interface Expected {
  class: string;
  cause: string | null;
  fdKind: string | null;
  handler: { names: string[]; line: number } | null;
  template: string;
  poller: string;
  moment: string;
}

export function generate(seed: number, options?: { clean?: boolean }): { text: string; expected: Expected };
