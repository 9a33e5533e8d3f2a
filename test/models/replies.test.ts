// Every model answers the same recorded bytes with the same bytes, stamps aside: good frames, cut ones and wrong ones.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RunningModel } from '../../src/models/model.js';
import { models } from '../../src/models/models.js';
import { STATUS_REASONS } from '../../src/workload/frames.js';
import { Client, fields, request, type Reply } from './client.js';
import { ServerProcess } from './process.js';
import { startModel } from './start.js';

const MIB = 1024 * 1024;
const text = (value: string): Buffer => Buffer.from(value);
const pattern = (length: number): Buffer =>
  Buffer.alloc(length, 'underloop, all bytes: \0\r\n\xff', 'latin1');

interface Exchange {
  name: string;
  /** Sent one after another, each once the former has left. */
  send: Buffer[];
  /** The client ends its half after it. */
  end?: boolean;
  /** [id, status, payload]; of requests that overlap, loops may answer the quicker first. */
  replies: [number, number, Buffer][];
  /** The server closes. */
  closes?: boolean;
}

const refused = (id: number, status: number): [number, number, Buffer] => [
  id,
  status,
  text(STATUS_REASONS[status]!),
];

const recorded: Exchange[] = [
  { name: 'an echo', send: [request(1, { payload: text('hello') })], replies: [[1, 0, text('hello')]] },
  { name: 'no payload', send: [request(0xffffffff)], replies: [[0xffffffff, 0, text('')]] },
  { name: 'a page', send: [request(2, { payload: pattern(4096) })], replies: [[2, 0, pattern(4096)]] },
  {
    name: 'a payload beyond one read',
    send: [request(3, { payload: pattern(200_001) })],
    replies: [[3, 0, pattern(200_001)]],
  },
  {
    name: 'the longest payload',
    send: [request(4, { payload: pattern(MIB) })],
    replies: [[4, 0, pattern(MIB)]],
  },
  {
    name: 'many in one piece',
    send: [Buffer.concat(Array.from({ length: 300 }, (_, i) => request(i, { payload: pattern(i) })))],
    replies: Array.from({ length: 300 }, (_, i) => [i, 0, pattern(i)]),
  },
  {
    name: 'large and small by turns',
    send: [
      Buffer.concat(
        Array.from({ length: 12 }, (_, i) => request(i, { payload: pattern(i % 2 ? 5 : 90_000) })),
      ),
    ],
    replies: Array.from({ length: 12 }, (_, i) => [i, 0, pattern(i % 2 ? 5 : 90_000)]),
  },
  {
    name: 'byte by byte',
    send: [...Buffer.concat([request(5, { payload: text('slow') }), request(6)])].map((byte) =>
      Buffer.from([byte]),
    ),
    replies: [
      [5, 0, text('slow')],
      [6, 0, text('')],
    ],
  },
  {
    name: 'one and a half, then the rest',
    send: [
      Buffer.concat([request(7), request(8, { payload: pattern(9000) }).subarray(0, 4500)]),
      request(8, { payload: pattern(9000) }).subarray(4500),
    ],
    replies: [
      [7, 0, text('')],
      [8, 0, pattern(9000)],
    ],
  },
  { name: 'work', send: [request(9, { cpuUs: 1500, payload: text('w') })], replies: [[9, 0, text('w')]] },
  { name: 'a wait', send: [request(10, { waitMs: 5, payload: text('z') })], replies: [[10, 0, text('z')]] },
  { name: 'work and wait', send: [request(11, { cpuUs: 301, waitMs: 3 })], replies: [[11, 0, text('')]] },
  {
    name: 'waits that overlap',
    send: [
      Buffer.concat([30, 1, 15, 0].map((waitMs, i) => request(i, { waitMs, payload: pattern(i * 100) }))),
    ],
    replies: [0, 1, 2, 3].map((i) => [i, 0, pattern(i * 100)]),
  },
  {
    name: 'a client that ends its half still gets its replies',
    send: [Buffer.concat([request(12, { waitMs: 5 }), request(13, { payload: text('last') })])],
    end: true,
    replies: [
      [12, 0, text('')],
      [13, 0, text('last')],
    ],
    closes: true,
  },
  { name: 'a client that says nothing and ends', send: [], end: true, replies: [], closes: true },

  { name: 'a length of nothing', send: [fields(0)], replies: [refused(0, 1)], closes: true },
  { name: 'a length too small for an id', send: [fields(3, 77)], replies: [refused(0, 1)], closes: true },
  {
    name: 'a length that leaves only the id',
    send: [fields(4, 77)],
    replies: [refused(77, 1)],
    closes: true,
  },
  {
    name: 'a length one short of the header',
    send: [fields(11, 77, 0, 0)],
    replies: [refused(77, 1)],
    closes: true,
  },
  {
    name: 'a payload one byte too long',
    send: [fields(12 + MIB + 1, 77)],
    replies: [refused(77, 2)],
    closes: true,
  },
  {
    name: 'the longest length there is',
    send: [fields(0xffffffff, 77, 0, 0)],
    replies: [refused(77, 2)],
    closes: true,
  },
  {
    name: 'too much work',
    send: [request(77, { cpuUs: 60_000_001 })],
    replies: [refused(77, 3)],
    closes: true,
  },
  {
    name: 'too long a wait',
    send: [request(77, { waitMs: 600_001 })],
    replies: [refused(77, 4)],
    closes: true,
  },
  {
    name: 'all of it',
    send: [fields(12, 77, 0xffffffff, 0xffffffff)],
    replies: [refused(77, 3)],
    closes: true,
  },
  {
    name: 'a bad frame byte by byte',
    send: [...fields(11, 78)].map((byte) => Buffer.from([byte])),
    replies: [refused(78, 1)],
    closes: true,
  },
  {
    name: 'a bad frame behind good ones: those are answered, and what follows it is not',
    send: [
      Buffer.concat([
        request(1, { payload: text('a') }),
        request(2, { waitMs: 10 }),
        fields(11, 77, 0, 0),
        request(3),
      ]),
    ],
    replies: [[1, 0, text('a')], [2, 0, text('')], refused(77, 1)],
    closes: true,
  },
  {
    // close() with unread bytes would send a reset, which overtakes the reply.
    name: 'a bad frame and three MiB behind it',
    send: [Buffer.concat([fields(3), Buffer.alloc(3 * MIB)])],
    end: true,
    replies: [refused(0, 1)],
    closes: true,
  },
  {
    name: 'an end within a length',
    send: [fields(12).subarray(0, 2)],
    end: true,
    replies: [refused(0, 1)],
    closes: true,
  },
  {
    name: 'an end within a header',
    send: [request(79).subarray(0, 11)],
    end: true,
    replies: [refused(79, 1)],
    closes: true,
  },
  {
    name: 'an end within a payload, behind a wait',
    send: [
      Buffer.concat([request(1, { waitMs: 8 }), request(80, { payload: pattern(9000) }).subarray(0, 5000)]),
    ],
    end: true,
    replies: [[1, 0, text('')], refused(80, 1)],
    closes: true,
  },
];

