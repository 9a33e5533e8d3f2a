// Runs node in a process group of its own, which is ended as a whole: when its time is over, or when we are interrupted.

import { spawn } from 'node:child_process';

const running = new Set();

/** Resolves to { code, output, timedOut }; `code` is null when it was ended. */
export function runCommand(args, { cwd, env = process.env, limitMs }) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(child);
    let output = '';
    let timedOut = false;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    }
    const limit = setTimeout(() => {
      timedOut = true;
      end(child);
    }, limitMs);
    child.on('error', reject);
    // Not 'close': what has left the group may hold the pipes.
    child.on('exit', (code) => {
      clearTimeout(limit);
      end(child);
      running.delete(child);
      resolve({ code, output, timedOut });
    });
  });
}

export function endAll() {
  for (const child of running) end(child);
}

function end(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The whole group has gone.
  }
}
