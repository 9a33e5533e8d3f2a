// Asks the main thread, from another one, for the stack on which it can be interrupted next: inspector sessions do that.

import { Session } from 'node:inspector';
import type { StackFrame } from './stack.js';

/**
 * What the main thread is made to run: it throws within the inspector, which notes the stack and catches it. No function
 * of the program is called for that, as `new Error().stack` might. In a loop, a regular expression or between two
 * collections the stack comes at once, else when the call has returned.
 */
const THROW = 'throw 0';

/**
 * Calls `done` with the stack, the function that was called last first, or null. No session stays behind: with one, the
 * process could not end. The caller turns its event loop until then.
 */
export function interruptMainThread(done: (stack: StackFrame[] | null) => void): void {
  const session = new Session();
  session.connectToMainThread();
  session.post('Runtime.enable');
  session.post('Runtime.evaluate', { expression: THROW, silent: true }, (error, answer) => {
    session.disconnect();
    if (error !== null) {
      done(null);
      return;
    }
    const frames = answer.exceptionDetails?.stackTrace?.callFrames ?? [];
    // The first is the one that throws.
    done(
      frames.slice(1).map(({ functionName, url, lineNumber }) => ({
        function: functionName,
        file: url,
        line: lineNumber + 1,
      })),
    );
  });
}
