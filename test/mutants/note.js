// Notes in a file which test begins, ends or fails, at once: known also when another one hangs, or the process dies of it.

import { appendFileSync } from 'node:fs';
import { afterEach, beforeEach } from 'vitest';

function note(what, task) {
  const names = [];
  for (let at = task; at && at.name !== ''; at = at.suite) names.unshift(at.name);
  appendFileSync(process.env['UNDERLOOP_MUTANTS_NOTES'], `${JSON.stringify([what, names.join(' > ')])}\n`);
}

beforeEach(({ task }) => note('begin', task));
afterEach(({ task }) => note(task.result?.state === 'fail' ? 'fail' : 'end', task));
