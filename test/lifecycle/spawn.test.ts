// fork/exec leaving no fd open: a child process inherits nothing of the reactor's.

import { expect, test } from 'vitest';
import { runProgram } from './child.js';

test.runIf(process.platform === 'linux')(
  'a spawned child has the descriptors that it would have without a reactor, and no other',
  async () => {
    const { stdout, stderr, code } = await runProgram('lifecycle/programs/spawn.mjs');
    expect([code, stderr]).toEqual([0, '']);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => {
        const [when, json] = line.split(/ (.*)/) as [string, string];
        // Numbers differ from one pipe to the next.
        return {
          when,
          files: (JSON.parse(json) as string[]).map((file) => file.replace(/\d+/g, 'N')).sort(),
        };
      });
    expect(lines.map(({ when }) => when)).toEqual(['before', 'during', 'during']);
    const [before, ...during] = lines;
    expect(before!.files).toContain('/dev/null'); // its standard input
    for (const { files } of during) expect(files).toEqual(before!.files);
  },
);
