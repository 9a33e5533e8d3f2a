// The model `pool`: a fixed number of blocking threads, each serving one connection to its end; the rest queue.

import { BlockingModel, POOL } from './blocking.js';

export const pool = new BlockingModel(
  'pool',
  'a fixed number of blocking threads, one connection each; the rest queue',
  POOL,
);
