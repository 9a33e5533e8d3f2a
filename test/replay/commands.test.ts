// underloop record and underloop replay as they are typed: what they print, and how they end.

import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { fresh, main, program, ran } from './fixture.js';

const underloop = (...args: string[]): ReturnType<typeof ran> => ran(process.execPath, main, ...args);

test('a recording, its replay, the state at an event, and going back', async () => {
  const file = fresh('.rec');
  const recorded = await underloop('record', '-o', file, program('echo.js'), '2');
  expect(recorded).toMatchObject({ status: 0, output: expect.stringMatching(/ end\n$/) });
  expect(recorded.errors).toMatch(
    /^underloop: recorded [\d,]+ events, .* with exit status 0\nunderloop: covered: /,
  );
  expect(statSync(file).mode & 0o777).toBe(0o600);

  const replayed = await underloop('replay', file);
  expect(replayed).toMatchObject({ status: 0, errors: '' });
  const lines = replayed.output.split('\n');
  expect(lines.filter((line) => line.startsWith('| ')).map((line) => line.slice(2))).toEqual(
    recorded.output.split('\n').slice(0, -1),
  );
  expect(lines.at(-3)).toMatch(/^same: [\d,]+ events, [\d,]+ turns, exit status 0$/);
  expect(lines.at(-2)).toMatch(/^state [0-9a-f]{64}$/);

  const json = await underloop('replay', '--json', file);
  const { verdict } = JSON.parse(json.output) as { verdict: { stateHash: string } };
  expect(verdict).toMatchObject({ type: 'same', code: 0 });
  expect(`state ${verdict.stateHash}`).toBe(lines.at(-2));

  const at = await underloop('replay', '--to', '40', '--quiet', file);
  expect(at.status).toBe(0);
  expect(at.output).toMatch(
    /^at event 40, turn \d+\n(?: {2}\d+ .*\n){8}reactor 1: turn \d+, .*\n(?: {2}.*\n)+state [0-9a-f]{64}\n$/,
  );

  const stepped = await underloop('replay', '--from', '40', '--do', 's; back; q', file);
  expect(stepped.status).toBe(0);
  const holds = stepped.output.split('\n').filter((line) => line.startsWith('== held'));
  expect(holds).toHaveLength(3);
  expect(holds[2]).toBe(holds[0]);
  expect(holds[1]).not.toBe(holds[0]);
});

test('a program that fails, and one that differs, end with 1; mistakes with 2', async () => {
  const file = fresh('.rec');
  const recorded = await underloop('record', '--json', '-o', file, program('runtime.js'));
  expect(recorded.status).toBe(1);
  expect(JSON.parse(recorded.errors)).toMatchObject({ file, code: 3, signal: null, uncovered: [] });
  expect((await underloop('replay', '--quiet', file)).status).toBe(0);

  const changed = fresh('.mjs');
  const dist = new URL('../../dist/index.js', import.meta.url).href;
  const source = readFileSync(program('runtime.js'), 'utf8').replace('../../../dist/index.js', dist);
  writeFileSync(changed, source.replace('50_000', '50_001'));
  const { status, output } = await underloop('replay', '--quiet', file, changed);
  expect(status).toBe(1);
  expect(output).toMatch(
    /differs at event \d+, turn 0, between items\n {2}recorded: calls setTimeout for 50000 ms .*\n {2}now: {6}calls setTimeout for 50001 ms/,
  );

  writeFileSync(file, readFileSync(file).fill(0, 200, 300));
  expect(await underloop('replay', file)).toMatchObject({
    status: 1,
    errors: expect.stringContaining('the recording is damaged at byte'),
  });
  const late = fresh('.rec');
  const whole = await underloop('record', '-o', late, program('echo.js'), '2');
  expect(whole.status).toBe(0);
  const end = statSync(late).size;
  writeFileSync(late, readFileSync(late).fill(0, end - 20, end - 10));
  expect(await underloop('replay', '--do', 'c', late)).toMatchObject({
    status: 1,
    output: expect.stringContaining('ERR_RECORDING_CORRUPT'),
  });
  const mistakes = [
    ['record'],
    ['record', 'none.js'],
    ['record', tmpdir()],
    ['replay'],
    ['replay', 'none.rec'],
    ['replay', tmpdir()],
    ['replay', file, tmpdir()],
    ['replay', '--to', 'x', file],
    ['replay', '--to', '3', '--do', 's', file],
  ];
  const statuses = await Promise.all(mistakes.map(async (wrong) => (await underloop(...wrong)).status));
  expect(mistakes.filter((_, i) => statuses[i] !== 2)).toEqual([]);
}, 60_000); // sixteen programs, one after the other for the most part

test('a recording is never written over its program, and is for its owner alone wherever it is written', async () => {
  const script = fresh('.mjs');
  writeFileSync(script, 'console.log(1);\n');
  const refused = await underloop('record', '-o', script, script);
  expect(refused).toMatchObject({ status: 2, errors: expect.stringContaining('underloop replay') });
  expect(readFileSync(script, 'utf8')).toBe('console.log(1);\n');

  const file = fresh('.rec');
  writeFileSync(file, 'of another program', { mode: 0o644 });
  expect((await underloop('record', '-o', file, script)).status).toBe(0);
  expect(statSync(file).mode & 0o777).toBe(0o600);

  const nowhere = await underloop('record', '-o', `${file}/none.rec`, script);
  expect(nowhere).toEqual({
    status: 1,
    output: '',
    errors: expect.stringMatching(/^underloop: ENOTDIR: .*none\.rec'\n$/),
  });
});
