// The stack of this moment as the runtime writes it, whatever the program has made of Error: its stacks may have a form of their own.

type AnyFunction = (...args: never[]) => unknown;

/** Lines `    at ...`, the innermost call first: those that led to `from`, which is none of them. At most `framesMax`. */
export function stackLines(framesMax: number, from: AnyFunction): string[] {
  const { stackTraceLimit } = Error;
  const prepare: unknown = Reflect.get(Error, 'prepareStackTrace');
  // Where intrinsics are frozen an assignment would throw.
  Reflect.set(Error, 'stackTraceLimit', framesMax);
  Reflect.set(Error, 'prepareStackTrace', undefined);
  const holder: { stack?: unknown } = {};
  Error.captureStackTrace(holder, from);
  const { stack } = holder; // it is put into words now, and not when it was captured
  Reflect.set(Error, 'prepareStackTrace', prepare);
  Reflect.set(Error, 'stackTraceLimit', stackTraceLimit);
  return typeof stack === 'string' ? stack.split('\n').slice(1) : [];
}
