// The types of catalogue.js, for tests in TypeScript.

export interface Mutant {
  /** Unique, and what `--only` takes. */
  name: string;
  /** The hard problem, as docs/hard-problems.md calls it. */
  problem: string;
  /** A file in the project, or a folder: then the one of its files that has the text. */
  source: string;
  /** Stands in the source exactly once; one line, or with others that it leaves as they are, to be told from its like. */
  from: string;
  to: string;
  /** Below test/: names of tests, or of what stands around them. Each must have at least one that fails. */
  fails: Record<string, string[]>;
  /** Others in the same files that fail with it, and why that cannot be otherwise. */
  alsoFails?: Record<string, string>;
}
export const ROOT: string;
export const mutants: readonly Mutant[];
export function mutated(mutant: Mutant, root?: string): { file: string; before: string; after: string };
