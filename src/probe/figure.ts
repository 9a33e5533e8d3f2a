// What a probe answers: a value with its source named, or the reason why there is none. Never 0 for "don't know".

/** A value that was read, and where: a file and line of the kernel's, or a call of the runtime's. */
export interface Known<T> {
  readonly value: T;
  readonly source: string;
}

/** No value, and why: the system, a permission, an end of the process. */
export interface Unavailable {
  readonly unavailable: string;
}

export type Reading<T> = Known<T> | Unavailable;
export type Figure = Reading<number>;

export function known<T>(value: T, source: string): Known<T> {
  return { value, source };
}

export function unavailable(reason: string): Unavailable {
  return { unavailable: reason };
}

/** Works on figures and on whole snapshots, which are also replaced by {@link Unavailable} where there is none. */
export function isUnavailable(reading: object): reading is Unavailable {
  return 'unavailable' in reading;
}

export function isKnown<T>(reading: Reading<T>): reading is Known<T> {
  return !isUnavailable(reading);
}

/** The number, or null: for arithmetic and JSON columns where the reason stands elsewhere. */
export function valueOf<T>(reading: Reading<T>): T | null {
  return isKnown(reading) ? reading.value : null;
}

/** after - before. What either lacks, the difference lacks, with that reason. */
export function difference(before: Figure, after: Figure): Figure {
  if (!isKnown(after)) return after;
  if (!isKnown(before)) return before;
  return known(after.value - before.value, after.source);
}

/** The sum. One that is unavailable makes it so: a sum without it would be a figure for something else. */
export function sum(figures: readonly Figure[], source: string): Figure {
  let total = 0;
  for (const figure of figures) {
    if (!isKnown(figure)) return figure;
    total += figure.value;
  }
  return known(total, source);
}

/** The first that is known; the first one's reason if none is. */
export function firstKnown(first: Figure, ...others: readonly Figure[]): Figure {
  if (isKnown(first)) return first;
  return others.find(isKnown) ?? first;
}

/** `a - b`, named anew. */
export function minus(a: Figure, b: Figure, source: string): Figure {
  const result = difference(b, a);
  return isKnown(result) ? known(result.value, source) : result;
}
