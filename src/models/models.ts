// The registry: every model by its name, in the order in which tables show them.

import { argumentError } from '../errors.js';
import type { Model } from './model.js';
import { blockingInLoop } from './blocking-in-loop.js';
import { executorModel } from './executor.js';
import { node } from './node.js';
import { pool } from './pool.js';
import { ReactorModel } from './reactor.js';
import { reactorProcesses, reactors } from './reactors.js';
import { sequential } from './sequential.js';
import { spin } from './spin.js';
import { threads } from './threads.js';
import { uring } from './uring.js';
import { worker } from './worker.js';

/** All models. A new one is a file of its own and a line here. */
export const models: readonly Model[] = [
  // Blocking threads.
  sequential,
  threads,
  pool,
  worker,
  // Non-blocking without a poller.
  spin,
  // One reactor.
  new ReactorModel('select', 'select', 'level'),
  new ReactorModel('poll', 'poll', 'level'),
  new ReactorModel('epoll', 'epoll', 'level'),
  new ReactorModel('epoll-edge', 'epoll', 'edge'),
  new ReactorModel('kqueue', 'kqueue', 'level'),
  // Several reactors.
  reactors,
  reactorProcesses,
  // Completions.
  uring,
  // The runtime's own loop.
  node,
  // A blocking call in a handler, and its remedy.
  blockingInLoop,
  executorModel,
];

export const modelNames: readonly string[] = models.map(({ name }) => name);

/** Throws ERR_ARGUMENT for a name that is not known. */
export function findModel(name: string): Model {
  const model = models.find((one) => one.name === name);
  if (model === undefined) throw argumentError('model', `one of ${modelNames.join(', ')}`, name);
  return model;
}
