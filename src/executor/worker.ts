// The worker's side of an executor, on a thread or in a process: imports a module, calls an export, sends what it gave.

import { isMainThread, parentPort } from 'node:worker_threads';
import type { TaskMessage, TaskOutcome } from './messages.js';

async function outcomeOf({ module, name, args }: TaskMessage): Promise<TaskOutcome> {
  try {
    const exports = (await import(module)) as Record<string, unknown>;
    const called = exports[name] ?? (exports['default'] as Record<string, unknown> | undefined)?.[name];
    if (typeof called !== 'function') {
      const names = Object.keys(exports).join(', ') || 'nothing';
      return {
        error: new TypeError(`${module} exports no function '${name}'; it exports ${names}`),
        fields: {},
      };
    }
    return { value: await (called as (...args: unknown[]) => unknown)(...args) };
  } catch (error) {
    return failure(error);
  }
}

/** A structured clone of an error keeps message and stack, but not `code` and the like: they travel beside it. */
function failure(error: unknown): TaskOutcome {
  const fields: Record<string, unknown> = {};
  if (error instanceof Error) {
    for (const [name, value] of Object.entries(error)) {
      if (value === null || (typeof value !== 'object' && typeof value !== 'function')) fields[name] = value;
    }
    if (error.name !== 'Error') fields['name'] = error.name;
  }
  return { error, fields };
}

/** Sends the outcome; one that cannot be cloned is a failure, too. */
function answer(outcome: TaskOutcome, send: (outcome: TaskOutcome) => void): void {
  try {
    send(outcome);
  } catch (error) {
    send({ error: new TypeError(`the result cannot be sent: ${(error as Error).message}`), fields: {} });
  }
}

if (isMainThread) {
  // However the parent dies: a task that computes for ever does not outlive it.
  const { startLifeline } = await import('../workload/process.js');
  startLifeline(Number(process.argv[2]));
  process.on('disconnect', () => process.exit(0));
  process.on('message', (task: TaskMessage) => {
    void outcomeOf(task).then((outcome) => answer(outcome, (message) => process.send?.(message)));
  });
} else {
  parentPort?.on('message', (task: TaskMessage) => {
    void outcomeOf(task).then((outcome) => answer(outcome, (message) => parentPort?.postMessage(message)));
  });
}
