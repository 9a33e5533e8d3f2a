// The blocking client: it blocks, it keeps its limits of time, and a worker that is terminated meanwhile leaves nothing.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connect, type BlockingConnection } from '../../src/blocking/index.js';
import { nativeKernel } from '../../src/index.js';
import { expectNoLeaks, pattern, realDescriptors } from '../net/world.js';
import { thrown } from '../reactor/fixture.js';

let peer: Worker;
let port = 0;
beforeAll(async () => {
  peer = new Worker(new URL('programs/peer.mjs', import.meta.url));
  [port] = (await once(peer, 'message')) as [number];
});
afterAll(() => peer.terminate());

const opened: BlockingConnection[] = [];
afterEach(() => {
  for (const connection of opened.splice(0)) connection.close();
});
function talkTo(behaviour: string, options: { timeoutMs?: number } = {}): BlockingConnection {
  const connection = connect({ port, ...options });
  opened.push(connection);
  connection.write(`${behaviour}\n`);
  return connection;
}

test('what is written comes back, however large', () => {
  const connection = talkTo('echo', { timeoutMs: 20_000 });
  for (const size of [1, 1000, 100_000]) {
    connection.write(pattern(size));
    expect(connection.readExactly(size).equals(pattern(size))).toBe(true);
  }
  connection.end();
  expect(connection.read(Buffer.alloc(10))).toBe(0);
});

test('read() gives what has come; readExactly() waits for all of it, and says when the peer ended before', () => {
  const connection = talkTo('pieces');
  const buffer = Buffer.alloc(100);
  expect(buffer.toString('utf8', 0, connection.read(buffer))).toBe('a');
  connection.write('go on');
  expect(String(connection.readExactly(3))).toBe('bcd');
  const error = thrown(() => connection.readExactly(3));
  expect(error).toMatchObject({ code: 'ERR_END_OF_DATA', message: 'the peer ended after 2 of 3 bytes' });
});

describe('limits of time', () => {
  test('a read ends with ERR_TIMEOUT, not early, and its thread did nothing else meanwhile', async () => {
    const connection = talkTo('silent', { timeoutMs: 60 });
    let ticked = false;
    const timer = setTimeout(() => (ticked = true), 1);
    const startedMs = performance.now();
    expect(thrown(() => connection.read(Buffer.alloc(1))).code).toBe('ERR_TIMEOUT');
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(60);
    expect(ticked).toBe(false);
    clearTimeout(timer);
  });

  test('the limit of readExactly() is one for all of its reads', () => {
    const connection = talkTo('drip', { timeoutMs: 12 });
    // Each byte comes within 12 ms; all of them would take two seconds.
    expect(thrown(() => connection.readExactly(400)).code).toBe('ERR_TIMEOUT');
  });

  test('a write to a peer that does not read ends with ERR_TIMEOUT', () => {
    const connection = talkTo('deaf', { timeoutMs: 30 });
    expect(thrown(() => connection.write(Buffer.alloc(50_000_000))).code).toBe('ERR_TIMEOUT');
  });

  test.runIf(process.platform === 'linux')(
    'a connect that nobody answers ends with ERR_CONNECT_TIMEOUT',
    async () => {
      const before = realDescriptors();
      const listener = nativeKernel.socket(4);
      nativeKernel.bind(listener, { family: 4, host: '127.0.0.1', port: 0 });
      nativeKernel.listen(listener, 0);
      const address = nativeKernel.localAddress(listener) as { port: number };
      const clients: BlockingConnection[] = [];
      // The queue of finished handshakes is soon full, and then the kernel drops what comes.
      const error = thrown(() => {
        for (let i = 0; i < 5; i++) clients.push(connect({ port: address.port, timeoutMs: 50 }));
      });
      expect(error).toMatchObject({ code: 'ERR_CONNECT_TIMEOUT' });
      for (const client of clients) client.close();
      nativeKernel.close(listener);
      await expectNoLeaks(before);
    },
  );
});

test('errors are the system’s, with address; a write to a reset connection raises no signal', () => {
  const listener = nativeKernel.socket(4);
  nativeKernel.bind(listener, { family: 4, host: '127.0.0.1', port: 0 });
  const { port: nobody } = nativeKernel.localAddress(listener) as { port: number };
  nativeKernel.close(listener);
  expect(thrown(() => connect({ port: nobody }))).toMatchObject({
    code: 'ECONNREFUSED',
    address: '127.0.0.1',
    port: nobody,
  });

  const connection = talkTo('reset');
  expect(thrown(() => connection.read(Buffer.alloc(1)))).toMatchObject({
    code: 'ECONNRESET',
    syscall: 'recv',
  });
  expect(thrown(() => connection.write('x')).code).toBe('EPIPE');
});

test('mistakes are refused before any system call', () => {
  const connection = talkTo('silent');
  for (const call of [
    () => connect({ port: 0 }),
    () => connect({ port: 1, timeoutMs: -1 }),
    () => connection.read('x' as never),
    () => connection.read(Buffer.alloc(0)),
    () => connection.write(7 as never),
    () => connection.readExactly(-1),
    () => (connection.timeoutMs = NaN),
  ]) {
    expect(thrown(call).code).toBe('ERR_ARGUMENT');
  }
  expect(thrown(() => connect({ host: 'localhost', port: 1 })).code).toBe('ERR_HOST_NAME');
  connection.close();
  connection.close();
  expect(connection.closed).toBe(true);
  expect(thrown(() => connection.read(Buffer.alloc(1))).code).toBe('ERR_CLOSED');
  expect(thrown(() => connection.write('x')).code).toBe('ERR_CLOSED');
});

describe('in a worker', () => {
  const client = new URL('../../dist/blocking/index.js', import.meta.url).href;
  test('a limit longer than the pauses in which a worker looks around is kept in full', async () => {
    const code = `
      import(${JSON.stringify(client)}).then(({ connect }) => {
        const connection = connect({ port: ${String(port)}, timeoutMs: 130 });
        connection.write('silent\\n');
        const startedMs = performance.now();
        let code;
        try {
          connection.read(Buffer.alloc(1));
        } catch (error) {
          code = error.code;
        }
        require('node:worker_threads').parentPort.postMessage([code, performance.now() - startedMs]);
      });`;
    const worker = new Worker(code, { eval: true });
    const [[outcome, ms]] = (await once(worker, 'message')) as [[string, number]];
    expect(outcome).toBe('ERR_TIMEOUT');
    expect(ms).toBeGreaterThanOrEqual(130);
    await worker.terminate();
  });

  test.each([
    ['in a read', 'connection.read(Buffer.alloc(1))', ''],
    ['in a read with a limit', 'connection.read(Buffer.alloc(1))', ', timeoutMs: 600_000'],
    ['in a write', 'connection.write(Buffer.alloc(50_000_000))', ''],
  ])('terminated %s it ends, and gives its descriptor back', async (_, call, options) => {
    const before = realDescriptors();
    const code = `
      import(${JSON.stringify(client)}).then(({ connect }) => {
        const connection = connect({ port: ${String(port)}${options} });
        connection.write('deaf\\n');
        require('node:worker_threads').parentPort.postMessage('blocking');
        ${call};
      });`;
    const worker = new Worker(code, { eval: true });
    expect(await once(worker, 'message')).toEqual(['blocking']);
    // It may not have got into the call yet. Either way it must end; a hang is the test's own limit of time.
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await worker.terminate()).toBe(1);
    peer.postMessage('close'); // its own ends are descriptors of this process as well
    await expectNoLeaks(before);
  });
});
