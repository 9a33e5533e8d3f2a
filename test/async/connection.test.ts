// Sockets to await: what is read is what was written, buffers keep their bounds, and no wait is left hanging.

import fc from 'fast-check';
import { connect as nodeConnect } from 'node:net';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { connect, gather, listen, sleep, timeout, type AsyncConnection } from '../../src/async/index.js';
import { Reactor, type UnixAddress } from '../../src/index.js';
import { ScriptedKernel } from '../../src/testing.js';
import { pattern } from '../net/world.js';
import { codeOf, errorOf, kernels, runClean, world } from './tools.js';

const folder = mkdtempSync(join(tmpdir(), 'underloop-async-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A connected pair. */
async function pair(reactor: Reactor, options = {}): Promise<[AsyncConnection, AsyncConnection]> {
  await using listener = listen(reactor, options);
  const [client, server] = await gather([
    () => connect(reactor, { ...options, port: listener.address.port }),
    () => listener.accept(),
  ]);
  return [client, server!];
}

using probe = new Reactor();
const triggers = probe.poller.capabilities.edge ? (['level', 'edge'] as const) : (['level'] as const);
const modes = kernels.flatMap((kernel) => triggers.map((trigger) => [kernel, trigger] as const));

describe.each(modes)('a connection (%s, %s)', (kernel, trigger) => {
  /** Runs `test` with a connected pair, and closes it. */
  async function withPair(
    test: (client: AsyncConnection, server: AsyncConnection, reactor: Reactor) => Promise<void>,
    options = {},
  ): Promise<void> {
    const { reactor, errors } = world(kernel);
    await runClean(reactor, async () => {
      const [client, server] = await pair(reactor, { trigger, ...options });
      await using _client = client;
      await using _server = server;
      await test(client, server, reactor);
    });
    expect(errors).toEqual([]);
  }

  test('a Unix socket: its addresses are paths, and bytes go both ways', async () => {
    const { reactor, errors } = world(kernel);
    const path = join(folder, `${kernel}-${trigger}.sock`);
    await runClean(reactor, async () => {
      await using listener = listen(reactor, { path, trigger });
      const address: UnixAddress = listener.address;
      expect(address).toEqual({ family: 'unix', path });
      const [client, server] = await gather([
        () => connect(reactor, { path, trigger }),
        () => listener.accept(),
      ]);
      await using _client = client;
      await using _server = server!;
      expect(client.peerAddress).toEqual(address);
      await client.write('there');
      expect(String(await server!.readExactly(5))).toBe('there');
      await server!.write('and back');
      expect(String(await client.readExactly(8))).toBe('and back');
    });
    expect(reactor.kernel.socketFile(path)).toBeLessThan(0); // the listener has taken its file along
    expect(errors).toEqual([]);
  });

  test('chunks come until the peer ends, and nothing is lost or changed', () =>
    withPair(async (client, server) => {
      const bytes = pattern(1_000_000);
      const [received] = await gather([
        async () => {
          const chunks: Buffer[] = [];
          for await (const chunk of server) chunks.push(chunk);
          return Buffer.concat(chunks);
        },
        async () => {
          await client.write(bytes);
          await client.end();
        },
      ]);
      expect(received.equals(bytes)).toBe(true);
      expect(await server.read()).toBe(null);
    }));

  test('a writer waits for a peer that does not read, and neither side holds more than its bound', () =>
    withPair(
      async (client, server, reactor) => {
        let written = 0;
        const writing = (async () => {
          for (let i = 0; i < 200; i++, written++) await client.write(pattern(100_000));
          await client.end();
        })();
        // Until nothing moves any more.
        for (let before = -1; before !== written;) {
          before = written;
          await sleep(reactor, 20);
        }
        expect(written).toBeLessThan(200);
        expect(server.bufferedBytes).toBeLessThanOrEqual(4096 + 65_536);
        expect(client.queuedBytes).toBeLessThanOrEqual(100_000);
        let received = 0;
        for await (const chunk of server) {
          received += chunk.length;
          expect(server.bufferedBytes).toBeLessThanOrEqual(4096 + 65_536);
        }
        await writing;
        expect(received).toBe(20_000_000);
      },
      { readQueueBytesMax: 4096 },
    ));

  test('several writers at once: each one’s bytes stay together, in the order of the calls', () =>
    withPair(async (client, server) => {
      const sizes = [5, 3_000_000, 1, 70_000, 200_000];
      const writing = Promise.all(sizes.map((size, i) => client.write(Buffer.alloc(size, i))));
      for (const [i, size] of sizes.entries()) {
        expect((await server.readExactly(size)).equals(Buffer.alloc(size, i))).toBe(true);
      }
      await writing;
      expect(client.queuedBytes).toBe(0);
    }));

  test('a peer that ends too early: ERR_END_OF_DATA, and what had come can still be read', () =>
    withPair(async (client, server) => {
      await client.write('abc');
      await client.end();
      const error = await errorOf(server.readExactly(10));
      expect(error).toMatchObject({
        code: 'ERR_END_OF_DATA',
        message: 'the peer ended after 3 bytes, of 10 bytes',
      });
      expect(await codeOf(server.readUntil('\n'))).toBe('ERR_END_OF_DATA');
      expect(String(await server.read())).toBe('abc');
      expect(await server.read()).toBe(null);
    }));

  test('a line longer than its bound is refused as soon as that is certain, and not before', () =>
    withPair(async (client, server) => {
      await client.write('12345\r\n');
      expect(String(await server.readUntil('\r\n', { maxBytes: 5 }))).toBe('12345');
      await client.write('123456\r\n');
      expect(await codeOf(server.readUntil('\r\n', { maxBytes: 5 }))).toBe('ERR_TOO_LONG');
      expect(String(await server.readUntil('\r\n', { maxBytes: 6 }))).toBe('123456');
      // No delimiter at all: the bound ends it, and memory with it.
      const flooding = client.write(Buffer.alloc(30_000_000));
      expect(await codeOf(server.readUntil('\n', { maxBytes: 200_000 }))).toBe('ERR_TOO_LONG');
      expect(server.bufferedBytes).toBeLessThanOrEqual(200_001 + 65_536);
      server.reset();
      expect(await codeOf(flooding)).toMatch(/^(ECONNRESET|EPIPE)$/);
    }));

  test('a delimiter that comes in pieces is found', () =>
    withPair(async (client, server, reactor) => {
      const reading = server.readUntil('\r\n--\r\n');
      for (const piece of ['one\r', '\n-', '-', '\r', '\ntwo']) {
        await client.write(piece);
        await sleep(reactor, 2);
      }
      expect(String(await reading)).toBe('one');
      expect(String(await server.read())).toBe('two');
    }));

  test('an aborted read loses no bytes, and the next one may begin', () =>
    withPair(async (client, server, reactor) => {
      const late = timeout(reactor, 1, (signal) => server.readExactly(4, { signal }));
      await client.write('ab');
      expect(await codeOf(late)).toBe('ERR_TIMEOUT');
      await client.write('cd');
      expect(String(await server.readExactly(4))).toBe('abcd');
    }));

  test('two reads at once: the second is refused', () =>
    withPair(async (client, server) => {
      const reading = server.read();
      expect(await codeOf(server.readExactly(1))).toBe('ERR_BUSY');
      await client.write('x');
      expect(String(await reading)).toBe('x');
    }));

  test('a write aborted half-way resets; one that had not begun is only taken back', () =>
    withPair(async (client, server) => {
      const [halfway, notBegun] = [new AbortController(), new AbortController()];
      const first = codeOf(client.write(Buffer.alloc(30_000_000), halfway));
      const second = codeOf(client.write('second', notBegun));
      notBegun.abort();
      expect([await second, client.closed]).toEqual(['ERR_ABORTED', false]);
      halfway.abort();
      expect([await first, client.closed]).toEqual(['ERR_ABORTED', true]);
      const reading = (async () => {
        for await (const chunk of server) expect(chunk.every((byte) => byte === 0)).toBe(true);
      })();
      expect(await codeOf(reading)).toBe('ECONNRESET');
    }));

  test('a writer hears of a reset although nobody reads what the peer had sent before', () =>
    withPair(async (client, server) => {
      const flooding = client.write(Buffer.alloc(1_000_000)).catch(() => undefined);
      const writing = codeOf(server.write(Buffer.alloc(30_000_000)));
      client.reset();
      // While the server reads into its bound, its sends fail.
      expect(await writing).toMatch(/^(ECONNRESET|EPIPE)$/);
      await flooding;
    }));

  test('closing settles what waits, on both sides', () =>
    withPair(async (client, server) => {
      const reading = codeOf(client.read());
      const peer = server.read();
      const writing = codeOf(client.write(Buffer.alloc(30_000_000)));
      client.close();
      expect([await reading, await writing]).toEqual(['ERR_CLOSED', 'ERR_CLOSED']);
      await peer.catch(() => null);
      expect(await codeOf(client.write('x'))).toBe('ERR_CLOSED');
      expect(await codeOf(client.read())).toBe('ERR_CLOSED');
      await client.ended();
    }));

  test('a reset: bytes that had come before are read first, then the error', () =>
    withPair(async (client, server, reactor) => {
      const reading = server.readExactly(3);
      await client.write('abc');
      expect(String(await reading)).toBe('abc');
      client.reset();
      expect(await codeOf(server.read())).toBe('ECONNRESET');
      await sleep(reactor, 0);
      expect(await codeOf(server.write('x'))).toBe('ECONNRESET');
    }));

  test('a signal given to connect() ends the connection later, too', async () => {
    const { reactor } = world(kernel);
    await runClean(reactor, async () => {
      await using listener = listen(reactor);
      const abort = new AbortController();
      const client = await connect(reactor, { port: listener.address.port, signal: abort.signal });
      const server = (await listener.accept())!;
      const reading = codeOf(client.read());
      abort.abort();
      expect(await reading).toBe('ERR_ABORTED');
      await client.ended();
      expect(await server.read()).toBe(null);
      await server[Symbol.asyncDispose]();
      expect(await codeOf(connect(reactor, { port: 1, signal: abort.signal }))).toBe('ERR_ABORTED');
    });
  });

  test('a refused connect rejects with the system’s error', async () => {
    const { reactor } = world(kernel);
    const listener = listen(reactor);
    const { port } = listener.address;
    listener.close();
    await runClean(reactor, async () => {
      expect(await errorOf(connect(reactor, { port }))).toMatchObject({
        code: 'ECONNREFUSED',
        syscall: 'connect',
        port,
      });
    });
  });
});

test('whatever pieces bytes arrive in, and however they are asked for, the same bytes come out', async () => {
  const pieces = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 12 });
  const asks = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant('exactly' as const), count: fc.integer({ min: 0, max: 4000 }) }),
      fc.record({ kind: fc.constant('until' as const), length: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ kind: fc.constant('any' as const) }),
    ),
    { maxLength: 12 },
  );
  await fc.assert(
    fc.asyncProperty(pieces, asks, async (lengths, all) => {
      const { reactor } = world('scripted');
      // Few different values, so that delimiters are found, and broken apart by pieces.
      const bytes = Buffer.from(pattern(lengths.reduce((a, b) => a + b, 0)).map((byte) => byte % 3));
      await runClean(reactor, async () => {
        const [client, server] = await pair(reactor);
        const sending = (async () => {
          let sent = 0;
          for (const length of lengths) {
            await client.write(bytes.subarray(sent, sent + length));
            sent += length;
            await sleep(reactor, 1);
          }
          await client.end();
        })();
        let at = 0;
        for (const ask of all) {
          if (ask.kind === 'exactly') {
            const got = await server.readExactly(ask.count).catch(() => null);
            if (at + ask.count > bytes.length) expect(got).toBe(null);
            else expect(got).toEqual(bytes.subarray(at, (at += ask.count)));
          } else if (ask.kind === 'until') {
            const mark = Buffer.alloc(ask.length, 1);
            const expected = bytes.indexOf(mark, at);
            const got = await server.readUntil(mark, { maxBytes: 100_000 }).catch(() => null);
            if (expected < 0) expect(got).toBe(null);
            else {
              expect(got).toEqual(bytes.subarray(at, expected));
              at = expected + mark.length;
            }
          } else {
            const got = await server.read();
            if (got === null) expect(at).toBe(bytes.length);
            else expect(got).toEqual(bytes.subarray(at, (at += got.length)));
          }
        }
        for await (const chunk of server) expect(chunk).toEqual(bytes.subarray(at, (at += chunk.length)));
        expect(at).toBe(bytes.length);
        await sending;
        await client[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      });
    }),
    { numRuns: 60 },
  );
});

