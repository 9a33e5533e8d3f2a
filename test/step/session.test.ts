// The life of a stepped program: however it ends, the controller is told, and no program outlives its controller.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { runProgram } from '../lifecycle/child.js';
import { Stepped, program } from './stepped.js';

const loop = program('loop.mjs');

describe('a stepped program', () => {
  test('that comes to its end is told with its status', async () => {
    const stepped = new Stepped(loop, 'nothing');
    expect((await stepped.held()).next[0]).toMatchObject({ kind: 'posted', name: 'item' });
    expect(await stepped.step()).toBeNull();
    expect(stepped.ending).toEqual({ code: 0, signal: null, error: null });
  });
  test('that exits in an item is told with its status', async () => {
    const stepped = new Stepped(loop, 'exit');
    await stepped.held();
    expect(await stepped.step()).toBeNull();
    expect(stepped.ending).toMatchObject({ code: 3, signal: null });
  });
  test('that crashes is told with its status, its message, and the error among the last events', async () => {
    const stepped = new Stepped(loop, 'crash');
    await stepped.held();
    expect(await stepped.step()).toBeNull();
    expect(stepped.ending).toMatchObject({ code: 1 });
    expect(stepped.stderr).toContain('on purpose');
    const events = stepped.messages.flatMap((message) => (message.type === 'traced' ? message.events : []));
    expect(events).toContainEqual(expect.objectContaining({ type: 'error', message: 'Error: on purpose' }));
  });
  test('that is killed while it is held is told with the signal', async () => {
    const stepped = new Stepped(loop, 'nothing');
    await stepped.held();
    process.kill(stepped.session.pid, 'SIGKILL');
    expect(await stepped.ended()).toMatchObject({ code: null, signal: 'SIGKILL' });
    expect(stepped.session.held).toBeNull();
  });
  test('that does not exist ends at once, and says so', async () => {
    const stepped = new Stepped(program('nowhere.mjs'));
    expect(await stepped.ended()).toMatchObject({ code: 1 });
    expect(stepped.stderr).toContain('Cannot find module');
  });
  test('that prints megabytes loses none of them', async () => {
    const stepped = new Stepped(loop, 'print');
    await stepped.held();
    await stepped.step();
    expect(await stepped.ended()).toMatchObject({ code: 0 });
    expect(stepped.stdout.length).toBe(40 * 100_001);
  });
  test('that throws a message of 20 MB is told of in a line that can be read', async () => {
    const stepped = new Stepped(loop, 'huge');
    await stepped.held();
    const held = await stepped.step();
    expect(held?.next[0]?.name).toBe('afterwards');
    const error = held?.events.find(({ type }) => type === 'error');
    expect((error as { message: string }).message.length).toBeLessThan(1000);
    expect(await stepped.step()).toBeNull();
  });
  test('that writes to the descriptor of the protocol is ended, with what it wrote', async () => {
    const stepped = new Stepped(loop, 'garbage');
    await stepped.held();
    await stepped.step();
    expect((await stepped.ended()).error?.message).toContain('this is no JSON');
  });
  test('is not stopped by a debugger statement of its own', async () => {
    const stepped = new Stepped(loop, 'debugger');
    await stepped.held();
    expect(await stepped.step()).toBeNull();
    expect(stepped.ending).toMatchObject({ code: 0 });
  });
  test('is gone within a second after its controller was killed, held or in the middle of an item', async () => {
    for (const what of ['beside', 'sleep']) {
      // The fastest of three: what is asked is what the program needs, not what a loaded machine adds.
      let fastestMs = Infinity;
      for (let round = 0; round < 3 && fastestMs >= 1000; round++)
        fastestMs = Math.min(fastestMs, await outlivesMs(what));
      expect(fastestMs, what).toBeLessThan(1000);
    }
  });
  test('that is told to end ends, held or not; telling it again does no harm', async () => {
    const stepped = new Stepped(loop, 'beside');
    await stepped.held();
    await stepped.session.stop();
    await stepped.session.stop();
    expect(stepped.ending).toMatchObject({ signal: 'SIGTERM' });
    stepped.session.send({ do: 'step', count: 1 });
  });
});

/** Kills the controller of a program, and gives for how long the program lives on. */
async function outlivesMs(what: string): Promise<number> {
  const controller = spawn(process.execPath, [program('controller.mjs'), loop, what], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  for await (const chunk of controller.stdout) {
    said += String(chunk);
    if (said.includes('held')) break;
  }
  const pid = Number(/pid (\d+)/.exec(said)?.[1]);
  if (what === 'sleep') await sleep(100); // it is in the midst of its item of 2 s
  expect(alive(pid)).toBe(true);
  controller.kill('SIGKILL');
  await once(controller, 'exit');
  const killedMs = performance.now();
  while (alive(pid) && performance.now() - killedMs < 5000) await sleep(10);
  return performance.now() - killedMs;
}

/** Not ended: one that has and that nobody has waited for yet is still in the table, as a zombie. */
function alive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${String(pid)}/status`, 'utf8'));
  } catch {
    return false;
  }
}

test('the source finder finds functions of every kind, and says of the others that there is none', async () => {
  const { stdout, stderr, code } = await runProgram('step/programs/functions.mjs');
  expect([code, stderr]).toEqual([0, '']);
  const here = (line: number): [string, number] => ['functions.mjs', line];
  expect(JSON.parse(stdout)).toEqual({
    plain: here(4),
    method: here(6),
    still: here(7),
    arrow: here(12),
    later: here(13),
    bound: here(4),
    twice: here(6),
    native: null,
    boundNative: null,
    evaluated: null,
    number: null,
    object: null,
    nothing: null,
    again: true,
    class: 5,
  });
});
