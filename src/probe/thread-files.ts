// One look at one thread of a process: its files below /proc/PID/task/TID.

import { isKnown, known, unavailable } from './figure.js';
import type { Figure, Reading } from './figure.js';
import type { Files } from './files.js';
import { NOT_ASKED } from './snapshot.js';
import type { ThreadSleep, ThreadSnapshot } from './snapshot.js';
import { cpuTimes, parseSchedstat } from './stat.js';
import { parseSyscall } from './syscalls.js';
import type { ThreadCall } from './syscalls.js';

/** The number in a line `name:\t123`; NaN without the line. Of all lines of a status only two are needed per thread. */
function lineNumber(text: string, line: string): number {
  const at = text.indexOf(line);
  return at < 0 ? NaN : parseInt(text.slice(at + line.length), 10);
}

function lineText(text: string, line: string): string | undefined {
  const at = text.indexOf(line);
  if (at < 0) return undefined;
  const end = text.indexOf('\n', at + 1);
  return text.slice(at + line.length, end < 0 ? undefined : end).trim();
}

const SCHEDSTAT_ABSENT = 'this kernel keeps no schedstat (CONFIG_SCHED_INFO)';

// A kernel without the accounting prints three zeros for everybody; we ourselves have certainly run.
export function schedstatKept(files: Files): boolean {
  const text = files.text('/proc/self/schedstat');
  return isKnown(text) && (parseSchedstat(text.value)?.cpuNs ?? 0) > 0;
}

/** What all threads of one look are read with. */
export interface ThreadReader {
  readonly files: Files;
  readonly schedstat: boolean;
  readonly ticks: boolean;
  readonly sleep: boolean;
  readonly nsPerTick: Figure;
}

function switches(status: string, kind: 'voluntary' | 'nonvoluntary'): Figure {
  const value = lineNumber(status, `\n${kind}_ctxt_switches:`);
  return Number.isNaN(value)
    ? unavailable(`the thread's status has no ${kind}_ctxt_switches line`)
    : known(value, `/proc/PID/task/TID/status ${kind}_ctxt_switches`);
}

function readSleep(files: Files, folder: string, state: string): ThreadSleep {
  const text = files.text(`${folder}/syscall`);
  let call: Reading<ThreadCall>;
  if (isKnown(text)) {
    const parsed = parseSyscall(text.value);
    call =
      parsed === null
        ? unavailable(`${folder}/syscall has a form that is not known here`)
        : known(parsed, '/proc/PID/task/TID/syscall');
  } else call = text;
  let waitChannel = files.text(`${folder}/wchan`);
  // "0" stands both for a thread that does not sleep and for a reader that may not know.
  if (isKnown(waitChannel) && waitChannel.value === '0') {
    const running =
      state === 'R' || (isKnown(call) && call.value.kind === 'running')
        ? 'the thread does not sleep'
        : 'the kernel does not say (no right to trace it, or no symbols)';
    waitChannel = unavailable(running);
  } else if (isKnown(waitChannel)) waitChannel = known(waitChannel.value, '/proc/PID/task/TID/wchan');
  return { call, waitChannel };
}

/** Null: it has ended meanwhile. */
export function readThread(reader: ThreadReader, pid: number, threadId: number): ThreadSnapshot | null {
  const { files } = reader;
  const folder = `/proc/${pid}/task/${threadId}`;
  const status = files.text(`${folder}/status`);
  if (!isKnown(status)) return null;
  const text = status.value;
  const state = lineText(text, '\nState:')?.charAt(0) ?? '?';
  let cpuNs: Figure = unavailable(SCHEDSTAT_ABSENT);
  let runQueueWaitNs: Figure = cpuNs;
  if (reader.schedstat) {
    const schedstat = files.text(`${folder}/schedstat`);
    const parsed = isKnown(schedstat) ? parseSchedstat(schedstat.value) : null;
    if (parsed !== null) {
      cpuNs = known(parsed.cpuNs, '/proc/PID/task/TID/schedstat field 1');
      runQueueWaitNs = known(parsed.waitNs, '/proc/PID/task/TID/schedstat field 2');
    } else
      cpuNs = runQueueWaitNs = isKnown(schedstat)
        ? unavailable(`${folder}/schedstat has a form that is not known here`)
        : schedstat;
  }
  const [cpuUserNs, cpuSystemNs] = reader.ticks
    ? cpuTimes(files.text(`${folder}/stat`), reader.nsPerTick, '/proc/PID/task/TID/stat')
    : [unavailable(NOT_ASKED), unavailable(NOT_ASKED)];
  return {
    threadId,
    name: lineText(text, 'Name:') ?? '',
    state,
    figures: {
      voluntarySwitches: switches(text, 'voluntary'),
      involuntarySwitches: switches(text, 'nonvoluntary'),
      cpuNs,
      runQueueWaitNs,
      cpuUserNs,
      cpuSystemNs,
    },
    sleep: reader.sleep ? readSleep(files, folder, state) : null,
  };
}
