// Where a handler stands in the program's own files: asked of the debugger only when there is something to say.

import { fileURLToPath } from 'node:url';
import { READABLE } from '../poller/poller.js';
import { SourceFinder } from '../step/source.js';
import { stackLines } from '../step/stack-lines.js';
import { readSource } from './blocked/call-line.js';
import type { FoundHandler, HandlerHint, Place } from './finding.js';

/** The folder of this package's own modules, and of those that only look on. */
const OWN = new URL('..', import.meta.url).href;
const DOCTORS = fileURLToPath(new URL('.', import.meta.url));

const FRAME = /^\s*at (?:(?:async )?(.*?) \()?(file:\/\/[^)]*|\/[^)]*):(\d+):\d+\)?$/;

/** The program's own line is among them, above those of this package. */
const FRAMES_MAX = 16;

/** The innermost call of the program's own: the line that called into this package. */
export function callerPlace(): Place | null {
  for (const line of stackLines(FRAMES_MAX, callerPlace)) {
    const match = FRAME.exec(line);
    if (match === null) continue;
    const [, name, where, number] = match as unknown as [string, string | undefined, string, string];
    const own = fileURLToPath(OWN);
    if (where.startsWith(OWN) || where.startsWith(own)) continue;
    const file = where.startsWith('file:') ? fileURLToPath(where) : where;
    return { name: name ?? '', file, line: Number(number) };
  }
  return null;
}

/** Of a stack, the innermost call first: the program's own function that this package called. */
export function handlerPlace(
  stack: readonly { readonly function: string; readonly file: string; readonly line: number }[],
): Place | null {
  const own = fileURLToPath(OWN);
  const found = stack.findLast(({ file }) => file.startsWith('/') && !file.startsWith(own));
  return found === undefined ? null : { name: found.function, file: found.file, line: found.line };
}

/** Nothing of the program's was on it: only functions of the doctor's, and of the runtime below them. */
export function isDoctorsOwn(stack: readonly { readonly file: string }[]): boolean {
  const files = stack.map(({ file }) => file).filter((file) => file !== '' && !file.startsWith('node:'));
  return files.length > 0 && files.every((file) => file.startsWith(DOCTORS));
}

/** What stands before a function that has no name of its own. It gets none where it is assigned to a property: `port.onData = () => ...`. */
const ASSIGNED = /([\w$][\w$.#]*)\s*=\s*(?:async\s*)?(?:function\s*\*?\s*)?$/;

/** `column`: of its parameters, from 1. Empty: it was given to nobody on its line. */
export function assignedName(source: string, line: number, column: number): string {
  const before = source.split('\n', line)[line - 1]?.slice(0, column - 1) ?? '';
  return ASSIGNED.exec(before)?.[1] ?? '';
}

/** The function that an item calls: of the program's, where the item says so itself. */
function functionOf(subject: unknown): unknown {
  if (typeof subject !== 'object' || subject === null) return subject;
  const { handlerFor } = subject as { handlerFor?: (readiness: number) => unknown };
  return handlerFor?.call(subject, READABLE);
}

export class Handlers {
  private finder: SourceFinder | null = null;

  describe(hint: HandlerHint | null): FoundHandler | null {
    if (hint === null) return null;
    const subject = functionOf(hint.subject);
    const found = typeof subject === 'function' ? this.find(subject) : null;
    const own = typeof subject === 'function' ? subject.name : '';
    if (found !== null) {
      const { path, line, column } = found;
      const name = own || hint.name || assignedName(readSource(path) ?? '', line, column);
      return { name, file: path, line };
    }
    const { place } = hint;
    if (place === null || place === undefined)
      return { name: own === '' ? hint.name : own, file: null, line: 0 };
    // Of what ran after a turn there is no name: that of the function is one.
    return {
      name: hint.name === '' || hint.name === 'drain' ? place.name : hint.name,
      file: place.file,
      line: place.line,
    };
  }

  private find(subject: unknown) {
    this.finder ??= new SourceFinder();
    return this.finder.find(subject);
  }

  close(): void {
    this.finder?.close();
    this.finder = null;
  }
}
