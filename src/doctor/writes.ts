// Hears what net connections' write() is given and takes: while a queue is full that makes no system call to be told of.

interface Writing {
  readonly fd: number;
  readonly queuedBytes: number;
  write(bytes: Uint8Array | string, start?: number, end?: number): number;
}

export type WriteListener = (connection: Writing, given: number, taken: number, queuedBefore: number) => void;

/** Classes whose write() tells already: those of this package, and of a copy of it that the program has. */
const watched = new WeakSet<object>();
const listeners = new Set<WriteListener>();

/** The object of the chain that has write(), if this is a connection. */
function ownerOf(source: object): Writing | null {
  if (!('queuedBytes' in source)) return null;
  let owner: object | null = source;
  while (owner !== null && !Object.hasOwn(owner, 'write')) owner = Reflect.getPrototypeOf(owner);
  return owner as Writing | null;
}

/** From now on the listener is told of each write() of connections of this one's class. */
export function watchWrites(source: object, listener: WriteListener): void {
  listeners.add(listener);
  const owner = ownerOf(source);
  if (owner === null || watched.has(owner)) return;
  watched.add(owner);
  const write = Reflect.get(owner, 'write') as (...args: unknown[]) => number;
  owner.write = function (this: Writing, bytes, start, end) {
    const before = this.queuedBytes;
    const taken = write.call(this, bytes, start, end);
    // Nothing waits, and nothing was left: the usual case.
    if (before === 0 && this.queuedBytes === 0 && taken > 0) return taken;
    const length = typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.length;
    const given = (end ?? length) - (start ?? 0);
    for (const one of listeners) one(this, given, taken, before);
    return taken;
  };
}

export function unwatchWrites(listener: WriteListener): void {
  listeners.delete(listener);
}
