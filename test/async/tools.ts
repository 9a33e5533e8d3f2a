// What the tests of src/async share: a reactor on either kernel, and a main function that runs on it.

import { afterEach, expect } from 'vitest';
import { Reactor } from '../../src/index.js';
import { ScriptedKernel } from '../../src/testing.js';
import { run, type AsyncTask } from '../../src/async/index.js';

export const kernels = ['scripted', 'native'] as const;
export type KernelName = (typeof kernels)[number];

const opened: Reactor[] = [];
afterEach(() => {
  for (const reactor of opened.splice(0)) reactor.close();
});

/** A reactor, and what reached its onError. */
export function world(kernel: KernelName, scripted = new ScriptedKernel()) {
  const errors: unknown[] = [];
  const reactor = new Reactor({
    onError: (error) => errors.push(error),
    ...(kernel === 'scripted' && { kernel: scripted }),
  });
  opened.push(reactor);
  return { reactor, errors, kernel: scripted };
}

/** Runs `main` on `reactor`, and then nothing may be left that keeps it going. */
export async function runClean<T>(reactor: Reactor, main: AsyncTask<T>): Promise<T> {
  const result = await run(reactor, main);
  await reactor.run(); // close callbacks that are still queued
  expect(reactor.alive).toBe(false);
  return result;
}

/** The code that the promise rejects with; fails when it does not reject. */
export async function codeOf(promise: PromiseLike<unknown>): Promise<unknown> {
  const error = await errorOf(promise);
  return error.code ?? error.message;
}
export async function errorOf(promise: PromiseLike<unknown>): Promise<Error & { code?: unknown }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not reject');
}
