// The face of ps: what the command line imports.

export { toJson } from './json.js';
export { readPsList } from './list.js';
export type { PsList, PsRow } from './list.js';
export { renderList, renderReport } from './render.js';
export type { RenderOptions } from './render.js';
export { PS_FORMAT, readPs } from './report.js';
export type { PsOptions, PsReport } from './report.js';
export { isPhantom } from './sets.js';
export type { PsEntry, PsSet } from './sets.js';
export type { PsThread } from './threads.js';
export { watch } from './watch.js';
