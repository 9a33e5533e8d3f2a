// Runs within the recorded or replayed program, loaded before it: puts a tape between the program and everything outside.
// UNDERLOOP_REPLAY='{"do":"record",...}' node --import dist/replay/inside.js SCRIPT, with a report on descriptor 3

import { isMainThread } from 'node:worker_threads';
import { startLifeline } from '../workload/process.js';
import { ENVIRONMENT, LIFELINE_FD, type Order } from './protocol.js';
import { startRecording } from './recording.js';
import { startReplay } from './replaying.js';

const order = process.env[ENVIRONMENT];
// A worker, and a process that the program forks with its own options, load this too: they are left alone.
if (isMainThread && order !== undefined) {
  Reflect.deleteProperty(process.env, ENVIRONMENT);
  startLifeline(LIFELINE_FD);
  const parsed = JSON.parse(order) as Order;
  if (parsed.do === 'record') startRecording(parsed);
  else startReplay(parsed);
}
