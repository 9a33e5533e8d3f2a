// Runs a database server in a folder of its own for as long as stdin is open: node server-process.js MODULE.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What is kept of what a command says, to be shown when it fails. */
const SAID_CHARACTERS_MAX = 10_000;

const { folderName, prepare } = await import(process.argv[2]);
const lifeline = new AbortController();
const end = () => lifeline.abort();
process.stdin.on('end', end).resume();
process.stdout.on('error', end);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, end);

/** Runs a command until it says `ready`, or else to its end; gives a promise of its end. It gets `stopSignal` from `end`. */
async function runCommand(command, args, { ready, stopSignal = 'SIGTERM', ...options }) {
  lifeline.signal.throwIfAborted();
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const stop = () => child.kill(stopSignal);
  lifeline.signal.addEventListener('abort', stop);
  let said = '';
  const ended = once(child, 'close').then(([code]) => {
    lifeline.signal.removeEventListener('abort', stop);
    if (code !== 0) throw new Error(`${command} ended: ${said}`);
  });
  const isReady = new Promise((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        said = (said + text).slice(-SAID_CHARACTERS_MAX);
        if (ready?.test(said)) resolve();
      });
    }
  });
  await Promise.race([isReady, ended]);
  return { ended };
}

const folder = mkdtempSync(join(tmpdir(), folderName));
try {
  const { url, command, args, ...options } = await prepare(folder, runCommand);
  const { ended } = await runCommand(command, args, options);
  console.log(url);
  await ended;
  if (!lifeline.signal.aborted) throw new Error(`${command} has ended`);
} catch (error) {
  if (!lifeline.signal.aborted) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
rmSync(folder, { recursive: true, force: true });
process.exit();
