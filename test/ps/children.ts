// Programs for ps to look at: children that say when they are where the test wants them, and are ended after it.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterEach } from 'vitest';
import { isUnavailable } from '../../src/probe/index.js';
import { readPs } from '../../src/ps/index.js';
import type { PsEntry, PsOptions, PsReport } from '../../src/ps/index.js';

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

export interface Child extends ChildProcess {
  readonly pid: number;
  /** The first line that it printed. */
  readonly line: string;
}

async function started(child: ChildProcess): Promise<Child> {
  children.push(child);
  const [data] = (await once(child.stdout!, 'data')) as [Buffer];
  return Object.assign(child, { line: data.toString().split('\n')[0]! }) as Child;
}

export const node = (program: string): Promise<Child> =>
  started(spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'pipe', 'inherit'] }));
export const python = (program: string): Promise<Child> =>
  started(spawn('python3', ['-c', program], { stdio: ['pipe', 'pipe', 'inherit'] }));

export function look(pid: number, options: PsOptions = {}): PsReport {
  const report = readPs(pid, options);
  if (isUnavailable(report)) throw new Error(report.unavailable);
  return report;
}

/** Looks until the report is so; bounded, giving way in between. */
export async function until(pid: number, so: (report: PsReport) => boolean): Promise<PsReport> {
  const deadlineMs = performance.now() + 15_000;
  for (;;) {
    const report = look(pid);
    if (so(report)) return report;
    if (performance.now() > deadlineMs) throw new Error(`not within 15 s: ${JSON.stringify(report.threads)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The entry of that number in any set. */
export function entry(report: PsReport, fd: number): PsEntry {
  const found = report.sets.flatMap(({ entries }) => entries).find((one) => one.fd === fd);
  if (found === undefined) throw new Error(`fd ${fd} is in no set`);
  return found;
}
