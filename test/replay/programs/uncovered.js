// Inputs that are no part of a recording, each asked for on a line of its own.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { Reactor } from '../../../dist/index.js';

// As some libraries do: stacks are no text then.
Error.prepareStackTrace = (_error, frames) => frames;
const reactor = new Reactor();
reactor.post(() => {
  readFileSync(new URL(import.meta.url));
  randomBytes(4);
  process.hrtime.bigint();
  spawnSync(process.execPath, ['--version']);
});
await reactor.run();
await pause(1);
