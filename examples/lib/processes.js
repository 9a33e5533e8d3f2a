// Runs one export of a module in a process of its own, which ends when this one does, however that ends.

import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('process-main.js', import.meta.url));
/** Where the child finds the pipe that ends with us: behind the standard streams and the channel. */
export const LIFELINE_FD = 4;

/**
 * Calls the export `name` of the module in a new process. `started` resolves to what it returns; where that has `calls`, it
 * is a server: then `started` resolves to its `ready`, and `call()` calls one of those. `cpu`: what to pin it to, or null.
 */
export function startProcess(moduleUrl, name, args = {}, { cpu = null } = {}) {
  const node = [process.execPath, program, String(LIFELINE_FD), moduleUrl, name];
  const [command, ...rest] = cpu === null ? node : ['taskset', '-c', String(cpu), ...node];
  // A session of its own: Ctrl-C reaches only us, and it is we who end it.
  const child = spawn(command, rest, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc', 'pipe'],
    detached: true,
    serialization: 'advanced',
  });
  child.stdio[LIFELINE_FD].on('error', () => {});
  const answers = new Map();
  let ended = false;
  const end = new Promise((resolve) => child.on('error', resolve).on('close', resolve)).then((how) => {
    ended = true;
    const error = how instanceof Error ? how : new Error(`the process of ${name}() has ended`);
    for (const { reject } of answers.values()) reject(error);
    answers.clear();
  });
  let calls = 0;
  const answer = () =>
    new Promise((resolve, reject) => {
      if (ended) reject(new Error(`the process of ${name}() has ended`));
      answers.set(calls++, { resolve, reject });
    });
  child.on('message', ({ id, value, error }) => {
    const { resolve, reject } = answers.get(id);
    answers.delete(id);
    if (error === undefined) resolve(value);
    else reject(Object.assign(new Error(error.message), error));
  });
  const call = (method, ...values) => {
    const id = calls;
    const called = answer();
    child.send({ id, method, values }, () => {}); // of a failure its end tells
    return called;
  };
  // The arguments travel by the channel: there may be a password in them, and everybody can read command lines.
  const started = call('start', args);
  started.catch(() => {}); // somebody awaits it later
  return {
    pid: child.pid,
    started,
    call,
    /** At once: one whose thread is blocked hears nothing else. */
    async stop() {
      child.kill('SIGKILL');
      await end;
    },
  };
}

/** The processors that this process may run on, as the kernel lists them ("0-3,8"). */
function allowedCpus() {
  try {
    const [, list] = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'));
    return list.split(',').flatMap((part) => {
      const [first, last = first] = part.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    });
  } catch {
    return [];
  }
}

/** A processor to pin a server to; null where taskset(1) is not there. */
export function pinnableCpu() {
  return spawnSync('taskset', ['--version']).status === 0 ? (allowedCpus()[0] ?? null) : null;
}
