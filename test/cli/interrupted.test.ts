// An interrupt key, and helpers that die: what was measured is reported, what failed is said, and no process is left.

import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Report } from '../../src/compare/report.js';
import { ESTABLISHED, TEST_TIMEOUT_MS, CommandRun, inodesOf, leftAfter, pause } from './command.js';

vi.setConfig({ testTimeout: TEST_TIMEOUT_MS });

const GONE_MS = 1000;
const NOTHING = { processes: [], sockets: [] };

let run: CommandRun | undefined;
afterEach(async () => {
  await run?.end();
  run = undefined;
});
function start(line: string): CommandRun {
  run = new CommandRun(['compare', ...line.split(' ')]);
  return run;
}

describe.runIf(process.platform === 'linux')('interrupted', () => {
  // A window of ten minutes: whoever waits for its end is found out by the test's own limit.
  const LONG = 'echo --connections 4 --models epoll --duration 10m --warm-up 0 --rounds 2 --no-system-calls';

  test.each([
    ['the interrupt key, which tells every process of the group', (of: CommandRun) => of.interrupt('SIGINT')],
    ['SIGTERM to the program alone', (of: CommandRun) => process.kill(of.pid, 'SIGTERM')],
  ])('%s ends it at once, in the middle of a long window', async (_, signal) => {
    const command = start(`${LONG} --json`);
    const server = await command.find('server');
    await command.until(() => inodesOf([server], ESTABLISHED).size >= 4, 'connections');
    await pause(300); // the window begins at once then, and is long: any moment within it will do
    const held = inodesOf(command.processes());
    expect(held.size).toBeGreaterThan(0);
    signal(command);
    const { code, stdout } = await command.outcome;
    expect(code).toBe(130);
    const report = JSON.parse(stdout) as Report;
    // The cell that was under way is not there: it has no figures, and no failure of its own.
    expect(report).toMatchObject({ interrupted: true, cells: [] });
    expect(await leftAfter(command, GONE_MS, held)).toEqual(NOTHING);
  });

  test('what was measured until then is reported', async () => {
    const command = start('wait --connections 2 --wait 100ms --models epoll --rounds 200');
    await command.until(() => command.stderr.includes('wait 2/200'), 'two rounds');
    command.interrupt();
    const { code, stdout } = await command.outcome;
    expect(code).toBe(130);
    expect(stdout).toMatch(/^! Interrupted: \d+ cells were measured\.$/m);
    expect(stdout).toContain('epoll: 2 requests that each wait 0.1 s took');
    expect(stdout).not.toContain('FAILED');
    expect(await leftAfter(command, GONE_MS)).toEqual(NOTHING);
  });

  test('a second interrupt ends it without a report, and nothing is left', async () => {
    const command = start(LONG);
    const server = await command.find('server');
    await command.find('generator');
    process.kill(server.pid, 'SIGSTOP'); // it cannot end in an orderly way, so that the first interrupt takes long
    const held = inodesOf(command.processes());
    process.kill(command.pid, 'SIGINT');
    await pause(100);
    process.kill(command.pid, 'SIGINT');
    expect(await command.outcome).toMatchObject({ code: 130, stdout: '' });
    expect(await leftAfter(command, GONE_MS, held)).toEqual(NOTHING);
  });
});

describe.runIf(process.platform === 'linux')('a helper that dies', () => {
  test.each(['server', 'upstream', 'generator'])(
    'the %s: its cell fails with the reason, the others go on',
    async (role) => {
      const command = start('wait --connections 2 --wait 500ms --models epoll --rounds 2 --json');
      // In the first round, while the requests wait.
      await command.find('generator');
      const { pid } = await command.find(role);
      await pause(150);
      process.kill(pid, 'SIGKILL');
      const { code, stdout } = await command.outcome;
      expect(code).toBe(1);
      const { cells, summaries, interrupted } = JSON.parse(stdout) as Report;
      const names: Record<string, string> = {
        server: 'the server \\(epoll\\)',
        generator: 'the load generator',
      };
      expect(cells[0]!.failure).toMatch(new RegExp(`^${names[role] ?? 'the upstream'} was ended by SIGKILL`));
      expect(cells[1]!).toMatchObject({ round: 2, failure: null });
      expect(summaries['epoll']!['totalMs']!.n).toBe(1);
      expect(interrupted).toBe(false);
      expect(await leftAfter(command, GONE_MS)).toEqual(NOTHING);
    },
  );

  test('a server that dies before it has a connection is the reason, and not that there was none', async () => {
    const command = start('wait --connections 2 --wait 100ms --models epoll --rounds 1');
    const { pid } = await command.find('server');
    await command.find('generator');
    process.kill(pid, 'SIGKILL');
    const { code, stdout } = await command.outcome;
    expect(code).toBe(1);
    expect(stdout).toContain('! epoll, round 1, FAILED: the server (epoll) was ended by SIGKILL');
  });

  test('an upstream that nobody needs makes a failure of its cell all the same', async () => {
    const command = start(
      'echo --connections 2 --models epoll --duration 300ms --warm-up 300ms --rounds 1 --no-system-calls',
    );
    await command.find('generator');
    process.kill((await command.find('upstream')).pid, 'SIGKILL');
    const { code, stdout } = await command.outcome;
    expect(code).toBe(1);
    expect(stdout).toContain('! epoll, round 1, FAILED: the upstream was ended by SIGKILL');
    expect(stdout).toContain('fewer for epoll (n = 0)');
  });
});
