// Who keeps a phantom alive: which descriptors, of this process or another, name the file that an epoll set still holds.

import type { EpollSlot, EvidenceOptions, Files, Inspector, Reading } from '../probe/index.js';
import {
  isKnown,
  known,
  listPids,
  noInspector,
  systemFiles,
  systemInspector,
  unavailable,
} from '../probe/index.js';

export interface Holder {
  readonly pid: number;
  readonly fd: number;
}

export interface SearchLimits {
  /** On the clock of performance.now(). */
  readonly deadlineMs: number;
}

/** Enough to see a pattern; a file may be inherited by hundreds. */
const HOLDERS_MAX = 4;

/** What a link says of a file whose inode number is `inode`: it is another, it may be that one. */
function mayBe(link: string, inode: number | null): boolean {
  const numbered = /^(?:socket|pipe):\[(\d+)\]$/.exec(link);
  return numbered === null ? !link.startsWith('/proc') : inode === null || Number(numbered[1]) === inode;
}

function* candidates(pid: number, files: Files): Generator<Holder & { readonly link: string }> {
  const folder = `/proc/${pid}/fd`;
  const names = files.list(folder);
  if (!isKnown(names)) return;
  for (const name of names.value) {
    const link = files.link(`${folder}/${name}`);
    if (isKnown(link)) yield { pid, fd: Number(name), link: link.value };
  }
}

/**
 * Looks in the process itself, and if nobody is found, in all others that may be looked at. Each candidate is compared
 * by kcmp(2), which opens nothing. An empty list: nobody among those that could be looked at.
 */
export function findHolders(
  slot: EpollSlot,
  inode: number | null,
  limits: SearchLimits,
  options: EvidenceOptions = {},
): Reading<readonly Holder[]> {
  const { files = systemFiles } = options;
  const inspector: Inspector =
    options.inspector ?? (options.files === undefined ? systemInspector : noInspector);
  const refusals: string[] = [];
  const lookAt = (pid: number): Holder[] => {
    const found: Holder[] = [];
    for (const { fd, link } of candidates(pid, files)) {
      if (found.length >= HOLDERS_MAX || performance.now() > limits.deadlineMs) break;
      if (!mayBe(link, inode)) continue;
      const same = inspector.holdsEpollTarget(pid, fd, slot);
      if (!isKnown(same)) refusals.push(same.unavailable);
      else if (same.value) found.push({ pid, fd });
    }
    return found;
  };
  const source = 'kcmp KCMP_EPOLL_TFD';
  const own = lookAt(slot.pid);
  if (own.length > 0) return known(own, source);
  // Nothing of this process may be compared: nor may what others have.
  if (refusals.length > 0) return unavailable(refusals[0]);
  const pids = listPids(files);
  if (!isKnown(pids)) return pids;
  for (const pid of pids.value) {
    if (performance.now() > limits.deadlineMs)
      return unavailable('time was up before all processes had been looked at');
    const found = pid === slot.pid ? [] : lookAt(pid);
    if (found.length > 0) return known(found, source);
  }
  return known([], source);
}
