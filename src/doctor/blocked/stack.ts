// What a profile says of one item: the stack in which it spent its time, and how much of that was garbage collection.

import type { Profiler } from 'node:inspector';
import { fileURLToPath } from 'node:url';

/** A function on the stack, the one that was called last first. */
export interface StackFrame {
  readonly function: string;
  /** A path, `node:...` for the runtime's own, '' for native functions. */
  readonly file: string;
  /** From 1; 0 for native functions. Where nothing tells the line that ran: where the function begins. */
  readonly line: number;
}

/** A frame with what is needed to find its line. */
export interface FoundFrame extends StackFrame {
  /** Whether {@link line} is the line that ran, and not the one where the function begins. */
  readonly exact: boolean;
  /** Where the function begins: the line from 1, the column from 0; 0 and 0 where that is not known. */
  readonly beginLine: number;
  readonly column: number;
}

export interface ProfileLook {
  /** Of the item; none means that the sampling thread had no core meanwhile. */
  readonly samples: number;
  /** Part of the samples that fell into garbage collections. */
  readonly gc: number;
  readonly stack: readonly FoundFrame[];
}

const FRAMES_MAX = 32;
const GC = '(garbage collector)';
/** What the profiler says where it saw no function. */
const NO_FUNCTION: ReadonlySet<string> = new Set(['(root)', '(program)', '(idle)', GC]);

/** What it calls a regular expression that runs, with its source behind. */
export const REGEXP = 'RegExp: ';

type Node = Profiler.ProfileNode;

/** `fromMs` and `toMs` on the monotonic clock, which is the profiler's own. */
export function lookAt(profile: Profiler.Profile, fromMs: number, toMs: number): ProfileLook {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map<number, Node>();
  for (const node of profile.nodes) for (const child of node.children ?? []) parents.set(child, node);

  let samples = 0;
  let collecting = 0;
  const own = new Map<Node, number>(); // samples with this node on top
  const all = new Map<Node, number>(); // and those with it anywhere
  let atUs = profile.startTime;
  for (const [index, id] of (profile.samples ?? []).entries()) {
    atUs += profile.timeDeltas?.[index] ?? 0;
    const top = nodes.get(id);
    if (top === undefined || atUs < fromMs * 1e3 || atUs > toMs * 1e3) continue;
    samples++;
    const name = top.callFrame.functionName;
    if (name === GC) collecting++;
    if (NO_FUNCTION.has(name)) continue;
    own.set(top, (own.get(top) ?? 0) + 1);
    for (let node: Node | undefined = top; node !== undefined; node = parents.get(node.id)) {
      all.set(node, (all.get(node) ?? 0) + 1);
    }
  }
  const stack = stackOf(hottest(profile.nodes[0], nodes, own, all));
  return { samples, gc: samples === 0 ? 0 : collecting / samples, stack };
}

/** From the root to where most of the time was spent: down while one callee had more samples than the function itself. */
function hottest(
  root: Node,
  nodes: ReadonlyMap<number, Node>,
  own: ReadonlyMap<Node, number>,
  all: ReadonlyMap<Node, number>,
): Node[] {
  const path: Node[] = [];
  let at = root;
  for (;;) {
    let best: Node | null = null;
    let bestSamples = own.get(at) ?? 0;
    for (const id of at.children ?? []) {
      const child = nodes.get(id);
      const childSamples = child === undefined ? 0 : (all.get(child) ?? 0);
      if (child === undefined || childSamples <= bestSamples) continue;
      best = child;
      bestSamples = childSamples;
    }
    if (best === null) return path;
    path.push(best);
    at = best;
  }
}

/** The line with the most samples, of those with this node on top. Null: none. */
function sampledLine({ positionTicks = [] }: Node): number | null {
  let line: number | null = null;
  let most = 0;
  for (const ticks of positionTicks) {
    if (ticks.ticks <= most) continue;
    ({ line, ticks: most } = ticks);
  }
  return line;
}

const isNative = (node: Node): boolean => node.callFrame.url === '';

function fileOf(url: string): string {
  if (!url.startsWith('file:')) return url;
  try {
    return fileURLToPath(url);
  } catch {
    return url;
  }
}

/** Where the reactor, or the runtime for it, calls the program: what is below is the same for every item. */
const isFloor = (name: string, url: string): boolean =>
  (name === 'runMicrotasks' && url === '') ||
  (name === 'processTicksAndRejections' && url.startsWith('node:')) ||
  (name === 'runItem' && /\/reactor\/reactor\.[jt]s$/.test(url)) ||
  (name === 'drain' && /\/reactor\/host\.[jt]s$/.test(url));

const NATIVE = '(native)';

/** All native functions of an addon have one name, that of the last one made; those of the runtime have their own. */
function nameOf(node: Node, caller: Node | undefined): string {
  const { functionName } = node.callFrame;
  if (functionName === '') return '(anonymous)';
  const ofAddon = isNative(node) && caller?.callFrame.url.startsWith('node:') !== true;
  return ofAddon && !functionName.startsWith(REGEXP) ? NATIVE : functionName;
}

function stackOf(path: readonly Node[]): FoundFrame[] {
  const frames: FoundFrame[] = [];
  let line: number | null = null;
  for (let at = path.length - 1; at >= 0 && frames.length < FRAMES_MAX; at--) {
    const node = path[at];
    const { functionName, url, lineNumber, columnNumber } = node.callFrame;
    if (isFloor(functionName, url)) break;
    if (at === path.length - 1) line = sampledLine(node);
    const native = isNative(node);
    frames.push({
      function: nameOf(node, path[at - 1]),
      file: fileOf(url),
      line: native ? 0 : (line ?? lineNumber + 1),
      exact: !native && line !== null,
      beginLine: lineNumber + 1,
      column: columnNumber,
    });
    // The profiler notes a native function's samples under the line that has called it.
    if (!native) line = null;
  }
  // Through it the host has the runtime drain its promises.
  if (frames.length > 1 && frames.at(-1)?.function === NATIVE) frames.pop();
  return frames;
}

const same = (a: StackFrame | undefined, b: StackFrame | undefined): boolean =>
  a?.function === b?.function && a?.file === b?.file;

/** With so many of the samples in collections the rest is what ran before and behind them. */
const GC_MOST = 0.8;

/**
 * The stack of the profiler, with the lines of calls where the other one, on which the item was interrupted, has the
 * same call; the other one, where the profiler has none: it sees no stack in collections.
 */
export function mergeStacks(
  { stack: sampled, gc }: ProfileLook,
  interrupted: readonly StackFrame[] | null,
): FoundFrame[] {
  const known: StackFrame[] = [];
  for (const { function: name, file, line } of interrupted ?? []) {
    if (isFloor(name, file)) break;
    known.push({ function: name === '' ? '(anonymous)' : name, file: fileOf(file), line });
  }
  // Without the reactor below, it was interrupted in between: after the item.
  if (interrupted === null || known.length === interrupted.length) return [...sampled];
  if (sampled.length === 0 || gc > GC_MOST) {
    return known.slice(0, FRAMES_MAX).map((frame) => ({ ...frame, exact: true, beginLine: 0, column: 0 }));
  }
  const merged = [...sampled];
  for (let up = 1; up <= sampled.length; up++) {
    const frame = sampled[sampled.length - up];
    const other = known.at(-up);
    if (other === undefined || !same(frame, other)) break;
    if (!frame.exact && same(sampled[sampled.length - up - 1], known[known.length - up - 1])) {
      merged[sampled.length - up] = { ...frame, line: other.line, exact: true };
    }
  }
  return merged;
}
