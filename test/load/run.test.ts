// Whole runs of the generator against a server in the same reactor, mostly on the scripted kernel: time is exact there.

import { afterEach, describe, expect, it } from 'vitest';
import { Reactor } from '../../src/index.js';
import type { LoadConfig } from '../../src/load/config.js';
import type { LoadProgress, LoadResult } from '../../src/load/result.js';
import { Histogram } from '../../src/load/histogram.js';
import { Random } from '../../src/load/random.js';
import { LoadRun, runLoad } from '../../src/load/run.js';
import { ScriptedKernel } from '../../src/testing.js';
import { FrameServer } from './frame-server.js';
import type { FrameRequest } from './frame-server.js';

const TOLERANCE = 0.01;
const opened: Reactor[] = [];
afterEach(() => {
  for (const reactor of opened.splice(0)) reactor.close();
});

type Answer = (server: FrameServer, request: FrameRequest) => void;
type Accept = ConstructorParameters<typeof FrameServer>[2];

/** A server and a reactor in virtual time. */
function scripted(
  answer?: Answer,
  accept?: Accept,
  gone?: (server: FrameServer) => void,
): { kernel: ScriptedKernel; reactor: Reactor; server: FrameServer } {
  const kernel = new ScriptedKernel({ fdLimit: 20_000 });
  const reactor = new Reactor({ kernel });
  opened.push(reactor);
  return { kernel, reactor, server: new FrameServer(reactor, answer, accept, gone) };
}

async function run(
  world: { reactor: Reactor; server: FrameServer },
  config: Omit<LoadConfig, 'port'>,
): Promise<LoadResult> {
  return runLoad({ port: world.server.port, ...config }, { reactor: world.reactor });
}

/** Answers after a delay that the test chooses. */
const after =
  (delayMs: (request: FrameRequest) => number): Answer =>
  (server, request) =>
    void server.reactor.setTimer(delayMs(request), () => server.reply(request));

const within = (value: number, known: number, part = TOLERANCE): void =>
  expect(Math.abs(value - known)).toBeLessThanOrEqual(known * part);

