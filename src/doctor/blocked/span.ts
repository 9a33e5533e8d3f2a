// What is told of an item that was too long: its cause from the accounts, its stack from the profile and the interruption.

import { url as inspectorUrl } from 'node:inspector';
import type { ItemKind } from '../../reactor/observer.js';
import { addLook, causeOf, longestCall, sharesOf } from './account.js';
import type { Account, BlockedCause, BlockedShares } from './account.js';
import { callLine, lastLine, readSource } from './call-line.js';
import { startMs } from './heartbeat.js';
import { mergeStacks, type FoundFrame, type ProfileLook, type StackFrame } from './stack.js';
import type { Gap, MeasuredItem } from './watcher.js';

export type BlockedKind = ItemKind | 'drain';

/** An item, or a drain of microtasks, that kept the thread for longer than the threshold. */
export interface BlockedSpan {
  /** The how manieth item, drains among them, that was observed. */
  readonly item: number;
  /** `drain`: process.nextTick and the reactions of promises, after a turn. */
  readonly kind: BlockedKind;
  /** Of the handler, or of what was run. */
  readonly name: string;
  /** -1 for what does not wait on one. */
  readonly fd: number;
  readonly turn: number;
  /** On the monotonic clock, which is that of the reactor. */
  readonly beganMs: number;
  readonly durationMs: number;
  readonly cause: BlockedCause;
  /** What is missing to the duration is not known, or the process was stopped. */
  readonly shares: BlockedShares;
  /** The system call in which it slept the longest; null when it did not. */
  readonly call: string | null;
  /** Where it was while it blocked, the function that was called last first. Empty: the profiler had no core. */
  readonly stack: readonly StackFrame[];
}

/** A span of which the watcher has not yet said what it measured. */
export interface PendingSpan {
  readonly serial: number;
  readonly span: Omit<BlockedSpan, 'cause' | 'shares' | 'call' | 'stack'>;
  /** What this thread itself has read: at the begin, and at the end if it could. */
  readonly account: Account;
  readonly end: { readonly atMs: number; readonly cpuMs: number; readonly runqueueMs: number } | null;
  readonly look: ProfileLook;
}

/** `item`: what the watcher measured, if it did. Null: what was long was not the handler, but a stop of the whole process. */
export function completeSpan(
  { span, account: ownAccount, end, look }: PendingSpan,
  item: MeasuredItem | undefined,
  gaps: readonly Gap[],
  thresholdMs: number,
): BlockedSpan | null {
  const { durationMs } = span;
  const account = item?.account ?? ownAccount;
  if (end !== null) addLook(account, { ...end, call: null });
  // A wait for a core that began before the item is in the account of its first ms, and longer than the item.
  const unusedMs = Math.max(0, durationMs - account.cpuMs - account.runqueueMs);
  const suspendedMs = Math.min(overlapMs(gaps, span), unusedMs);
  // Whoever stopped the process has kept the loop, and not this handler.
  if (durationMs - suspendedMs < thresholdMs) return null;
  const shares = sharesOf(account, durationMs, look.gc, suspendedMs);
  const call = shares.syscallMs > 0 ? longestCall(account) : null;
  let cause = causeOf(shares, durationMs - suspendedMs, thresholdMs);
  // Held by a debugger, the thread sleeps on a futex too; nothing tells the two apart.
  if (cause === 'syscall' && call === 'futex' && inspectorUrl() !== undefined) cause = 'unknown';
  return {
    ...span,
    cause,
    shares,
    call,
    stack: withLines(mergeStacks(look, interruptedIn(item, span))),
  };
}

/** The stack of an interruption, if it was in the item. */
function interruptedIn(
  item: MeasuredItem | undefined,
  { beganMs, durationMs }: PendingSpan['span'],
): readonly StackFrame[] | null {
  if (item === undefined || item.interruption === null) return null;
  const { stack, now } = item.interruption;
  const sinceMs = now + startMs - beganMs;
  return item.inTime || (sinceMs >= 0 && sinceMs <= durationMs) ? stack : null;
}

function overlapMs(gaps: readonly Gap[], { beganMs, durationMs }: PendingSpan['span']): number {
  let sumMs = 0;
  for (const { fromMs, toMs } of gaps) {
    sumMs += Math.max(0, Math.min(toMs, beganMs + durationMs) - Math.max(fromMs, beganMs));
  }
  return sumMs;
}

/** Lines that the profiler does not know, or has wrong, are looked up in the source. */
function withLines(stack: readonly FoundFrame[]): StackFrame[] {
  return stack.map((frame, index) => {
    const { function: name, file, line } = frame;
    return { function: name, file, line: lineIn(frame, index === 0 ? null : stack[index - 1]) ?? line };
  });
}

/** Null: the line that is known stands. */
function lineIn(
  { file, line, exact, beginLine, column }: FoundFrame,
  callee: FoundFrame | null,
): number | null {
  if (beginLine === 0 || (!exact && callee === null)) return null;
  const source = readSource(file);
  if (source === null) return null;
  // Of a caller the profiler knows only where it begins.
  if (!exact && callee !== null) return callLine(source, beginLine, column, callee.function);
  // Optimized code has the lines of what was inlined into it, of other files even.
  return line < beginLine || line > lastLine(source, beginLine, column) ? beginLine : null;
}
