// Files that are named on the command line: refused before anything starts when they cannot be what they are given for.

import { statSync } from 'node:fs';
import { argumentError } from '../errors.js';

/** Throws ERR_ARGUMENT when there is no such file, or it is a directory; else what the system says of it. */
export function checkFile(name: string, expected: string, file: string): void {
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory() !== false)
    throw argumentError(name, expected, file);
}

/** Whether both are there, and the same file under whatever names. */
export function isSameFile(one: string, other: string): boolean {
  const [first, second] = [one, other].map((file) => statSync(file, { throwIfNoEntry: false }));
  return first !== undefined && first.dev === second?.dev && first.ino === second.ino;
}
