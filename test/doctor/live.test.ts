// The doctor over real programs: each mistake found by its class, descriptor and handler; none in programs that have none.

import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { TEST_TIMEOUT_MS } from '../cli/command.js';
import { doctor, programPath } from './doctor.js';

/** What each program must be found to have, and what else may rightly be said of it. */
const mistakes: Readonly<Record<string, { class: string; handler?: string; also?: string[] }>> = {
  'accept-emfile': { class: 'accept-emfile', handler: 'acceptOne' },
  'blocked-handler': { class: 'blocked-handler', handler: 'compute' },
  'edge-not-drained': { class: 'edge-not-drained', handler: 'readOnce' },
  'raw-poller': { class: 'edge-not-drained' },
  spinning: { class: 'starvation', handler: 'isDone' },
  starvation: { class: 'starvation', handler: 'work', also: ['blocked-handler'] },
  'stale-readiness': { class: 'stale-readiness', handler: 'ready' },
  'unbounded-write-queue': { class: 'unbounded-write-queue', handler: 'push' },
  'write-interest-left-on': { class: 'write-interest-left-on', handler: 'ready' },
};
const clean = readdirSync(programPath('clean')).map((name) => name.replace('.js', ''));

describe.runIf(process.platform === 'linux')('a program with a mistake', () => {
  test.concurrent.each(Object.entries(mistakes))(
    '%s',
    { timeout: TEST_TIMEOUT_MS },
    async (name, { class: wanted, handler, also = [] }) => {
      // Of a handler that waits for a core on a busy machine it is true that it blocks: as below.
      const args = wanted === 'blocked-handler' ? [] : ['--blocked', '500ms'];
      const { code, findings } = await doctor(...args, programPath(`programs/${name}.js`));
      const classes = findings
        .filter((one) => one.class === wanted || one.cause !== 'runqueue')
        .map((one) => one.class);
      expect(classes).toContain(wanted);
      expect([wanted, ...also]).toEqual(expect.arrayContaining(classes));
      const found = findings.find((one) => one.class === wanted)!;
      if (handler !== undefined) {
        expect(found.handler).toMatchObject({ name: handler, file: programPath(`programs/${name}.js`) });
      }
      expect(code).toBe(1);
    },
  );
});

describe.runIf(process.platform === 'linux')('a program without one', () => {
  test.concurrent.each(clean)('%s', { timeout: TEST_TIMEOUT_MS }, async (name) => {
    // On a busy machine it is true of any program that it waits for a core, or V8's collector in it for its threads; no
    // clean one blocks by itself for a time that such a machine would not take from it.
    const { findings, stderr } = await doctor('--blocked', '500ms', programPath(`clean/${name}.js`));
    expect(findings.filter(({ cause }) => cause !== 'runqueue')).toEqual([]);
    expect(stderr).toBe('');
  });
});
