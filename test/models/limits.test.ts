// What a model does at a limit: of threads, of its queue, of descriptors. It says so, counts it, and goes on serving.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { findModel, modelNames, models } from '../../src/models/models.js';
import { Reactor } from '../../src/index.js';
import { Client, request } from './client.js';
import { ServerProcess } from './process.js';

const clients: Client[] = [];
let server: ServerProcess | null = null;
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await server?.end();
  server = null;
});
async function open(port: number, count = 1): Promise<Client[]> {
  const opened = await Promise.all(Array.from({ length: count }, () => Client.open(port)));
  clients.push(...opened);
  return opened;
}

/** Sets a limit of a running process; false where that cannot be done. */
function limit(pid: number, what: string): boolean {
  return spawnSync('prlimit', ['--pid', String(pid), what]).status === 0;
}

describe.runIf(process.platform === 'linux')('threads', () => {
  it('thread limit reached: that connection is closed, said once, counted, and the server goes on', async (context) => {
    // The system refuses a thread (EAGAIN) when there is no address space for its stack: room for a few of 1 GiB.
    const stackKib = 1024 * 1024;
    server = await ServerProcess.start('models/serve.js', [
      '--model',
      'threads',
      '--stack-kib',
      String(stackKib),
    ]);
    const { pid, port } = server.ready;
    const sizeKib = Number(/VmSize:\s+(\d+)/.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1]);
    if (!limit(pid, `--as=${String((sizeKib + 3.5 * stackKib) * 1024)}`)) context.skip('no prlimit');

    const outcomes: boolean[] = [];
    for (const client of await open(port, 10)) {
      client.send(request(1));
      await client.answers(1);
      outcomes.push(client.replies.length === 1);
    }
    const served = outcomes.filter(Boolean).length;
    expect(served).toBeGreaterThan(0);
    expect(served).toBeLessThan(4);
    expect(await server.counters()).toMatchObject({
      accepted: 10,
      connections: served,
      serving: served,
      threads: served,
      refused: 10 - served,
      served,
    });
    await server.until(() => server!.stderr.includes('\n'), 'a message');
    expect(server.stderr.match(/no thread for a new connection/g)).toHaveLength(1);
    expect(server.stderr).toContain('Resource temporarily unavailable');

    // Those that were served are served on; when they go, there is room for others.
    const kept = clients.filter((client) => client.replies.length === 1);
    for (const client of kept) expect((await client.ask(request(2))).status).toBe(0);
    for (const client of kept) client.close();
    await server.untilCounters(({ threads }) => threads === 0);
    const [next] = await open(port);
    expect((await next!.ask(request(3))).id).toBe(3);
  });

  it('no descriptor left: clients wait in the backlog and are served when there is one again', async (context) => {
    server = await ServerProcess.start('models/serve.js', ['--model', 'threads']);
    const { pid, port } = server.ready;
    const [first] = await open(port);
    await first!.ask(request(1));
    if (!limit(pid, '--nofile=1:4096')) context.skip('no prlimit');
    // Linux chooses the number before it waits: the accept that is blocked already succeeds once more.
    const [second] = await open(port);
    expect((await second!.ask(request(2))).id).toBe(2);
    const [third] = await open(port);
    third!.send(request(3));
    await server.untilCounters(({ errors }) => errors! > 2); // tried again, and again
    expect(await server.counters()).toMatchObject({ accepted: 2, connections: 2, refused: 0 });
    expect((await first!.ask(request(4))).id).toBe(4);
    expect(third!.replies).toHaveLength(0);
    expect(server.stderr.match(/cannot accept a connection/g)).toHaveLength(1);
    limit(pid, '--nofile=4096:4096');
    expect((await third!.answers(1)).map(({ id }) => id)).toEqual([3]);
  });
});

