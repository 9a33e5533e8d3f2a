// Accept loops: bounded, in order, and no peer harms another.

import { describe, expect, test } from 'vitest';
import { connect, gather, listen, serve, sleep, type AsyncConnection } from '../../src/async/index.js';
import { codeOf, kernels, runClean, world } from './tools.js';

/** What a client gets for `text`, until the server ends. */
async function ask(reactor: Parameters<typeof connect>[0], port: number, text: string): Promise<string> {
  await using client = await connect(reactor, { port });
  await client.write(text);
  await client.end();
  const chunks: Buffer[] = [];
  for await (const chunk of client) chunks.push(chunk);
  return String(Buffer.concat(chunks));
}

describe.each(kernels)('a listener (%s)', (kernel) => {
  test('gives connections in the order in which they came; closing it ends the loop', async () => {
    const { reactor } = world(kernel);
    await runClean(reactor, async () => {
      const listener = listen(reactor);
      const clients: AsyncConnection[] = [];
      for (let i = 0; i < 5; i++) clients.push(await connect(reactor, { port: listener.address.port }));
      const ports = clients.map((client) => client.localAddress?.port);
      const seen: unknown[] = [];
      for await (const connection of listener) {
        seen.push(connection.peerAddress?.port);
        connection.close();
        if (seen.length === 5) listener.close();
      }
      expect(seen).toEqual(ports);
      expect(await listener.accept()).toBe(null);
      for (const client of clients) await client[Symbol.asyncDispose]();
    });
  });

  test('takes no more than its queue holds; the rest waits in the kernel and comes later', async () => {
    const { reactor } = world(kernel);
    await runClean(reactor, async () => {
      await using listener = listen(reactor, { acceptQueueMax: 3 });
      const clients: AsyncConnection[] = [];
      for (let i = 0; i < 10; i++) clients.push(await connect(reactor, { port: listener.address.port }));
      await sleep(reactor, 5);
      expect([listener.queued, listener.raw.accepted]).toEqual([3, 3]);
      for (let i = 0; i < 10; i++) {
        const connection = (await listener.accept())!;
        expect(listener.queued).toBeLessThanOrEqual(3);
        connection.close();
      }
      for (const client of clients) await client[Symbol.asyncDispose]();
    });
  });

  test('an aborted accept takes no connection away from the next one', async () => {
    const { reactor } = world(kernel);
    await runClean(reactor, async () => {
      await using listener = listen(reactor);
      const abort = new AbortController();
      const aborted = codeOf(listener.accept(abort));
      const waiting = listener.accept();
      abort.abort();
      expect(await aborted).toBe('ERR_ABORTED');
      await using client = await connect(reactor, { port: listener.address.port });
      await using server = (await waiting)!;
      expect(server.peerAddress?.port).toBe(client.localAddress?.port);
    });
  });
});

describe.each(kernels)('serve (%s)', (kernel) => {
  test('runs a bounded number of handlers at once, and serves all', async () => {
    const { reactor, errors } = world(kernel);
    let running = 0;
    let most = 0;
    await runClean(reactor, async () => {
      const listener = listen(reactor);
      const { port } = listener.address;
      const serving = serve(
        listener,
        async (connection) => {
          most = Math.max(most, ++running);
          await sleep(reactor, 1);
          for await (const chunk of connection) await connection.write(chunk);
          running--;
        },
        { concurrentMax: 3 },
      );
      const words = Array.from({ length: 20 }, (_, i) => `word ${String(i)}`);
      expect(await gather(words.map((word) => () => ask(reactor, port, word)))).toEqual(words);
      listener.close();
      await serving;
    });
    expect([most, running, errors]).toEqual([3, 0, []]);
  });

  test('a handler that throws resets its own connection only; the program’s own mistakes are told', async () => {
    const { reactor, errors } = world(kernel);
    await runClean(reactor, async () => {
      const listener = listen(reactor);
      const { port } = listener.address;
      const serving = serve(listener, async (connection) => {
        const line = String(await connection.readUntil('\n', { maxBytes: 10 }));
        if (line === 'bad') throw new Error('a mistake');
        await connection.write(line);
      });
      const outcomes = await gather([
        () => ask(reactor, port, 'good\n'),
        () => codeOf(ask(reactor, port, 'bad\n')),
        () => codeOf(ask(reactor, port, 'far too long for a line\n')),
        () => codeOf(ask(reactor, port, 'no end')),
        () => sleep(reactor, 3).then(() => ask(reactor, port, 'also good\n')),
      ]);
      expect(outcomes).toEqual(['good', 'ECONNRESET', 'ECONNRESET', 'ECONNRESET', 'also good']);
      listener.close();
      await serving;
    });
    expect(errors).toEqual([new Error('a mistake')]);
  });

  test('an answer is not lost to bytes that the handler left unread', async () => {
    const { reactor } = world(kernel);
    await runClean(reactor, async () => {
      const listener = listen(reactor);
      const serving = serve(listener, async (connection) => {
        await connection.readExactly(1);
        await connection.write('enough');
      });
      expect(await ask(reactor, listener.address.port, 'x'.repeat(1_000_000))).toBe('enough');
      listener.close();
      await serving;
    });
  });

  test('a peer that never ends its half holds its place no longer than lingerMs', async () => {
    const { reactor } = world(kernel);
    await runClean(reactor, async () => {
      const listener = listen(reactor);
      const serving = serve(listener, () => undefined, { lingerMs: 5, concurrentMax: 1 });
      await using silent = await connect(reactor, { port: listener.address.port });
      expect(await silent.read()).toBe(null);
      // It did not end. The next one is served all the same.
      expect(await ask(reactor, listener.address.port, '')).toBe('');
      listener.close();
      await serving;
    });
  });

  test('aborting it ends the handlers, their connections and the listener, and waits for all', async () => {
    const { reactor, errors } = world(kernel);
    const abort = new AbortController();
    const log: unknown[] = [];
    await runClean(reactor, async () => {
      const listener = listen(reactor);
      const serving = serve(
        listener,
        async (connection) => {
          try {
            await connection.read();
          } catch (error) {
            log.push((error as { code: unknown }).code);
            await sleep(reactor, 3);
            log.push('cleaned up');
            throw error;
          }
        },
        abort,
      );
      const client = await connect(reactor, { port: listener.address.port });
      await sleep(reactor, 1);
      abort.abort();
      await serving;
      log.push('served');
      expect([listener.closed, log]).toEqual([true, ['ERR_ABORTED', 'cleaned up', 'served']]);
      await client[Symbol.asyncDispose]();
    });
    expect(errors).toEqual([]);
  });
});