/** What the reply must be, byte for byte, stamps blanked. Written here without the codec that is tested. */
function expected([id, status, payload]: [number, number, Buffer]): Buffer {
  return Buffer.concat([fields(60 + payload.length, id, status), Buffer.alloc(52), payload]);
}

/** Loops answer in the order of completion; a refusal is the last of all, always. */
function inOrder(replies: readonly Reply[]): Buffer[] {
  const good = replies.filter(({ status }) => status === 0).sort((a, b) => a.id - b.id);
  expect(replies.slice(good.length).every(({ status }) => status !== 0)).toBe(true);
  return [...good, ...replies.slice(good.length)].map(({ blanked }) => blanked);
}

async function play(port: number, exchange: Exchange): Promise<Buffer[]> {
  const client = await Client.open(port);
  try {
    for (const bytes of exchange.send) {
      await new Promise((resolve) => client.socket.write(bytes, resolve));
    }
    if (exchange.end === true) client.end();
    if (exchange.closes === true) await client.over();
    else await client.answers(exchange.replies.length);
    if (exchange.closes !== true) {
      // The connection is still good.
      expect((await client.ask(request(4242))).id).toBe(4242);
      client.replies.pop();
    }
    expect(client.error).toBeNull();
    return inOrder(client.replies);
  } finally {
    client.close();
  }
}

