// What the tests of the public Poller share: waits in words, descriptors that are closed after each test, child programs.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';
import { Poller, SystemError, describeReadiness, descriptors, nativeKernel } from '../../src/index.js';
import type { PollerKind, Registration } from '../../src/index.js';

/**
 * The mechanisms of this machine. On Linux kqueue is a library, which sees no close and is slow to close itself: the
 * contract suite runs on it, and these tests do not.
 */
export const kinds = nativeKernel.pollerKinds.filter(
  (kind) => kind !== 'kqueue' || process.platform !== 'linux',
);

/** A wait that should end by itself; the bound makes a fault a failure and not a hang. */
export const LONG_MS = 20_000;

const opened = new Set<number>();
const disposables: Disposable[] = [];

afterEach(() => {
  for (const disposable of disposables.splice(0)) disposable[Symbol.dispose]();
  for (const fd of opened) closeSync(fd);
  opened.clear();
});

/** Has descriptors closed after the test. */
export function opens<T extends number | readonly number[]>(fds: T): T {
  for (const fd of [fds].flat() as number[]) opened.add(fd);
  return fds;
}

/** Closes one that {@link opens} was told of. */
export function closes(fd: number): void {
  opened.delete(fd);
  descriptors.close(fd);
}

export function newPoller(kind?: PollerKind): Poller {
  const poller = new Poller(kind === undefined ? {} : { kind });
  disposables.push(poller);
  return poller;
}

/** What one wait reports: each registration's readiness in words, in the order of the registrations given. */
export function ready(poller: Poller, registrations: Registration | Registration[], timeoutMs = 0): string {
  const events = new Int32Array(3 * 64);
  const count = poller.wait(events, timeoutMs);
  const found = new Map<Registration | null, number>();
  for (let i = 0; i < count; i++) {
    const [slot, generation, readiness] = events.subarray(i * 3, i * 3 + 3) as unknown as [
      number,
      number,
      number,
    ];
    found.set(poller.lookup(slot, generation), readiness);
  }
  const words = [registrations].flat().map((registration) => {
    const readiness = found.get(registration) ?? 0;
    found.delete(registration);
    return describeReadiness(readiness);
  });
  if (found.size > 0) words.push(`${String(found.size)} of others`);
  return words.join(', ');
}

/** The descriptor, or why the system refuses it: for those that a container may forbid. */
export function attempt(open: () => number): number | string {
  try {
    return opens(open());
  } catch (error) {
    if (error instanceof SystemError) return error.message;
    throw error;
  }
}

export const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** Everything that can be read now, as text. */
export function readText(fd: number): string {
  const bytes = new Uint8Array(4096);
  const count = descriptors.read(fd, bytes);
  return new TextDecoder().decode(bytes.subarray(0, count ?? 0));
}

export interface Child {
  readonly process: ChildProcess;
  /** The next line that it prints; null when it has ended. */
  readonly line: () => Promise<string | null>;
  /** Exit code, or the signal that ended it, and what it wrote to standard error. */
  readonly end: Promise<{ code: number | null; signal: string | null; stderr: string }>;
}

/** Starts one of the programs in children/, which use what `npm test` has compiled. */
export function startChild(
  name: string,
  args: string[],
  prefix: string[] = [],
  nodeFlags: string[] = [],
): Child {
  const program = fileURLToPath(new URL(`children/${name}`, import.meta.url));
  const [command, ...rest] = [...prefix, process.execPath, ...nodeFlags, program, ...args] as [
    string,
    ...string[],
  ];
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 25_000 });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    process: child,
    line: async () => {
      const { value, done } = await lines.next();
      return done === true ? null : value;
    },
    end: new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => resolve({ code, signal, stderr }));
    }),
  };
}

/** Runs one to its end: its standard output, line by line. Throws when it fails. */
export async function runChild(
  name: string,
  args: string[],
  prefix?: string[],
  nodeFlags?: string[],
): Promise<string[]> {
  const child = startChild(name, args, prefix, nodeFlags);
  const lines: string[] = [];
  for (let line = await child.line(); line !== null; line = await child.line()) lines.push(line);
  const { code, signal, stderr } = await child.end;
  if (code !== 0)
    throw new Error(`${name} ended with ${String(code ?? signal)}: ${lines.join('\n')}\n${stderr}`);
  return lines;
}
