// Runs of `underloop compare` killed at random moments: nothing that they started is left, and no port stays open.

import { afterEach, describe, expect, test, vi } from 'vitest';
import { seededRandom } from '../../src/compare/statistics.js';
import {
  ESTABLISHED,
  TEST_TIMEOUT_MS,
  CommandRun,
  inodesOf,
  leftAfter,
  pause,
  type Relative,
} from './command.js';

vi.setConfig({ testTimeout: TEST_TIMEOUT_MS });

const RUNS = Number(process.env['UNDERLOOP_KILL_RUNS'] ?? 5);
const SEED = Number(process.env['UNDERLOOP_KILL_SEED'] ?? 1);
/** What is left must be gone by then: the lifelines are told by the kernel, at once. */
const GONE_MS = 1000;
const TINY = ['--rounds', '1', '--quiet'];
const ECHO = ['echo', '--connections', '4', '--duration', '150ms', '--warm-up', '50ms', ...TINY];
/** In turn; each with about the time that it takes. The last has strace at work in its second half. */
const commands = [
  { args: ['wait', '--wait', '100ms', '--connections', '3', ...TINY], lastsMs: 900 },
  { args: [...ECHO, '--models', 'threads,epoll', '--no-system-calls'], lastsMs: 900 },
  {
    args: ['idle', '--connections', '30', '--duration', '100ms', '--models', 'epoll,threads', ...TINY],
    lastsMs: 1800,
  },
  { args: ['wait', '--wait', '300ms', '--models', 'threads,node', ...TINY], lastsMs: 1000 },
  { args: [...ECHO, '--models', 'pool,node', '--no-system-calls'], lastsMs: 900 },
  { args: [...ECHO, '--models', 'epoll'], lastsMs: 2000 },
];

interface Plan {
  readonly index: number;
  readonly command: readonly string[];
  readonly victim: 'runner' | 'child';
  readonly momentMs: number;
  readonly choice: number;
}

const random = seededRandom(SEED);
const plans: Plan[] = Array.from({ length: RUNS }, (_, index) => ({
  index,
  command: commands[index % commands.length]!.args,
  // The first two are one of each, whatever the seed.
  victim: (index < 2 ? index === 0 : random() < 0.5) ? 'runner' : 'child',
  momentMs: Math.round(random() * commands[index % commands.length]!.lastsMs),
  choice: random(),
}));

describe.runIf(process.platform === 'linux')(`killed at random moments, seed ${SEED}`, () => {
  let run: CommandRun | undefined;
  afterEach(async () => run?.end());

  test.each(plans)('run $index: the $victim after $momentMs ms', async (plan) => {
    run = new CommandRun(['compare', ...plan.command]);
    await run.find('runner');
    await pause(plan.momentMs);
    const isChild = ({ pid }: Relative): boolean => pid !== run!.pid;
    let victim = run.pid;
    if (plan.victim === 'child') {
      await run.until(() => run!.processes().some(isChild), 'a child');
      const children = run.processes().filter(isChild);
      // Between two looks they may all have ended: then the runner is the victim.
      victim = children[Math.floor(plan.choice * children.length)]?.pid ?? run.pid;
    }
    const held = inodesOf(run.processes());
    let killed = true;
    try {
      process.kill(victim, 'SIGKILL');
    } catch {
      killed = false; // it has ended by itself
    }
    const { code, signal, stderr } = await run.outcome;
    expect(await leftAfter(run, GONE_MS, held)).toEqual({ processes: [], sockets: [] });
    if (!killed) return;
    // One that has ended by itself but was not waited for yet takes the signal, too.
    if (victim === run.pid && code !== 0) expect({ code, signal }).toEqual({ code: null, signal: 'SIGKILL' });
    // A helper that ends between its last word and the kill costs nothing: then all is well.
    if (victim !== run.pid) expect([0, 1], stderr).toContain(code);
  });

  test('a server whose JavaScript is blocked for seconds ends with its runner all the same', async () => {
    const line = 'compare wait --connections 1 --cpu 20s --wait 1ms --models epoll --rounds 1 --quiet';
    run = new CommandRun(line.split(' '));
    const server = await run.find('server');
    await run.until(() => inodesOf([server], ESTABLISHED).size > 0, 'a connection');
    await pause(300); // the request is under way, and works for ten seconds before it waits
    const held = inodesOf(run.processes());
    process.kill(run.pid, 'SIGKILL');
    await run.outcome;
    expect(await leftAfter(run, GONE_MS, held)).toEqual({ processes: [], sockets: [] });
  });
});