let upstream: ServerProcess;
beforeAll(async () => {
  upstream = await ServerProcess.start('workload/upstream.js');
});
afterAll(() => upstream.end());

describe.each(models.map((model) => [model.name, model] as const))('%s', (_, model) => {
  const reason = model.unavailable();
  let running: RunningModel;

  // One server for all exchanges: some start processes and threads, and none may remember what others have sent.
  beforeAll(async () => {
    if (reason !== null) return;
    const workload = { upstreamPort: upstream.ready.port, requestsPerConnection: 0 };
    running = await startModel(model, workload, { threads: 2 });
  });
  beforeEach((context) => {
    if (reason !== null) context.skip(reason);
  });
  afterAll(() => running?.stop());

  it.each(recorded.map((one) => [one.name, one] as const))(
    'answers as all others do: %s',
    async (_, exchange) => {
      const before = await running.counters();
      const got = await play(running.address.port, exchange);
      expect(got.map((bytes) => bytes.length)).toEqual(
        exchange.replies.map((reply) => expected(reply).length),
      );
      got.forEach((bytes, i) => expect(bytes.equals(expected(exchange.replies[i]!))).toBe(true));

      const { errors, served } = await running.counters();
      const bad = exchange.replies.filter(([, status]) => status !== 0).length;
      expect(errors - before.errors).toBe(bad);
      expect(served - before.served).toBe(exchange.replies.length - bad + (exchange.closes === true ? 0 : 1));
      // Whatever came, the server lives.
      const next = await Client.open(running.address.port);
      expect((await next.ask(request(1, { payload: text('alive') }))).payload.toString()).toBe('alive');
      next.close();
    },
  );

  it('stamps a request with clocks that agree with what it asked for', async () => {
    const client = await Client.open(running.address.port);
    const { thread, receivedNs, waitStartedNs, waitEndedNs, sentNs, cpuNs } = await client.ask(
      request(1, { cpuUs: 4001, waitMs: 20 }),
    );
    expect(thread).toBeGreaterThan(0);
    expect(receivedNs).toBeGreaterThan(0);
    expect(waitStartedNs - receivedNs).toBeGreaterThanOrEqual(2_000_000); // half of the work is before the wait
    expect(waitEndedNs - waitStartedNs).toBeGreaterThanOrEqual(20_000_000);
    expect(sentNs - waitEndedNs).toBeGreaterThanOrEqual(2_000_000);
    expect(cpuNs).toBeGreaterThanOrEqual(4_001_000);
    expect(cpuNs).toBeLessThanOrEqual(sentNs - receivedNs);
    // One clock for all processes: what was received lies behind us, in this boot.
    expect(sentNs).toBeLessThanOrEqual(Number(process.hrtime.bigint()));

    const plain = await client.ask(request(2));
    expect([plain.waitStartedNs, plain.waitEndedNs, plain.cpuNs, plain.runDelayNs]).toEqual([0, 0, 0, 0]);
    expect(plain.sentNs).toBeGreaterThanOrEqual(plain.receivedNs);
    client.close();
  });

  it('ends a connection after as many requests as it is told to', async () => {
    await running.stop();
    running = await startModel(
      model,
      { upstreamPort: upstream.ready.port, requestsPerConnection: 2 },
      { threads: 2 },
    );
    for (let round = 0; round < 3; round++) {
      const client = await Client.open(running.address.port);
      client.send(Buffer.concat([request(1, { waitMs: 10 }), request(2), request(3), request(4)]));
      const ids = (await client.over()).map(({ id }) => id).sort();
      expect(ids).toEqual([1, 2]);
      expect(client.error).toBeNull();
      client.close();
    }
    expect(await running.counters()).toMatchObject({ accepted: 3, served: 6, errors: 0, refused: 0 });
  });
});
