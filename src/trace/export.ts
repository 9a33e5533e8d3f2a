// Turns a recorded file into another format, line by line: bounded memory, however long the trace is.

import type { Writable } from 'node:stream';
import { argumentError } from '../errors.js';
import { chromeLines } from './chrome.js';
import { jsonLines } from './jsonl.js';
import { readTrace, type TraceReader } from './reader.js';
import { textLines } from './text.js';

const exporters = { jsonl: jsonLines, chrome: chromeLines, text: textLines };

/** `jsonl`: JSON Lines; `chrome`: for Perfetto and chrome://tracing; `text`: for people. */
export type TraceFormat = keyof typeof exporters;
/** The names of the formats that {@link exportTrace} knows. */
export const TRACE_FORMATS = Object.keys(exporters) as TraceFormat[];

/** How many characters are handed to the stream at once. */
const CHUNK_CHARACTERS = 64 * 1024;

/** The trace in the given format, as lines without their ends. Throws `ERR_ARGUMENT` for an unknown format. */
export function traceLines(trace: TraceReader, format: TraceFormat): Generator<string, void, undefined> {
  if (!Object.hasOwn(exporters, format)) {
    throw argumentError('format', `one of ${TRACE_FORMATS.join(', ')}`, format);
  }
  return exporters[format](trace);
}

/** What {@link exportTrace} tells. */
export interface ExportOutcome {
  /** Whether the end of the trace was missing. */
  readonly truncated: boolean;
}

/**
 * Writes the trace in `file` (a name, or its bytes) to `writable`, at the pace of the stream, and does not end the stream.
 * Resolves to whether the end of the trace was missing. Rejects with the errors of {@link readTrace} and of the stream.
 */
export async function exportTrace(
  file: string | Uint8Array,
  format: TraceFormat,
  writable: Writable,
): Promise<ExportOutcome> {
  const trace = readTrace(file);
  const failures: Error[] = [];
  const onError = (error: Error): void => void failures.push(error);
  writable.on('error', onError);
  try {
    let chunk = '';
    const flush = async (): Promise<void> => {
      if (failures.length > 0) throw failures[0];
      const goesOn = writable.write(chunk);
      chunk = '';
      if (!goesOn) await drained(writable);
      if (failures.length > 0) throw failures[0];
    };
    for (const line of traceLines(trace, format)) {
      chunk += `${line}\n`;
      if (chunk.length >= CHUNK_CHARACTERS) await flush();
    }
    if (chunk !== '') await flush();
  } finally {
    writable.off('error', onError);
  }
  return { truncated: trace.truncated };
}

/** Resolves when the stream takes more, or never will: one that is destroyed (a closed pipe) does not drain. */
function drained(writable: Writable): Promise<void> {
  if (writable.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      writable.off('drain', done).off('close', done);
      resolve();
    };
    writable.on('drain', done).on('close', done);
  });
}
