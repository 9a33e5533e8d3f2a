// What a process is called in ps: the kernel's name for it, or its program's where that name says nothing.

import { basename } from 'node:path';
import { isKnown } from '../probe/index.js';
import type { Files } from '../probe/index.js';

/** The kernel keeps one name for a process and its first thread, and Node 24 calls every such thread this. */
const SAYS_NOTHING = 'MainThread';

/** `name` is that of /proc/PID/stat. Needs the right to trace the process where it looks further. */
export function programName(pid: number, name: string, files: Files): string {
  if (name !== SAYS_NOTHING) return name;
  const program = files.link(`/proc/${pid}/exe`);
  return isKnown(program) ? basename(program.value.replace(/ \(deleted\)$/, '')) : name;
}
