// One call and its result, or what it throws, on a tape as JSON: for calls that are rare.

import { OP } from './format.js';
import type { RecordTape } from './record-tape.js';
import type { ReplayTape } from './replay-tape.js';

export type AnyTape = RecordTape | ReplayTape;

/** What a call has thrown: the runtime's own errors, by what programs ask of them. */
interface Thrown {
  readonly message: string;
  readonly code?: unknown;
  readonly errno?: unknown;
  readonly syscall?: unknown;
}

/** Puts a rare call on the tape. An Int32Array that the call fills is part of the result; what it throws is thrown again. */
export function tapedCall(
  tape: AnyTape,
  name: string,
  args: readonly unknown[],
  call: () => unknown,
): unknown {
  if (!tape.live || tape.aside) return call();
  const filled = args.find((one) => one instanceof Int32Array);
  tape.open(OP.call);
  tape.putName(name);
  tape.putText(JSON.stringify(filled === undefined ? args : args.filter((one) => one !== filled)));
  tape.check();
  if (!tape.replaying) {
    let text: string;
    try {
      const result = call();
      text = JSON.stringify(filled === undefined ? [result] : [result, ...filled]);
      return result;
    } catch (error) {
      const { message, code, errno, syscall } = error as Thrown;
      text = JSON.stringify({ message, code, errno, syscall });
      throw error;
    } finally {
      tape.resultText(text!);
    }
  }
  const told = JSON.parse(tape.resultText()) as [unknown, ...number[]] | Thrown;
  tape.close();
  if (!Array.isArray(told)) throw Object.assign(new Error(told.message), told);
  const [result, ...rest] = told;
  filled?.set(rest);
  return result;
}
