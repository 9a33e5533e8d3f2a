// The doctor's face: what the command line imports.

export { FINDING_CLASSES } from './finding.js';
export type { Evidence, Finding, FindingClass, FoundHandler, Severity } from './finding.js';
export { examine } from './examine.js';
export type { Examination, ExamineOptions } from './examine.js';
export { UNDECIDED, diagnoseTrace } from './from-trace.js';
export type { TraceDiagnosis } from './from-trace.js';
export { describeFinding, describeFindings, findingsJson } from './report.js';
export { BLOCKED_MS } from './rules/blocked-handler.js';
