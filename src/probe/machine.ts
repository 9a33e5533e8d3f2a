// Which machine this was: what a reader must know to compare figures with those of another.

import { arch, availableParallelism, cpus, release, totalmem, type, version } from 'node:os';
import { clockTicksPerSecond, pageBytes } from './constants.js';
import type { Figure, Reading } from './figure.js';
import { isKnown, known, unavailable } from './figure.js';
import type { Files } from './files.js';
import { systemFiles } from './files.js';

export interface MachineDescription {
  readonly cpuModel: Reading<string>;
  /** Logical CPUs of the machine, and those that this process may use. */
  readonly cpus: number;
  readonly usableCpus: number;
  readonly architecture: string;
  readonly kernel: string;
  readonly kernelBuild: string;
  readonly memoryBytes: number;
  readonly pageBytes: Figure;
  readonly clockTicksPerSecond: Figure;
  readonly runtime: string;
  /** Which kind of container, or `none`. */
  readonly container: Reading<string>;
  /** Whether a hypervisor lies below: wake-ups of idle CPUs cost much more there. */
  readonly virtualMachine: Reading<boolean>;
}

/** What the first process's groups and a few well-known files say. */
function container(files: Files): Reading<string> {
  if (isKnown(files.text('/.dockerenv'))) return known('docker', '/.dockerenv');
  if (isKnown(files.text('/run/.containerenv'))) return known('podman', '/run/.containerenv');
  const groups = files.text('/proc/self/cgroup');
  if (!isKnown(groups)) return groups;
  const match = /kubepods|docker|containerd|libpod|lxc/.exec(groups.value);
  return known(match === null ? 'none' : match[0], groups.source);
}

/** The CPU flag `hypervisor` (x86); other architectures have no such flag. */
function virtualMachine(files: Files): Reading<boolean> {
  const text = files.text('/proc/cpuinfo');
  if (!isKnown(text)) return text;
  const flags = /^flags\s*:(.*)$/m.exec(text.value)?.[1];
  return flags === undefined
    ? unavailable('/proc/cpuinfo has no flags line on this architecture')
    : known(flags.split(' ').includes('hypervisor'), '/proc/cpuinfo flags hypervisor');
}

export function describeMachine(files: Files = systemFiles): MachineDescription {
  const list = cpus();
  const model = list[0]?.model.trim() ?? '';
  const bun = process.versions['bun'];
  const deno = process.versions['deno'];
  return {
    // arm64 kernels name no model.
    cpuModel:
      model === '' || model === 'unknown'
        ? unavailable('the system names no CPU model')
        : known(model, 'os.cpus()'),
    cpus: list.length,
    usableCpus: availableParallelism(),
    architecture: arch(),
    kernel: `${type()} ${release()}`,
    kernelBuild: version(),
    memoryBytes: totalmem(),
    pageBytes: pageBytes(files),
    clockTicksPerSecond: clockTicksPerSecond(files),
    runtime:
      bun !== undefined
        ? `bun ${bun}`
        : deno !== undefined
          ? `deno ${deno}`
          : `node ${process.versions.node}`,
    container: container(files),
    virtualMachine: virtualMachine(files),
  };
}
