// The soak itself: a few seconds of it on every poller, and that it sees what it is there to see.

import { fileURLToPath } from 'node:url';
import { describe, expect, test, vi } from 'vitest';
import { nativeKernel } from '../../src/index.js';
import { CommandRun, leftAfter, runCommand } from '../cli/command.js';

vi.setConfig({ testTimeout: 90_000 });

const COMMAND = [process.execPath, fileURLToPath(new URL('run.js', import.meta.url))];
const SHORT = ['--events', '2000', '--connections', '30', '--json'];

interface Result {
  passed: boolean;
  interrupted: boolean;
  events: number;
  calls: number;
  judged: number;
  aborted: number;
  lost: number;
  staleCalls: number;
  problems: string[];
  server: Record<string, number>;
  fds: { before: number; after: number };
}

async function soak(...args: string[]): Promise<{ code: number | null; result: Result }> {
  const { code, stdout, stderr } = await runCommand(args, COMMAND);
  if (stdout === '') throw new Error(stderr);
  return { code, result: JSON.parse(stdout) as Result };
}

const modes = nativeKernel.pollerKinds.flatMap((poller): [string, string][] => {
  const levelOnly = poller === 'poll' || poller === 'select';
  return levelOnly ? [[poller, 'level']] : ['level', 'edge'].map((trigger) => [poller, trigger]);
});

describe.runIf(process.platform === 'linux')('npm run soak', () => {
  test.concurrent.each(modes)('on %s, %s: nothing is lost and no call is stale', async (poller, trigger) => {
    const { code, result } = await soak('--poller', poller, '--trigger', trigger, '--seed', '7', ...SHORT);
    expect(result.problems).toEqual([]);
    expect(result).toMatchObject({ passed: true, lost: 0, staleCalls: 0 });
    expect(code).toBe(0);
    // Not empty-handed: connections of both directions, some of them cut off, all accounted for, every descriptor back.
    expect(result.events).toBeGreaterThanOrEqual(2000);
    expect(result.aborted).toBeGreaterThan(0);
    expect(result.server['opened']).toBeGreaterThan(0);
    expect(result.server['closed']).toBe(result.server['accepted']! + result.server['opened']!);
    expect(result.fds.after).toBeLessThanOrEqual(result.fds.before);
  });

  test.concurrent('with the generation check switched off it reports stale calls, and fails', async () => {
    const args = [
      '--without-generations',
      '--seed',
      '3',
      '--events',
      '3000',
      '--connections',
      '60',
      '--json',
    ];
    const { code, result } = await soak(...args);
    expect(code).toBe(1);
    expect(result.passed).toBe(false);
    expect(result.staleCalls).toBeGreaterThan(0);
    expect(result.problems.join('\n')).toMatch(
      /stale call: .* the readiness of slot \d+, generation \d+ was for/,
    );
  });

  test.concurrent('an interrupt key ends it with the figures so far, and leaves no process', async () => {
    const command = new CommandRun(['--duration-s', '600', '--connections', '10', '--json'], COMMAND);
    await command.until(() => command.stderr.includes('events'), 'a line of progress');
    expect(command.processes().length).toBeGreaterThanOrEqual(3);
    command.interrupt();
    const { code, stdout } = await command.outcome;
    expect(code).toBe(130);
    const result = JSON.parse(stdout) as Result;
    expect(result).toMatchObject({ interrupted: true, passed: false, lost: 0, staleCalls: 0 });
    expect(result.calls).toBeGreaterThan(0);
    expect(await leftAfter(command, 2000)).toEqual({ processes: [], sockets: [] });
  });

  test.concurrent.each([
    ['--events', 'many'],
    ['--poller', 'none'],
    ['--trigger', 'edge', '--poller', 'poll'],
    ['--nonsense'],
  ])('refuses %s with exit status 2', async (...args) => {
    const { code, stdout, stderr } = await runCommand(args, COMMAND);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(args[0]);
  });
});
