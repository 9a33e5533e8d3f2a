// Counts the system calls of a process while something is done, with strace where it is there.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SystemCallCount {
  readonly served: number;
  readonly total: number;
  readonly byName: Readonly<Record<string, number>>;
}

const ATTACH_TIMEOUT_MS = 5000;

/** The table of `strace -c -U calls,name`: a count and a name in each line, then a total. */
export function parseStraceTable(text: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const line of text.split('\n')) {
    const match = /^\s*(\d+)\s+([a-z_0-9]+)\s*$/.exec(line);
    if (match !== null && match[2] !== 'total') counts[match[2]] = Number(match[1]);
  }
  return counts;
}

/**
 * Attaches to the process and all its threads, runs `work`, which gives the number of requests served meanwhile, and
 * detaches. Says why where strace is missing or may not attach.
 */
export async function countSystemCalls(
  pid: number,
  work: () => Promise<number>,
): Promise<SystemCallCount | { unavailable: string }> {
  if (spawnSync('strace', ['--version']).status !== 0)
    return { unavailable: 'needs strace, which is not there' };
  const folder = mkdtempSync(join(tmpdir(), 'underloop-'));
  const table = join(folder, 'calls');
  const strace = spawn('strace', ['-f', '-c', '-U', 'calls,name', '-o', table, '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const kill = (): void => void strace.kill('SIGKILL');
  process.on('exit', kill);
  const ended = once(strace, 'close');
  try {
    const said = await attached(strace.stderr);
    if (said !== null) return { unavailable: `strace may not attach: ${said}` };
    const served = await work();
    strace.kill('SIGINT'); // it detaches, and writes its table
    await ended;
    const byName = parseStraceTable(readFileSync(table, 'utf8'));
    const total = Object.values(byName).reduce((sum, count) => sum + count, 0);
    return total > 0 ? { served, total, byName } : { unavailable: 'strace counted nothing' };
  } finally {
    if (strace.exitCode === null && strace.signalCode === null) {
      strace.kill('SIGINT');
      await ended;
    }
    process.off('exit', kill);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Null once strace says that it has attached; else what it said instead. */
function attached(stderr: NodeJS.ReadableStream): Promise<string | null> {
  return new Promise((resolve) => {
    let text = '';
    const timer = setTimeout(() => resolve('it said nothing'), ATTACH_TIMEOUT_MS);
    const done = (said: string | null): void => {
      clearTimeout(timer);
      resolve(said);
    };
    stderr.on('data', (chunk) => {
      text += String(chunk);
      if (text.includes(' attached')) done(null);
    });
    stderr.on('end', () => done(text.trim().split('\n')[0] || 'it ended'));
  });
}