describe('closed loop', () => {
  it('recovers the distribution of the server’s delays within 1%', async () => {
    const random = new Random(5);
    const delays: number[] = [];
    const world = scripted(
      after(() => {
        delays.push(1 + random.nextGap() * 4);
        return delays.at(-1)!;
      }),
    );
    const result = await run(world, {
      mode: 'closed',
      connections: 20,
      depth: 4,
      warmUpMs: 0,
      durationMs: 2000,
    });
    expect(result.failure).toBeNull();
    expect(result.requests.answered).toBe(delays.length);
    expect(result.requests.sent).toBe(delays.length);
    expect(delays.length).toBeGreaterThan(20_000);
    delays.sort((a, b) => a - b);
    const known = (quantile: number): number => delays[Math.ceil(delays.length * quantile) - 1]!;
    within(result.latency!.p50Ms, known(0.5));
    within(result.latency!.p90Ms, known(0.9));
    within(result.latency!.p99Ms, known(0.99));
    within(result.latency!.p999Ms, known(0.999));
    within(result.latency!.maxMs, delays.at(-1)!, 1e-6);
    within(result.latency!.meanMs, delays.reduce((sum, delay) => sum + delay, 0) / delays.length, 1e-6);
    expect(Histogram.fromJSON(result.histogram).count).toBe(delays.length);
    // 80 requests under way, each for its delay: throughput is what Little's law says.
    within(result.repliesPerSecond, (80 * 1000) / result.latency!.meanMs, 0.02);
  });

  it('keeps depth requests under way on each connection, no more and no fewer', async () => {
    const waiting: FrameRequest[] = [];
    const seen: number[] = [];
    const world = scripted((server, request) => {
      waiting.push(request);
      if (waiting.length > 1) return;
      server.reactor.setTimer(10, () => {
        seen.push(waiting.length);
        for (const one of waiting.splice(0)) server.reply(one);
      });
    });
    await run(world, { mode: 'closed', connections: 3, depth: 5, warmUpMs: 0, durationMs: 200 });
    expect(new Set(seen)).toEqual(new Set([15]));
  });

  it('sends pipelined requests in one write', async () => {
    const world = scripted();
    world.kernel.record();
    await run(world, { mode: 'closed', depth: 16, requestsMax: 16, warmUpMs: 0 });
    const sends = world.kernel.calls.filter(({ name }) => name === 'send' || name === 'sendBytes');
    expect(world.server.requests).toBe(16);
    expect(sends.filter(({ args }) => args.includes(16 * 80))).toHaveLength(1);
  });

  it('ends after requestsMax answers, with each of them recorded', async () => {
    const world = scripted(after(() => 50));
    const result = await run(world, {
      mode: 'closed',
      connections: 5,
      requestsMax: 5,
      warmUpMs: 0,
      durationMs: 60_000,
      recordsMax: 10,
      waitMs: 20,
      cpuUs: 30,
    });
    expect(result.ended).toBe('requests');
    within(result.times.windowMs, 50, 0.05);
    expect(result.records).toHaveLength(5);
    for (const record of result.records) {
      expect(record).toMatchObject({
        status: 0,
        thread: 7,
        receivedNs: 11,
        sentNs: 14,
        cpuNs: 15,
        runDelayNs: 16,
      });
      within((record.repliedNs - record.requestedNs) / 1e6, 50);
    }
    expect(new Set(result.records.map(({ id }) => id)).size).toBe(5);
  });

  it.each([1, 7, 63, 64, 65, 1000])('checks replies that come %i bytes at a time', async (bytes) => {
    const world = scripted();
    world.kernel.shortReads(bytes);
    const result = await run(world, {
      mode: 'closed',
      depth: 3,
      requestsMax: 30,
      payloadBytes: 700,
      warmUpMs: 0,
    });
    expect(result.failure).toBeNull();
    expect(result.requests).toMatchObject({ answered: 30, mismatches: 0 });
  });

  it.each([0, 1, 3, 255, 256, 257, 100_000])(
    'carries and checks a payload of %i bytes',
    async (payloadBytes) => {
      const lengths = new Set<number>();
      const contents = new Set<string>();
      const world = scripted((server, request) => {
        lengths.add(request.payload.length);
        contents.add(Buffer.from(request.payload).toString('hex', 0, 64));
        server.reply(request);
      });
      const result = await run(world, {
        mode: 'closed',
        connections: 2,
        requestsMax: 8,
        payloadBytes,
        warmUpMs: 0,
      });
      expect(result.failure).toBeNull();
      expect(result.requests.answered).toBe(8);
      expect(lengths).toEqual(new Set([payloadBytes]));
      // Different requests carry different bytes: one that is answered with another's shows.
      expect(contents.size).toBe(payloadBytes < 3 ? contents.size : 8);
    },
  );

  it('does not let warm-up into the figures', async () => {
    const world = scripted((server, request) => {
      const slow = server.reactor.now() < 300;
      server.reactor.setTimer(slow ? 100 : 2, () => server.reply(request));
    });
    const result = await run(world, { mode: 'closed', warmUpMs: 500, durationMs: 500 });
    within(result.latency!.maxMs, 2);
    within(result.requests.answered, 250);
  });
});

