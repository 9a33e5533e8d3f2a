// An upstream that refuses, dies or comes back: requests that wait on it get status 5, and every server lives.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunningModel } from '../../src/models/model.js';
import { models } from '../../src/models/models.js';
import { STATUS_REASONS } from '../../src/workload/frames.js';
import { Client, request } from './client.js';
import { startModel } from './start.js';
import { HeldUpstream } from './upstream.js';

describe.each(models.map((model) => [model.name, model] as const))('%s', (_, model) => {
  const reason = model.unavailable();
  let upstream: HeldUpstream;
  let running: RunningModel;
  let client: Client;

  beforeEach(async (context) => {
    if (reason !== null) context.skip(reason);
    upstream = await HeldUpstream.open();
    running = await startModel(
      model,
      { upstreamPort: upstream.port, requestsPerConnection: 0 },
      { threads: 4 },
    );
    client = await Client.open(running.address.port);
  });
  afterEach(async () => {
    if (reason !== null) return;
    client.close();
    await running.stop();
    await upstream.die();
  });

  const failed = { status: 5, payload: Buffer.from(STATUS_REASONS[5]!) };

  it('dying under a request that waits gives status 5, and the connection goes on', async () => {
    client.send(request(1, { waitMs: 60_000, payload: Buffer.from('kept') }));
    await upstream.untilAsked(1);
    await upstream.die();
    const [reply] = await client.answers(1);
    expect(reply).toMatchObject({ id: 1, ...failed });
    expect(reply!.waitEndedNs).toBeGreaterThan(reply!.waitStartedNs);
    expect(await client.ask(request(2, { payload: Buffer.from('ok') }))).toMatchObject({ id: 2, status: 0 });
    // Nobody listens there now.
    expect(await client.ask(request(3, { waitMs: 1 }))).toMatchObject({ id: 3, ...failed });
    expect(await running.counters()).toMatchObject({ served: 1, errors: 2, connections: 1 });
  });

  it('that comes back is used again', async () => {
    const { port } = upstream;
    const first = client.ask(request(1, { waitMs: 1 }));
    await upstream.untilAsked(1);
    upstream.answer();
    expect((await first).status).toBe(0);
    await upstream.die();
    upstream = await HeldUpstream.open(port);
    const second = client.ask(request(2, { waitMs: 1 }));
    await upstream.untilAsked(1);
    upstream.answer();
    expect(await second).toMatchObject({ id: 2, status: 0 });
  });

  it('that answers something else is no upstream', async () => {
    client.send(request(1, { waitMs: 1000 }));
    await upstream.untilAsked(1);
    const { socket } = upstream.asked[0]!;
    // A blocking thread asks a broken connection that is new only once.
    socket.write(Buffer.alloc(8, 0xff));
    expect((await client.answers(1))[0]).toMatchObject({ id: 1, ...failed });
    expect((await client.ask(request(2))).status).toBe(0);
  });

  it('a client that leaves while its request waits harms nobody', async () => {
    client.send(request(1, { waitMs: 1000 }));
    await upstream.untilAsked(1);
    client.close();
    upstream.answer();
    client = await Client.open(running.address.port);
    expect((await client.ask(request(2))).status).toBe(0);
  });
});

describe('with no upstream at all', () => {
  it.each(models.map((model) => [model.name, model] as const))(
    '%s answers with status 5',
    async (_, model) => {
      if (model.unavailable() !== null) return;
      const running = await startModel(model, { upstreamPort: 0, requestsPerConnection: 0 });
      const client = await Client.open(running.address.port);
      expect((await client.ask(request(1, { waitMs: 1, cpuUs: 10 }))).status).toBe(5);
      client.close();
      await running.stop();
    },
  );
});
