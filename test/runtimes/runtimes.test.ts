// Runtimes whose loop cannot be waited on: the addon loads, a reactor echoes beside them, and idling costs nothing.
// UNDERLOOP_BUN and UNDERLOOP_DENO name their programs, else those on the PATH are taken; `npm run test:runtimes` fetches
// both. The host that they get is tried under Node in every run.

import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

const run = promisify(execFile);
const ROOT = path.resolve(import.meta.dirname, '../..');
const PROGRAM = path.join(import.meta.dirname, 'programs/beside.mjs');
const ECHO = path.join(ROOT, 'examples/echo-reactor.js');

interface Runtime {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Record<string, string>;
}
const runtimes: Runtime[] = [
  { name: 'Node', command: process.execPath, args: [], env: { UNDERLOOP_HOST: 'thread' } },
  { name: 'Bun', command: process.env['UNDERLOOP_BUN'] ?? 'bun', args: [] },
  { name: 'Deno', command: process.env['UNDERLOOP_DENO'] ?? 'deno', args: ['run', '--allow-all'] },
];
const isThere = ({ command }: Runtime): boolean => spawnSync(command, ['--version']).status === 0;

/** A thousand turns a second is what waits of 1 ms would make. */
const IDLE_TURNS_MAX = 20;
/** What Bun takes by itself is 0.3%; waits of 1 ms take 3% to 4%. */
const IDLE_CPU_SHARE_MAX = 0.02;

describe.each(runtimes)('$name', (runtime) => {
  const { name, command, args } = runtime;
  const env = { ...process.env, NODE_OPTIONS: '', ...runtime.env };
  const skipped = isThere(runtime)
    ? ''
    : ` (skipped: there is no ${command} here; npm run test:runtimes fetches it)`;

  test.skipIf(skipped !== '')(
    `a reactor lives beside it, and costs nothing when idle${skipped}`,
    async () => {
      const { stdout } = await run(command, [...args, PROGRAM], { env, timeout: 25_000 });
      const { postMs, timerMs, ticks, idleTurns, idleCpuShare, ...rest } = JSON.parse(stdout);
      expect(rest).toEqual({
        runtime: name,
        echo: 'by the runtime’s own socket',
        large: 1_000_000,
        post: 'ran',
        connect: 'by a connection of ours',
        fetch: 'fetched',
        endedBefore: false,
        ended: true,
      });
      expect(timerMs).toBeGreaterThanOrEqual(30);
      // Without being told of it, the thread would have slept for good; bounds for a loaded machine.
      expect(postMs).toBeLessThan(1000);
      expect(ticks).toBeGreaterThan(5);
      expect(idleTurns).toBeLessThanOrEqual(IDLE_TURNS_MAX);
      expect(idleCpuShare).toBeLessThan(IDLE_CPU_SHARE_MAX);
    },
  );

  test.skipIf(skipped !== '')(`the echo example runs, and ends by SIGINT${skipped}`, async () => {
    const child = spawn(command, [...args, ECHO, '--port', '0', '--json', '--quiet'], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
      const { port } = JSON.parse(value as string) as { port: number };
      const socket = net.connect(port, '127.0.0.1');
      socket.end('hello');
      const chunks: Buffer[] = [];
      for await (const chunk of socket) chunks.push(chunk as Buffer);
      expect(Buffer.concat(chunks).toString()).toBe('hello');
      const exited = once(child, 'exit');
      child.kill('SIGINT');
      expect(await exited).toEqual([0, null]);
    } finally {
      child.kill('SIGKILL');
    }
  });
});