describe('what a server does wrong', () => {
  const flip = (payload: Uint8Array, at: number): Uint8Array => {
    const changed = payload.slice();
    changed[at] = changed[at]! ^ 1;
    return changed;
  };
  it.each<[string, Answer]>([
    ['a wrong first byte', (server, request) => server.reply(request, { payload: flip(request.payload, 0) })],
    [
      'a wrong last byte',
      (server, request) => server.reply(request, { payload: flip(request.payload, 299) }),
    ],
    [
      'a payload too short',
      (server, request) => server.reply(request, { payload: request.payload.slice(1) }),
    ],
    ['an empty payload', (server, request) => server.reply(request, { payload: new Uint8Array(0) })],
    ['an id that was never sent', (server, request) => server.reply(request, { id: request.id + 1000 })],
    [
      'the answer twice',
      (server, request) => {
        server.reply(request);
        server.reply(request);
      },
    ],
    ['a frame that is none', (server, request) => void request.connection.write(new Uint8Array(64))],
  ])('counts %s as a mismatch, and fails the run', async (_name, wrong) => {
    for (const bytes of [Infinity, 100]) {
      let requests = 0;
      const world = scripted((server, request) => {
        if (++requests % 10 === 0) wrong(server, request);
        else server.reactor.setTimer(1, () => server.reply(request));
      });
      world.kernel.shortReads(bytes);
      const result = await run(world, {
        mode: 'closed',
        connections: 4,
        durationMs: 100,
        warmUpMs: 0,
        payloadBytes: 300,
      });
      expect(result.requests.mismatches).toBeGreaterThan(0);
      expect(result.failure).toMatch(/^mismatch: the server sent a reply/);
    }
  });

  it.each([1, 2, 3, 4, 61, 62, 63, 64, 257])(
    'sees each wrong byte of a payload of %i',
    async (payloadBytes) => {
      for (const at of [0, payloadBytes >> 1, payloadBytes - 1]) {
        const world = scripted((server, request) =>
          server.reply(request, { payload: flip(request.payload, at) }),
        );
        const result = await run(world, { mode: 'closed', durationMs: 50, warmUpMs: 0, payloadBytes });
        expect(result.requests).toMatchObject({ answered: 0, mismatches: 1 });
      }
    },
  );

  it('counts the answers of one connection that come on another as mismatches', async () => {
    let first: FrameRequest | null = null;
    const world = scripted((server, request) => {
      if (first === null) first = request;
      else server.reply({ ...request, connection: first.connection });
    });
    const result = await run(world, { mode: 'closed', connections: 2, durationMs: 50, warmUpMs: 0 });
    expect(result.requests.mismatches).toBe(1);
  });

  it('counts statuses, and does not check the payload of a refusal', async () => {
    const world = scripted((server, request) => {
      const status = request.id % 4 === 0 ? 5 : 0;
      server.reply(request, status === 0 ? {} : { status, payload: Buffer.from('no upstream') });
    });
    const result = await run(world, { mode: 'closed', depth: 8, requestsMax: 400, warmUpMs: 0 });
    expect(result.requests.mismatches).toBe(0);
    expect(result.requests.answered).toBe(400);
    expect(result.requests.statuses).toEqual({ 5: 100 });
  });

  it('times out what is not answered, and knows its late answers', async () => {
    let requests = 0;
    const world = scripted((server, request) => {
      const late = ++requests % 5 === 0;
      server.reactor.setTimer(late ? 150 : 10, () => server.reply(request));
    });
    const result = await run(world, {
      mode: 'closed',
      connections: 4,
      warmUpMs: 0,
      durationMs: 2000,
      requestTimeoutMs: 100,
    });
    expect(result.failure).toBeNull();
    expect(result.requests.timedOut).toBeGreaterThan(20);
    expect(result.requests.late).toBeGreaterThan(20);
    expect(result.requests.mismatches).toBe(0);
    expect(result.requests.sent).toBe(result.requests.answered + result.requests.timedOut);
    // They are in the latency with what they had waited: leaving them out would show 10 ms.
    within(result.latency!.p99Ms, 105, 0.06);
    expect(result.latency!.maxMs).toBeGreaterThanOrEqual(100);
    expect(result.latency!.maxMs).toBeLessThan(110);
  });

  it('reports what is under way on a closed connection as lost, and ends when none is left', async () => {
    let requests = 0;
    const world = scripted((server, request) => {
      if (++requests > 20) request.connection.close();
      else server.reactor.setTimer(1, () => server.reply(request));
    });
    const result = await run(world, { mode: 'closed', connections: 2, warmUpMs: 0, durationMs: 60_000 });
    expect(result.ended).toBe('failed');
    expect(result.failure).toBe('all connections are closed');
    expect(result.connections.closedByPeer).toBe(2);
    expect(result.requests).toMatchObject({ answered: 20, lost: 2 });
  });

  it('says that nobody listens', async () => {
    const world = scripted();
    const result = await runLoad({ port: 1, mode: 'closed', connections: 300 }, { reactor: world.reactor });
    expect(result.failure).toBe('no connection could be made');
    expect(result.connections).toMatchObject({ wanted: 300, connected: 0 });
    expect(result.connections.failed + result.connections.notTried).toBe(300);
    expect(result.errors['ECONNREFUSED']).toBe(result.connections.failed);
  });

  it('gives up connecting when nobody answers', async () => {
    const world = scripted();
    world.kernel.settings.connectDelayMs = Infinity;
    const result = await run(world, {
      mode: 'idle',
      connections: 1000,
      connectingMax: 50,
      connectTimeoutMs: 500,
    });
    expect(result.errors).toEqual({ ERR_CONNECT_TIMEOUT: 50 });
    expect(result.connections).toMatchObject({ connected: 0, failed: 50, notTried: 950 });
    expect(result.times.rampMs).toBeLessThan(700);
  });

  it('holds what the descriptor limit allows, and says so', async () => {
    const world = scripted();
    world.kernel.settings.fdLimit = 200;
    const result = await run(world, { mode: 'idle', connections: 1000, warmUpMs: 0, durationMs: 100 });
    expect(result.failure).toBeNull();
    expect(result.errors['EMFILE']).toBe(1);
    expect(result.connections.connected).toBeGreaterThan(50);
    const { connected, failed, notTried } = result.connections;
    expect(connected + failed + notTried).toBe(1000);
  });
});

