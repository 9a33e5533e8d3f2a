// Runs programs under `underloop doctor`, as its user does, and gives what it found.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Finding } from '../../src/doctor/index.js';
import { runCommand, type Outcome } from '../cli/command.js';

export interface Told extends Outcome {
  findings: Finding[];
  classes: string[];
}

export const programPath = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** `args`: of the doctor, the program and its own arguments last. */
export async function doctor(...args: string[]): Promise<Told> {
  const folder = mkdtempSync(join(tmpdir(), 'underloop-doctor-'));
  try {
    const file = join(folder, 'findings.json');
    const outcome = await runCommand(['doctor', '--json', file, ...args]);
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch {
      throw new Error(`no findings were written: ${outcome.stderr}`);
    }
    const { findings } = JSON.parse(text) as { findings: Finding[] };
    return { ...outcome, findings, classes: [...new Set(findings.map((one) => one.class))] };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