test('a read between a failure and its close event tells the failure', async () => {
  const { reactor, kernel } = world('scripted');
  await runClean(reactor, async () => {
    const [client, server] = await pair(reactor, { trigger: 'edge', readQueueBytesMax: 1_000_000 });
    // A full read, so that the same readiness reads on; then the error, in the same item.
    kernel.script('recv', null, () => undefined, -constants.errno.ECONNRESET);
    const reading = (async () => {
      expect((await server.read())?.length).toBe(65_536);
      const reason = codeOf(server.read());
      return [await codeOf(server.write('x')), await reason];
    })();
    await client.write(Buffer.alloc(65_536));
    expect(await reading).toEqual(['ECONNRESET', 'ECONNRESET']);
    for (const connection of [client, server]) await connection[Symbol.asyncDispose]();
  });
});

test.each([1, 50_000])(
  'a loop of writes of %i bytes to a peer that takes all lets others have their turns',
  async (size) => {
    const { reactor } = world('scripted', new ScriptedKernel({ socketBufferBytes: 2 ** 30 }));
    await runClean(reactor, async () => {
      const [client, server] = await pair(reactor);
      let written = 0;
      const longest: number[] = [];
      const writing = (async () => {
        for (; written < 4000; written++) await client.write(Buffer.alloc(size));
      })();
      while (written < 4000) {
        const before = written;
        await new Promise<void>((resolve) => reactor.post(resolve));
        longest.push(written - before);
      }
      await writing;
      expect(Math.max(...longest)).toBeLessThanOrEqual((2 * 1024 * 1024) / Math.max(size, 4096));
      for (const connection of [client, server]) await connection[Symbol.asyncDispose]();
    });
  },
);

test('a client of Node’s own is served', async () => {
  const { reactor } = world('native');
  await runClean(reactor, async () => {
    await using listener = listen(reactor);
    const client = nodeConnect(listener.address.port, '127.0.0.1');
    await using server = (await listener.accept())!;
    client.write('ping\n');
    expect(String(await server.readUntil('\n'))).toBe('ping');
    await server.write('pong');
    await server.end();
    const [answer] = await once(client, 'data');
    expect(String(answer)).toBe('pong');
    client.end();
    await once(client, 'close');
  });
});
