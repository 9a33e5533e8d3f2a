// The face of the comparisons: what the command line and the tour use.

export { contestantNames } from './contestants.js';
export { toCsv } from './csv.js';
export { toHtml } from './html/page.js';
export { toJson } from './json.js';
export { WORKLOADS } from './report.js';
export type { Cell, CompareSettings, Contestant, FigureInfo, Report, WorkloadName } from './report.js';
export { compare } from './run.js';
export type { CompareHooks, CompareProgress } from './run.js';
export { readSettings } from './settings.js';
export type { CompareOptions } from './settings.js';
export { workloads } from './workloads.js';