describe('open loop', () => {
  it('recovers the distribution of the server’s delays within 1%', async () => {
    const random = new Random(9);
    const delays: number[] = [];
    const world = scripted(
      after(() => {
        delays.push(2 + random.nextGap() * 10);
        return delays.at(-1)!;
      }),
    );
    const result = await run(world, {
      mode: 'open',
      ratePerSecond: 5000,
      connections: 10,
      warmUpMs: 0,
      durationMs: 4000,
    });
    expect(result.requests.sent).toBe(delays.length);
    within(delays.length, 20_000, 0.03);
    delays.sort((a, b) => a - b);
    for (const [name, quantile] of [
      ['p50Ms', 0.5],
      ['p90Ms', 0.9],
      ['p99Ms', 0.99],
    ] as const) {
      within(result.latency![name], delays[Math.ceil(delays.length * quantile) - 1]!);
    }
    expect(result.self.bottleneck.filter((reason) => reason.includes('late'))).toEqual([]);
  });

  /** A server that does nothing for 1.4 s of the 6 s measured, and answers in 1 ms otherwise. */
  const stalls = (): Answer => {
    const held: FrameRequest[] = [];
    return (server, request) => {
      const nowMs = server.reactor.now();
      const stalled = nowMs >= 2000 && nowMs < 3400;
      if (stalled && held.push(request) === 1) {
        server.reactor.setTimer(3400 - nowMs, () => {
          for (const one of held.splice(0)) server.reply(one);
        });
      }
      if (!stalled) server.reactor.setTimer(1, () => server.reply(request));
    };
  };

  it('shows a stall of 1.4 s that the closed loop hides', async () => {
    const shape = { connections: 8, warmUpMs: 0, durationMs: 6000 };
    const open = await run(scripted(stalls()), { mode: 'open', ratePerSecond: 1000, ...shape });
    const closed = await run(scripted(stalls()), { mode: 'closed', ...shape });
    // 1,400 of 6,000 requests were meant to be sent into the stall, evenly: they waited from 1.4 s down to 0.
    expect(open.latency!.p99Ms).toBeGreaterThanOrEqual(1000);
    within(open.latency!.p90Ms, 1400 - 600, 0.1);
    expect(closed.latency!.p99Ms).toBeLessThan(2);
    expect(closed.latency!.maxMs).toBeGreaterThanOrEqual(1399);
  });

  it('times from the intended send, not from the actual one, when connections have no room', async () => {
    const world = scripted(stalls());
    const result = await run(world, {
      mode: 'open',
      ratePerSecond: 500,
      outstandingMax: 16,
      warmUpMs: 0,
      durationMs: 6000,
    });
    expect(result.requests.sent).toBe(result.requests.answered);
    expect(result.latency!.p99Ms).toBeGreaterThanOrEqual(1000);
    // What a generator would say that knows only when it sent.
    expect(result.latencyFromSend!.p99Ms).toBeLessThan(100);
    within(result.requests.sent, 3000, 0.05);
  });

  it('counts what was never sent, with the time it had waited', async () => {
    const world = scripted(() => undefined);
    const result = await run(world, {
      mode: 'open',
      ratePerSecond: 1000,
      arrivals: 'fixed',
      outstandingMax: 8,
      warmUpMs: 0,
      durationMs: 1000,
      requestTimeoutMs: 300,
    });
    const { sent, answered, timedOut, unsent } = result.requests;
    expect(answered).toBe(0);
    expect(sent).toBe(timedOut);
    expect(sent + unsent).toBe(1000);
    expect(unsent).toBeGreaterThan(300);
    expect(result.latency!.count).toBe(1000);
    expect(result.latency!.minMs).toBeGreaterThanOrEqual(300);
    expect(result.self.bottleneck.some((reason) => reason.includes('never sent'))).toBe(true);
  });

  it('sends the same schedule again from the same seed', async () => {
    const times = async (seed: number): Promise<number[]> => {
      const sent: number[] = [];
      const world = scripted((server, request) => {
        sent.push(server.reactor.now());
        server.reply(request);
      });
      await run(world, { mode: 'open', ratePerSecond: 300, warmUpMs: 0, durationMs: 500, seed });
      return sent;
    };
    expect(await times(1)).toEqual(await times(1));
    expect(await times(1)).not.toEqual(await times(2));
  });
});

