// The model `uring` as a process at its limits: no descriptor left, waits on the upstream, a stop in the middle of all.

import { spawnSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { unavailable } from '../../src/uring/kernel.js';
import { Client, request } from '../models/client.js';
import { ServerProcess } from '../models/process.js';

const clients: Client[] = [];
const processes: ServerProcess[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const one of processes.splice(0)) await one.end();
});
async function start(script: string, args: string[] = [], wrapper: string[] = []): Promise<ServerProcess> {
  const server = await ServerProcess.start(script, args, wrapper);
  processes.push(server);
  return server;
}
async function open(port: number): Promise<Client> {
  const client = await Client.open(port);
  clients.push(client);
  return client;
}

describe.skipIf(unavailable() !== null)('uring', () => {
  it('no descriptor left: those that wait are turned away and counted, then others are served again', async (context) => {
    const limit = ['prlimit', '--nofile=48:48'];
    if (spawnSync(limit[0]!, [limit[1]!, 'true']).status !== 0) context.skip('no prlimit');
    const server = await start('models/serve.js', ['--model', 'uring'], limit);
    const { port } = server.ready;
    const served: Client[] = [];
    for (let answered = true; answered;) {
      const client = await open(port);
      client.send(request(1));
      await client.answers(1);
      answered = client.replies.length === 1;
      if (answered) served.push(client);
    }
    const { refused, errors, accepted, connections } = await server.counters();
    expect({ refused, accepted, connections }).toEqual({
      refused: 1,
      accepted: served.length,
      connections: served.length,
    });
    expect(errors).toBeGreaterThan(0);
    for (const client of served) expect((await client.ask(request(2))).id).toBe(2);
    // One goes, and there is room for another: accepting has only rested.
    served[0]!.close();
    await server.untilCounters((counters) => counters.connections === served.length - 1);
    const next = await open(port);
    expect((await next.ask(request(3))).id).toBe(3);
  });

  it('ends in time on SIGTERM with requests that wait on the upstream and clients that read nothing', async () => {
    const upstream = await start('workload/upstream.js');
    const server = await start('models/serve.js', [
      '--model',
      'uring',
      '--upstream',
      String(upstream.ready.port),
    ]);
    const waiting = await open(server.ready.port);
    waiting.send(request(1, { waitMs: 60_000 }));
    const slow = await open(server.ready.port);
    slow.socket.pause();
    const block = request(1, { payload: Buffer.alloc(1024 * 1024) });
    slow.send(Buffer.concat(Array.from({ length: 20 }, () => block)));
    const other = await open(server.ready.port);
    for (let i = 0; i < 20; i++) expect((await other.ask(request(i, { waitMs: 1 }))).id).toBe(i);
    process.kill(server.ready.pid, 'SIGTERM');
    await waiting.over();
    expect(await server.exit).toEqual({ code: 0, signal: null });
  });
});
