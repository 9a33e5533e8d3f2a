// The model `worker`: an engine that still starts serves nobody, and its start is not taken for the cost of a connection.

import { expect, test } from 'vitest';
import type { Counters } from '../../src/models/model.js';
import { worker } from '../../src/models/worker.js';
import { Client, request } from './client.js';

test('a connection is served from when its engine has started until it has ended', async () => {
  const running = await worker.start({ upstreamPort: 0, requestsPerConnection: 0 });
  const client = await Client.open(running.address.port);
  try {
    let counters: Counters;
    const look = async (): Promise<Counters> => (counters = await running.counters());
    const seen = new Set<number>();
    while ((await look()).serving === 0) {
      seen.add(counters!.connections);
      await new Promise(setImmediate);
    }
    expect(seen).toContain(1); // open, and an engine takes far longer to start than a look
    client.send(request(1));
    await client.answers(1);
    expect(await look()).toMatchObject({ connections: 1, serving: 1, served: 1, threads: 1 });

    client.close();
    while ((await look()).connections === 1) await new Promise(setImmediate);
    expect(counters!).toMatchObject({ connections: 0, serving: 0, served: 1 });
  } finally {
    client.close();
    await running.stop();
  }
});