describe('pool', () => {
  it('serves one connection per thread, queues the next, and refuses what the queue has no place for', async () => {
    const running = await findModel('pool').start(
      { upstreamPort: 0, requestsPerConnection: 0 },
      { threads: 1, queueMax: 2 },
    );
    const { port } = running.address;
    const [served] = await open(port);
    await served!.ask(request(1));
    const [second] = await open(port);
    const [third] = await open(port);
    second!.send(request(2));
    third!.send(request(3));
    const [fourth] = await open(port);
    expect(await fourth!.over()).toEqual([]);
    expect(await running.counters()).toMatchObject({
      accepted: 4,
      connections: 3,
      serving: 1,
      queued: 2,
      refused: 1,
      served: 1,
      threads: 1,
    });
    expect([second!.replies.length, third!.replies.length]).toEqual([0, 0]);

    // To its end: only when the first has gone is the next one served, in the order in which they came.
    served!.close();
    expect((await second!.answers(1)).map(({ id }) => id)).toEqual([2]);
    expect(third!.replies).toHaveLength(0);
    second!.close();
    expect((await third!.answers(1)).map(({ id }) => id)).toEqual([3]);
    await running.stop();
  });

  it('with no queue at all, still gives connections to threads that are free', async () => {
    const running = await findModel('pool').start(
      { upstreamPort: 0, requestsPerConnection: 0 },
      { threads: 3, queueMax: 0 },
    );
    // Threads that have not come to wait yet are not free: these clients try until they are.
    const held: Client[] = [];
    for (let tries = 0; held.length < 3 && tries < 1000; tries++) {
      const [client] = await open(running.address.port);
      client!.send(request(1));
      if ((await client!.answers(1)).length === 1) held.push(client!);
    }
    expect(held).toHaveLength(3);
    const [fourth] = await open(running.address.port);
    expect(await fourth!.over()).toEqual([]);
    await running.stop();
  });
});

it('sequential serves the second client only when the first has gone', async () => {
  const running = await findModel('sequential').start({ upstreamPort: 0, requestsPerConnection: 0 });
  const [first] = await open(running.address.port);
  await first!.ask(request(1));
  const [second] = await open(running.address.port);
  second!.send(request(2));
  await first!.ask(request(3));
  expect(second!.replies).toHaveLength(0);
  expect(await running.counters()).toMatchObject({ accepted: 1, connections: 1, threads: 1 });
  first!.close();
  expect((await second!.answers(1)).map(({ id }) => id)).toEqual([2]);
  await running.stop();
});

describe('what cannot be', () => {
  it('an unknown model names those that there are', () => {
    expect(() => findModel('thread')).toThrow(modelNames.join(', '));
  });

  it.each([
    [{ threads: 0 }, 'options.threads'],
    [{ stackKib: 63 }, 'options.stackKib'],
    [{ queueMax: -1 }, 'options.queueMax'],
    [{ port: 65_536 }, 'options.port'],
    [{ backlog: 0 }, 'options.backlog'],
  ])('wrong options are refused before anything starts: %j', async (options, name) => {
    for (const model of models) {
      await expect(model.start({ upstreamPort: 0, requestsPerConnection: 0 }, options)).rejects.toMatchObject(
        {
          code: 'ERR_ARGUMENT',
          message: expect.stringContaining(name) as string,
        },
      );
    }
  });

  it('a port that is taken is a system error, and leaves nothing behind', async () => {
    for (const model of models) {
      if (model.unavailable() !== null) continue;
      const running = await model.start({ upstreamPort: 0, requestsPerConnection: 0 });
      const { port } = running.address;
      await expect(
        model.start({ upstreamPort: 0, requestsPerConnection: 0 }, { port }),
      ).rejects.toMatchObject({
        code: 'EADDRINUSE',
      });
      await running.stop();
      const again = await model.start({ upstreamPort: 0, requestsPerConnection: 0 }, { port });
      await again.stop();
      await again.stop(); // twice is once
    }
  });

  it('a poller that suffers no other reactor beside it refuses at start, not later', async () => {
    const other = new Reactor({ poller: 'poll' });
    other.setTimer(60_000, () => {});
    const ran = other.run();
    await expect(
      findModel('select').start({ upstreamPort: 0, requestsPerConnection: 0 }),
    ).rejects.toMatchObject({ code: 'ERR_NOT_NESTABLE' });
    other.close();
    await ran;
  });
});