describe('idle holders and actives', () => {
  it('holds its connections and sends nothing on them', async () => {
    const world = scripted();
    const result = await run(world, { mode: 'idle', connections: 3000, warmUpMs: 0, durationMs: 500 });
    expect(result.connections).toMatchObject({
      connected: 3000,
      openAtStart: 3000,
      openAtEnd: 3000,
      closedByPeer: 0,
    });
    expect(world.server.requests).toBe(0);
    expect(result.latency).toBeNull();
  });

  it('counts those that the server closes', async () => {
    let count = 0;
    const world = scripted(undefined, (connection) => {
      if (++count % 10 === 0) connection.reactor.setTimer(100, () => connection.close());
      return true;
    });
    const result = await run(world, { mode: 'idle', connections: 100, warmUpMs: 0, durationMs: 500 });
    expect(result.connections).toMatchObject({ connected: 100, closedByPeer: 10, openAtEnd: 90 });
    expect(result.failure).toBeNull();
  });

  it('places the actives among the idle, and shows those never served as timed out', async () => {
    // A pool of 50 threads, each at its connection for good: whoever comes later is connected, but not served.
    let count = 0;
    const world = scripted(undefined, () => ++count <= 50);
    const result = await run(world, {
      mode: 'idle',
      connections: 90,
      actives: { connections: 10, intervalMs: 50, timeoutMs: 200 },
      warmUpMs: 0,
      durationMs: 2000,
      recordsMax: 10,
    });
    const { actives } = result;
    expect(actives).toMatchObject({ connections: 10, connected: 10, closedByPeer: 0 });
    // Every tenth or so of those connected is an active: 5 of the 50 served.
    expect(actives!.requests.answered).toBe(5 * 40);
    expect(actives!.requests.timedOut).toBeGreaterThanOrEqual(5 * 8);
    expect(actives!.requests.sent).toBe(actives!.requests.answered + actives!.requests.timedOut);
    expect(actives!.requests.unsent + actives!.requests.sent).toBe(400);
    expect(actives!.latency!.maxMs).toBeGreaterThanOrEqual(200);
    expect(result.connections.openAtEnd).toBe(100);
    expect(result.failure).toBeNull();
  });

  it('asks each active at its interval, one request at a time', async () => {
    const world = scripted(after(() => 5));
    const result = await run(world, {
      mode: 'idle',
      connections: 0,
      actives: { connections: 4, intervalMs: 100 },
      warmUpMs: 0,
      durationMs: 1000,
    });
    expect(result.actives!.requests).toMatchObject({ sent: 40, answered: 40, unsent: 0 });
    within(result.actives!.latency!.p99Ms, 5);
    expect(result.lateness!.maxMs).toBeLessThan(0.01);
  });

  it('connects no faster than it was told', async () => {
    const world = scripted();
    const result = await run(world, {
      mode: 'idle',
      connections: 200,
      connectsPerSecond: 100,
      warmUpMs: 0,
      durationMs: 10,
    });
    within(result.times.rampMs, 2000, 0.02);
  });
});

