// The file of a recording: one recorder at a time, and a disk that is full.

import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { extentOf } from '../../src/replay/blocks.js';
import { again, fresh, main, program, ran, take } from './fixture.js';

const shell = (command: string): ReturnType<typeof ran> => ran('sh', '-c', command, process.execPath, main);

test('a second recording to the same file is refused, and the first one is whole', async () => {
  const script = fresh('.mjs');
  writeFileSync(script, `console.log('up');\nsetInterval(() => undefined, 1000);\n`);
  const file = fresh('.rec');
  const stop = new AbortController();
  let refusal: unknown = null;
  const first = await take(script, [], {
    file,
    signal: stop.signal,
    onOutput: () => {
      void take(program('echo.js'), ['1'], { file })
        .catch((error: unknown) => (refusal = error))
        .finally(() => stop.abort());
    },
  });
  expect(refusal).toMatchObject({
    code: 'ERR_BUSY',
    message: `another recording is being written to ${file}: wait for its end, or name another file with --output`,
  });
  expect(first.recorded).toMatchObject({ signal: 'SIGINT', extent: { truncated: false } });
  expect((await again(file)).verdict).toMatchObject({ type: 'over', why: 'signal' });
  // The first one is over.
  const { recorded } = await take(program('echo.js'), ['1'], { file });
  expect((await again(file)).verdict).toMatchObject({ type: 'same', events: recorded.extent.events });
});

test('a program that was killed, and what it left behind, hold up no other recording', async () => {
  const script = fresh('.mjs');
  writeFileSync(
    script,
    `import { spawn } from 'node:child_process';
const left = spawn('sleep', ['30'], { stdio: 'ignore', detached: true });
left.unref();
console.log(left.pid);
setTimeout(() => process.kill(process.pid, 'SIGKILL'), 1);
`,
  );
  const file = fresh('.rec');
  const { recorded, output } = await take(script, [], { file });
  const left = Number(output);
  expect(left).toBeGreaterThan(1); // 0 would be all of us
  expect(recorded).toMatchObject({ signal: 'SIGKILL', summary: null });
  expect((await again(file)).verdict).toMatchObject({ type: 'over', why: 'cut' });
  expect((await take(program('echo.js'), ['1'], { file })).recorded.code).toBe(0);
  expect(process.kill(left, 'SIGKILL')).toBe(true);
});

test.skipIf(process.platform !== 'linux')(
  'a disk without room is told at once; the program goes on, and the exit status is 1',
  async () => {
    const { status, output, errors } = await shell(`"$0" "$1" record -o /dev/full ${program('echo.js')} 2`);
    expect(output).toMatch(/ end\n$/);
    expect(errors.split('\n')).toEqual([
      'underloop: nothing can be recorded, and the program goes on: /dev/full: ENOSPC: no space left on device, write; ' +
        'make room, or name another file with --output',
      'underloop: nothing is recorded; the program ended with exit status 0',
      '',
    ]);
    expect(status).toBe(1);
  },
);

test('a disk that is full later: the recording is replayed as far as was said', async () => {
  const file = fresh('.rec');
  // For most shells a block is 512 bytes or 1 KiB. The first block of this recording is smaller than that, and all of it is not.
  const limit = 'ulimit -f 1400 && ';
  const { status, output, errors } = await shell(
    `${limit} "$0" "$1" record --json -o ${file} ${program('load.js')} 4000 20`,
  );
  expect(output).toMatch(/\n$/);
  const told = JSON.parse(errors) as { events: number; ended: string; code: number };
  expect(told).toMatchObject({ code: 0, ended: 'EFBIG: file too large, write' });
  expect(told.events).toBeGreaterThan(1000);
  expect(status).toBe(1);
  expect(extentOf(file)).toMatchObject({ events: told.events, truncated: false });
  const { verdict, output: printed } = await again(file);
  expect(verdict).toMatchObject({ type: 'over', why: 'cut', events: told.events });
  expect(output.startsWith(printed)).toBe(true);
});
