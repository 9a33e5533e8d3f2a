// Runs one program, by itself or under the doctor, and takes what it and the doctor say.

import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { proofIn } from './judge.js';

export const ROOT = path.resolve(import.meta.dirname, '../..');
/** Within the package, so that `import 'underloop'` finds it; git ignores it. */
const FOLDER = path.join(ROOT, 'build', 'doctor');
const COMMAND = path.join(ROOT, 'dist', 'cli', 'main.js');
/** Programs end by themselves after two seconds or so; a busy machine takes longer. */
const LIMIT_MS = 60_000;
/** Output kept of each stream. */
const OUTPUT_MAX = 256 * 1024;

/** Writes a program down and gives its path. */
export function writeProgram(name, text) {
  mkdirSync(FOLDER, { recursive: true });
  const file = path.join(FOLDER, `${name}.js`);
  writeFileSync(file, text);
  return file;
}

/** Runs node with `args` in a group of its own, which ends with it. Resolves to `{ code, output, errors, ms }`. */
function runNode(args, signal) {
  return new Promise((resolve) => {
    const startedMs = performance.now();
    const child = spawn(process.execPath, args, {
      cwd: ROOT,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    let late = false;
    const end = () => {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // it has ended, and all that it had started
      }
    };
    const timer = setTimeout(() => {
      late = true;
      end();
    }, LIMIT_MS);
    signal.addEventListener('abort', end, { once: true });
    child.stdout.on('data', (chunk) => (output = (output + chunk).slice(-OUTPUT_MAX)));
    child.stderr.on('data', (chunk) => (errors = (errors + chunk).slice(-OUTPUT_MAX)));
    child.on('close', (code) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      end();
      resolve({ code: late ? 'timeout' : code, output, errors, ms: performance.now() - startedMs });
    });
  });
}

/** A program by itself: `{ code, proof, errors, ms }`. */
export async function runAlone(file, signal) {
  const { code, output, errors, ms } = await runNode([file], signal);
  return { code, proof: proofIn(output), errors, ms };
}

/** A program under the doctor: the same, with `findings`, or null when the doctor left none. */
export async function runDoctor(file, signal) {
  mkdirSync(FOLDER, { recursive: true });
  const report = path.join(FOLDER, `${path.basename(file)}.json`);
  rmSync(report, { force: true });
  const { code, output, errors, ms } = await runNode([COMMAND, 'doctor', '--json', report, file], signal);
  let findings = null;
  try {
    ({ findings } = JSON.parse(readFileSync(report, 'utf8')));
  } catch {
    // it says so in `errors`
  }
  return { code, proof: proofIn(output), findings, errors, ms };
}