describe('arrive', () => {
  it('each arrival has a connection of its own, and none waits for those before', async () => {
    const world = scripted(after(() => 40));
    const result = await run(world, {
      mode: 'arrive',
      ratePerSecond: 500,
      arrivals: 'fixed',
      warmUpMs: 100,
      durationMs: 1000,
    });
    expect(result.failure).toBeNull();
    expect(result.requests).toMatchObject({ sent: 500, answered: 500, unsent: 0, timedOut: 0, lost: 0 });
    within(result.latency!.p50Ms, 40);
    within(result.latency!.maxMs, 40);
    expect(result.connections.openedTotal).toBe(world.server.accepted);
    expect(world.server.accepted).toBe(world.server.requests);
  });

  it('a queue at the server shows in the time since the arrival', async () => {
    // One at a time, 10 ms each, and 125 come per second: a fifth more than it can do, so that the queue grows.
    let freeMs = 0;
    const world = scripted(
      after(() => {
        const nowMs = world.reactor.now();
        freeMs = Math.max(freeMs, nowMs) + 10;
        return freeMs - nowMs;
      }),
    );
    const result = await run(world, {
      mode: 'arrive',
      ratePerSecond: 125,
      arrivals: 'fixed',
      warmUpMs: 0,
      durationMs: 2000,
    });
    expect(result.requests).toMatchObject({ sent: 250, answered: 250 });
    within(result.repliesPerSecond, 100, 0.03);
    within(result.latency!.maxMs, 10 + 2000 * 0.25, 0.03);
  });

  it('a server that refuses is counted, and the run goes on', async () => {
    const world = scripted();
    world.server.listener.close();
    const result = await run(world, { mode: 'arrive', ratePerSecond: 100, warmUpMs: 0, durationMs: 500 });
    expect(result.requests.sent).toBe(0);
    expect(result.requests.unsent).toBeGreaterThan(20);
    expect(result.errors['ECONNREFUSED']).toBe(result.connections.failedTotal);
  });

  it('takes no connections, and needs a rate', async () => {
    const world = scripted();
    await expect(run(world, { mode: 'arrive', ratePerSecond: 1, connections: 3 })).rejects.toThrow(
      'config.connections',
    );
    await expect(run(world, { mode: 'arrive' })).rejects.toThrow('ratePerSecond');
  });
});

describe('churn', () => {
  it('makes a connection per request and closes it by a reset', async () => {
    const errors: string[] = [];
    const world = scripted(after(() => 10));
    world.kernel.settings.connectDelayMs = 5;
    world.reactor.onError = (error) => errors.push(String(error));
    const result = await run(world, { mode: 'churn', connections: 4, warmUpMs: 0, durationMs: 1500 });
    expect(errors).toEqual([]);
    expect(result.failure).toBeNull();
    // 15 ms each, from the beginning of the connect.
    within(result.latency!.p50Ms, 15);
    within(result.requests.answered, 4 * 100, 0.05);
    expect(world.server.accepted).toBe(result.connections.openedTotal);
    expect(result.connections.closedByPeer).toBe(0);
  });

  it('makes several requests per connection if told', async () => {
    const world = scripted();
    const result = await run(world, {
      mode: 'churn',
      requestsPerConnection: 5,
      requestsMax: 100,
      warmUpMs: 0,
      durationMs: 5000,
    });
    expect(result.ended).toBe('requests');
    expect(result.requests.answered).toBe(100);
    expect(world.server.accepted).toBe(20);
  });

  it('lets a server that serves one connection at a time finish all of them', async () => {
    const waiting: FrameRequest[] = [];
    const next = (server: FrameServer): void => {
      const request = waiting[0];
      if (request !== undefined) server.reactor.setTimer(100, () => server.reply(request));
    };
    // The next is served when the one before has gone, and not when it was answered.
    const world = scripted(
      (server, request) => {
        if (waiting.push(request) === 1) next(server);
      },
      undefined,
      (server) => {
        waiting.shift();
        next(server);
      },
    );
    const shape = {
      connections: 5,
      requestsMax: 5,
      warmUpMs: 0,
      durationMs: 60_000,
      requestsPerConnection: 3,
    };
    const result = await run(world, { mode: 'churn', ...shape });
    expect(result).toMatchObject({ ended: 'requests', failure: null });
    expect(result.requests.answered).toBe(5);
    within(result.times.windowMs, 500);
  });

  it('goes on when the server closes after its answer, and when it refuses for a while', async () => {
    const world = scripted((server, request) => {
      server.reactor.setTimer(1, () => {
        server.reply(request);
        request.connection.end();
      });
    });
    setTimeoutOn(world.reactor, 300, () => world.server.listener.close());
    const result = await run(world, { mode: 'churn', connections: 2, warmUpMs: 0, durationMs: 600 });
    expect(result.requests.answered).toBeGreaterThan(10);
    expect(result.errors['ECONNREFUSED']).toBeGreaterThan(10);
    // It does not ask a server that has gone a million times.
    expect(result.errors['ECONNREFUSED']).toBeLessThan(200);
  });
});

