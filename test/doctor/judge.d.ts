// Types of the judgement of the doctor's findings, for the tests.

export interface Finding {
  class: string;
  cause?: string;
  handler?: { name?: string; line?: number } | null;
}
export interface Judged {
  verdict: string;
  extra: Finding[];
}
export interface Wanted {
  class: string;
  cause: string | null;
  handler: { names: string[]; line?: number } | null;
}

export function judgeFault(findings: Finding[], expected: Wanted, alsoCause?: string | null): Judged;
export function judgeClean(findings: Finding[]): Judged;
export function proofIn(output: string): { fault: boolean; evidence: Record<string, unknown> } | null;
export function summarize(
  results: { kind: string; expected: Wanted | null; verdict: string; extra: Finding[] }[],
): { judged: number; found: number; share: number; alarms: number; isComplete: boolean; passed: boolean };
