// Asks the main thread, from another one, for the stack on which it can be interrupted next: inspector sessions do that.

import { Session } from 'node:inspector';
import type { StackFrame } from './stack.js';

/**
 * What the main thread is made to run: it throws the time within the inspector, which notes the stack and catches it. No
 * function of the program is called for that, as `new Error().stack` might. In a loop, a regular expression or between
 * two collections the stack comes at once, else when the call has returned.
 */
const THROW = 'throw performance.now()';

/** Where the main thread was, and when. */
export interface Interruption {
  /** The function that was called last first; files as the runtime has them, URLs mostly. */
  readonly stack: readonly StackFrame[];
  /** What its `performance.now()` said: the program may have put a clock of its own there. */
  readonly now: number;
}

/**
 * Calls `done` with what it found, or null. No session stays behind: with one, the process could not end. The caller
 * turns its event loop until then.
 */
export function interruptMainThread(done: (interruption: Interruption | null) => void): void {
  const session = new Session();
  session.connectToMainThread();
  session.post('Runtime.enable');
  session.post('Runtime.evaluate', { expression: THROW, silent: true }, (error, answer) => {
    session.disconnect();
    const details = error === null ? answer.exceptionDetails : undefined;
    if (details === undefined) {
      done(null);
      return;
    }
    // The first frame is the one that throws.
    const stack = (details.stackTrace?.callFrames ?? []).slice(1).map((frame) => ({
      function: frame.functionName,
      file: frame.url,
      line: frame.lineNumber + 1,
    }));
    done({ stack, now: Number(details.exception?.value) });
  });
}