describe('slow peers', () => {
  it('reads its replies at the speed it was told', async () => {
    const world = scripted();
    const result = await run(world, {
      mode: 'slow-read',
      connections: 3,
      depth: 2,
      payloadBytes: 936,
      bytesPerSecond: 5000,
      warmUpMs: 0,
      durationMs: 4000,
    });
    expect(result.failure).toBeNull();
    // 1,000 bytes per reply: 5 per second and connection.
    within(result.requests.answered, 3 * 20, 0.07);
    expect(result.requests.mismatches).toBe(0);
  });

  it('writes its requests at the speed it was told', async () => {
    const world = scripted();
    const result = await run(world, {
      mode: 'slow-write',
      connections: 3,
      payloadBytes: 84,
      bytesPerSecond: 500,
      warmUpMs: 0,
      durationMs: 4000,
    });
    expect(result.failure).toBeNull();
    // 100 bytes per request: 5 per second and connection.
    within(result.requests.answered, 3 * 20, 0.07);
    expect(result.latency!.maxMs).toBeLessThan(1);
  });
});

describe('a run', () => {
  it('waits for the word to start, and tells of its phases', async () => {
    const world = scripted(after(() => 1));
    const said: LoadProgress[] = [];
    const load: LoadRun = new LoadRun(
      {
        port: world.server.port,
        mode: 'closed',
        startOnLine: true,
        warmUpMs: 50,
        durationMs: 50,
        progressMs: 20,
      },
      {
        reactor: world.reactor,
        onProgress: (progress) => {
          said.push(progress);
          if (progress.phase === 'connected' && said.length > 10) load.start();
        },
      },
    );
    const result = await load.finish();
    expect(result.failure).toBeNull();
    expect(said.findLast(({ phase }) => phase === 'connected')).toMatchObject({ open: 1, answered: 0 });
    expect([...new Set(said.map(({ phase }) => phase))]).toEqual([
      'connected',
      'warm-up',
      'measuring',
      'draining',
    ]);
    expect(result.times.windowStartMs).toBeGreaterThan(200);
  });

  it('reports what it has when it is stopped', async () => {
    const world = scripted(after(() => 10));
    const load = new LoadRun(
      { port: world.server.port, mode: 'closed', warmUpMs: 0, durationMs: 60_000 },
      { reactor: world.reactor },
    );
    setTimeoutOn(world.reactor, 1000, () => load.stop());
    const result = await load.finish();
    expect(result.ended).toBe('interrupted');
    expect(result.failure).toBeNull();
    within(result.times.windowMs, 1000, 0.02);
    within(result.requests.answered, 100, 0.03);
  });

  it('leaves no connection open', async () => {
    for (const closing of ['reset', 'end'] as const) {
      const world = scripted(after(() => 1));
      const before = world.kernel.openFds().length;
      await run(world, { mode: 'closed', connections: 10, durationMs: 20, warmUpMs: 0, closing });
      world.reactor.turn(0);
      world.reactor.turn(0);
      world.reactor.turn(0);
      expect(world.kernel.openFds().length).toBe(before);
    }
  });

  it('comes from several addresses when told', async () => {
    using reactor = new Reactor();
    const server = new FrameServer(reactor);
    const sourceHosts = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];
    const result = await runLoad(
      { port: server.port, mode: 'closed', connections: 9, sourceHosts, warmUpMs: 0, durationMs: 50 },
      { reactor },
    );
    expect(result.failure).toBeNull();
    expect([...server.peers].sort()).toEqual(sourceHosts);
  });
});

function setTimeoutOn(reactor: Reactor, delayMs: number, act: () => void): void {
  reactor.setTimer(delayMs, act);
}
