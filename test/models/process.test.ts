// Server processes: what they print, what they answer, and that they never outlive their parent.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { models } from '../../src/models/models.js';
import { Client, request } from './client.js';
import { ServerProcess, threadsNamed } from './process.js';

let server: ServerProcess | null = null;
afterEach(async () => {
  await server?.end();
  server = null;
});

/** A process that has ended but that nobody has waited for, such as an orphan in a container, is not running. */
function isRunning(pid: number): boolean {
  try {
    if (process.platform === 'linux')
      return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${String(pid)}/status`, 'utf8'));
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

// First: what hangs without it hangs in the tests below as well, and each of those takes its time.
it('ends on SIGTERM, with threads parked in blocking calls', async () => {
  server = await ServerProcess.start('models/serve.js', ['--model', 'threads']);
  const parked = await Promise.all(Array.from({ length: 20 }, () => Client.open(server!.ready.port)));
  await server.untilCounters(({ threads }) => threads === 20);
  server.child.kill('SIGTERM');
  expect(await server.exit).toEqual({ code: 0, signal: null });
  for (const client of parked) client.close();
});

const names = models.filter((model) => model.unavailable() === null).map(({ name }) => name);

describe.each(names)('serve --model %s', (name) => {
  it('prints its port, answers counters, and ends with its input, clients connected or not', async () => {
    server = await ServerProcess.start('models/serve.js', [
      '--model',
      name,
      '--threads',
      '3',
      '--requests-per-connection',
      '5',
    ]);
    expect(server.ready).toEqual({ port: expect.any(Number) as number, pid: server.child.pid, model: name });
    const client = await Client.open(server.ready.port);
    await client.ask(request(1));
    const counters = await server.counters();
    expect(Object.keys(counters)).toEqual([
      'accepted',
      'connections',
      'serving',
      'served',
      'refused',
      'errors',
      'queued',
      'threads',
      'usage',
    ]);
    expect(counters).toMatchObject({ accepted: 1, connections: 1, serving: 1, served: 1, errors: 0 });
    expect(counters['usage']).toEqual({
      atNs: expect.any(Number) as number,
      cpuUs: expect.any(Number) as number,
      voluntarySwitches: expect.any(Number) as number,
      involuntarySwitches: expect.any(Number) as number,
    });
    server.child.stdin?.end();
    expect(await server.exit).toEqual({ code: 0, signal: null });
    expect(server.stderr).toBe('');
    client.close();
  });
});

it.runIf(process.platform === 'linux')('native threads start with all signals blocked', async () => {
  server = await ServerProcess.start('models/serve.js', ['--model', 'threads']);
  const client = await Client.open(server.ready.port);
  await client.ask(request(1));
  const folder = `/proc/${String(server.ready.pid)}/task`;
  const blocked = readdirSync(folder)
    .map((thread) => readFileSync(`${folder}/${thread}/status`, 'utf8'))
    .filter((status) => /^Name:\tul-/m.test(status))
    .map(
      (status) =>
        [/^Name:\t(\S+)/m.exec(status)![1]!, BigInt(`0x${/^SigBlk:\t(\S+)/m.exec(status)![1]!}`)] as const,
    );
  expect(blocked.map(([name]) => name).sort()).toEqual(['ul-accept', 'ul-lifeline', 'ul-serve']);
  // All that can be blocked: not SIGKILL (9) and SIGSTOP (19), nor the C library's own two (32, 33).
  const unblockable = (1n << 8n) | (1n << 18n) | (3n << 31n);
  for (const [, mask] of blocked) expect(mask | unblockable).toBe(0xffffffffffffffffn);
  client.close();
});

it.each([
  [['--model', 'nothing'], 2, 'model must be one of'],
  [[], 2, '--model must be one of'],
  [['--model', 'epoll', '--port', '70000'], 2, '--port'],
  [['--model', 'epoll', '--speed', '9'], 2, '--speed'],
  [['--model', 'epoll', '--lifeline-fd', '77'], 1, 'EBADF'],
])('says in one line what is wrong with %j', async (args, code, message) => {
  server = ServerProcess.spawn('models/serve.js', args);
  expect((await server.exit).code).toBe(code);
  expect(server.stderr).toContain(message);
  expect(server.stderr.trim().split('\n')).toHaveLength(1);
});

describe('the lifeline', () => {
  it.each([...names.filter((name) => !['sequential', 'threads', 'pool'].includes(name))])(
    'ends %s although its JavaScript is blocked',
    async (name) => {
      server = await ServerProcess.start('models/serve.js', ['--model', name]);
      const client = await Client.open(server.ready.port);
      client.send(request(1)); // read together with the next, or before it
      await client.answers(1);
      client.send(request(2, { cpuUs: 60_000_000 })); // a minute in a busy loop
      // It is in the loop when it no longer answers: the next request's bytes stay unread.
      client.send(request(3));
      server.child.stdin?.write('counters\n');
      server.lifeline.destroy();
      expect(await server.exit).toEqual({ code: 0, signal: null });
      expect(client.replies.map(({ id }) => id)).toEqual([1]);
    },
  );

  it('ends the upstream too', async () => {
    server = await ServerProcess.start('workload/upstream.js');
    server.lifeline.destroy();
    expect(await server.exit).toEqual({ code: 0, signal: null });
  });

  it('holds while the parent lives, whatever it writes', async () => {
    server = await ServerProcess.start('models/serve.js', ['--model', 'threads']);
    server.lifeline.write('still here');
    const client = await Client.open(server.ready.port);
    expect((await client.ask(request(1))).status).toBe(0);
    if (process.platform === 'linux') expect(threadsNamed('ul-lifeline', server.ready.pid)).toBe(1);
    client.close();
  });

  it('ends children whose parent is killed, though other pipes to them stay open', async () => {
    const program = `
      const { spawn } = require('node:child_process');
      const child = spawn(process.execPath, [${JSON.stringify(fileURLToPath(new URL('../../dist/models/serve.js', import.meta.url)))},
        '--model', 'threads', '--lifeline-fd', '3'], { stdio: ['inherit', 'inherit', 'inherit', 'pipe'] });
      setInterval(() => {}, 1000);
    `;
    const parent = spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const { pid, port } = JSON.parse(line.toString()) as { pid: number; port: number };
    const client = await Client.open(port);
    await client.ask(request(1));
    parent.kill('SIGKILL');
    await client.over();
    // Its output is ours to read, and ends when the last who could write, the child, has gone.
    parent.stdout.resume();
    await once(parent, 'close');
    // The kernel closes the files of an ending process shortly before it marks it as ended.
    await expect.poll(() => isRunning(pid)).toBe(false);
    client.close();
  });
});
