// Records and replays programs as the commands do: from dist/, for each is a process of its own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import type * as runModule from '../../src/replay/run.js';

const dist = (path: string): string => new URL(`../../dist/${path}`, import.meta.url).href;
const run = (await import(dist('replay/run.js'))) as typeof runModule;

export const program = (name: string): string =>
  fileURLToPath(new URL(`./programs/${name}`, import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'underloop-replay-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

/** A name in a folder that is removed at the end. */
export const fresh = (ending: string): string => join(folder, `${String(++files)}${ending}`);

/** The command line's program. */
export const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Runs a command to its end. */
export async function ran(
  command: string,
  ...args: string[]
): Promise<{ status: unknown; output: string; errors: string }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const [output, errors, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<unknown[]>,
  ]);
  return { status, output, errors };
}

export interface Taken {
  readonly file: string;
  readonly output: string;
  readonly recorded: runModule.Recorded;
}

/** Runs a program and records it. */
export async function take(
  script: string,
  args: readonly string[] = [],
  options: Partial<runModule.RecordRun> = {},
): Promise<Taken> {
  const file = fresh('.rec');
  let output = '';
  const recorded = await run.record({
    script,
    args,
    file,
    bytesMax: 2 ** 30,
    imports: [],
    version: '0.0.0',
    ...options,
    onOutput: (stream, text) => {
      output += text;
      options.onOutput?.(stream, text);
    },
  });
  return { file, recorded, output };
}

export async function again(
  file: string,
  options: Omit<runModule.ReplayRun, 'file'> = {},
): Promise<runModule.Replayed & { output: string }> {
  let output = '';
  const replayed = await run.replay({ file, ...options, onOutput: (_stream, text) => (output += text) });
  return { ...replayed, output };
}
