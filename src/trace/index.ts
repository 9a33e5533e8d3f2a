// The public subpath `underloop/trace`: record what a reactor does, read it back, and turn it into other formats.

export { Recorder } from './recorder.js';
export type { FileRecorderOptions, RecorderOptions } from './recorder.js';
export { readTrace } from './reader.js';
export type { TraceReader } from './reader.js';
export type { TraceEvent, TraceHeader } from './format.js';
export { TRACE_FORMATS, exportTrace, traceLines } from './export.js';
export type { TraceFormat } from './export.js';
export { describeRaw } from './flags.js';
