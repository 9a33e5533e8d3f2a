// How busy each core was between two looks at /proc/stat.

import { clockTicksPerSecond } from './constants.js';
import type { Reading } from './figure.js';
import { isKnown, known, unavailable } from './figure.js';
import type { Files } from './files.js';
import { systemFiles } from './files.js';

/** One core's time since boot. */
export interface CoreTimes {
  readonly busyNs: number;
  readonly idleNs: number;
}

export type CoresSnapshot = Reading<ReadonlyMap<number, CoreTimes>>;

/** user nice system idle iowait irq softirq steal, in ticks; what follows is in user and nice already (proc_stat(5)). */
const FIELDS = 8;
const IDLE = 3;
const IOWAIT = 4;

/** The lines `cpu0 ...` of /proc/stat. Time stolen by the hypervisor counts as busy: the core was not to be had. */
export function readCores(files: Files = systemFiles): CoresSnapshot {
  const text = files.text('/proc/stat');
  if (!isKnown(text)) return text;
  const perSecond = clockTicksPerSecond(files);
  if (!isKnown(perSecond)) return perSecond;
  const nsPerTick = 1e9 / perSecond.value;
  const cores = new Map<number, CoreTimes>();
  for (const line of text.value.split('\n')) {
    const match = /^cpu(\d+) (.*)$/.exec(line);
    if (match === null) continue;
    const ticks = match[2].split(' ').slice(0, FIELDS).map(Number);
    const idle = ticks[IDLE] + ticks[IOWAIT];
    const all = ticks.reduce((sum, one) => sum + one, 0);
    cores.set(Number(match[1]), { busyNs: (all - idle) * nsPerTick, idleNs: idle * nsPerTick });
  }
  return cores.size > 0 ? known(cores, '/proc/stat') : unavailable('/proc/stat has no line per core');
}

/** The share of the time between two looks in which the core was busy. A tick is 10 ms: look at least a second apart. */
export function coreBusyShare(
  before: CoresSnapshot,
  after: CoresSnapshot,
  core: number | null,
): Reading<number> {
  if (core === null) return unavailable('nothing is pinned to a core of its own');
  if (!isKnown(before)) return before;
  if (!isKnown(after)) return after;
  const first = before.value.get(core);
  const last = after.value.get(core);
  if (first === undefined || last === undefined) return unavailable(`/proc/stat has no cpu${core}`);
  const busyNs = last.busyNs - first.busyNs;
  const allNs = busyNs + last.idleNs - first.idleNs;
  return allNs > 0 ? known(busyNs / allNs, `/proc/stat cpu${core}`) : unavailable('the looks are too close');
}
