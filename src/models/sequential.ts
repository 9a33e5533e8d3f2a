// The model `sequential`: one blocking thread that serves one client at a time.

import { BlockingModel, SEQUENTIAL } from './blocking.js';

export const sequential = new BlockingModel(
  'sequential',
  'one blocking thread, one client at a time',
  SEQUENTIAL,
);
