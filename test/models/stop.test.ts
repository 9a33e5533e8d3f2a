// stop() of the blocking models wakes every thread, whatever it is blocked in, and joins it.

import { connect as connectSocket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BlockingModel, POOL, SEQUENTIAL, THREADS, type RunningBlocking } from '../../src/models/blocking.js';
import { Client, request } from './client.js';
import { isKnown, isUnavailable, readProcess, valueOf } from '../../src/probe/index.js';
import { threadsNamed } from './process.js';
import { HeldUpstream } from './upstream.js';

/** What is promised is 100 ms for 100 threads; a busy machine may take longer, but what hangs takes for ever. */
const GENEROUS_MS = 5000;

let upstream: HeldUpstream;
const clients: Client[] = [];
beforeEach(async () => {
  upstream = await HeldUpstream.open();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await upstream.die();
});

/** ThreadSanitizer has a thread of its own, which takes its name from ours, and ended ones stay for a moment. */
const countsThreads = process.platform === 'linux' && process.env['TSAN_OPTIONS'] === undefined;

async function open(running: RunningBlocking, count: number): Promise<Client[]> {
  const opened = await Promise.all(Array.from({ length: count }, () => Client.open(running.address.port)));
  clients.push(...opened);
  return opened;
}
async function until(done: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!done()) {
    if (performance.now() > deadlineMs) throw new Error(`10 s without ${String(done)}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
/**
 * Waits until the thread that accepts is asleep: stop() has nobody to wake before. Outside Linux, and where the kernel does
 * not tell, nothing is waited for.
 */
async function untilBlockedInAccept(): Promise<void> {
  await until(() => {
    const look = readProcess(process.pid, { memory: false, sleep: true });
    if (isUnavailable(look) || !isKnown(look.threads)) return true;
    return look.threads.value.some(({ name, state, sleep }) => {
      const call = valueOf(sleep!.call);
      if (call === null) return true;
      const accepts = call.kind === 'call' && /^(accept4?|p?poll)$/.test(call.name ?? '');
      return /^ul-(accept|serve)$/.test(name) && state === 'S' && accepts;
    });
  });
}
/** Stops, and sees that nothing is left. */
async function stop(running: RunningBlocking, what: string): Promise<void> {
  const startMs = performance.now();
  const stopped = running.stop();
  const tookMs = performance.now() - startMs; // it blocks: see how long
  await stopped;
  console.log(`stop() with ${what}: ${tookMs.toFixed(1)} ms`);
  expect(tookMs).toBeLessThan(GENEROUS_MS);
  if (countsThreads) {
    expect([threadsNamed('ul-serve'), threadsNamed('ul-accept')]).toEqual([0, 0]);
  }
  expect(running.counters()).toMatchObject({ connections: 0, serving: 0, queued: 0, threads: 0 });
  await expect(Client.open(running.address.port)).rejects.toThrow('ECONNREFUSED');
}

describe.each([
  ['shutdown', false],
  ['a pipe, as on other systems', true],
])('waking accept by %s', (_, wakeByPipe) => {
  const start = (kind: number, threads = 1): Promise<RunningBlocking> =>
    new BlockingModel('model', '', kind, wakeByPipe).start(
      { upstreamPort: upstream.port, requestsPerConnection: 0 },
      { threads },
    );

  it.each([
    ['sequential', SEQUENTIAL],
    ['threads', THREADS],
    ['pool', POOL],
  ])('waking a blocked accept: %s', async (name, kind) => {
    const running = await start(kind, 4);
    await untilBlockedInAccept();
    await stop(running, `${name}, nobody connected`);
  });

  it('wakes 100 threads parked in recv', async () => {
    const running = await start(THREADS);
    const parked = await open(running, 100);
    // Half of them have been served before, half have never said a word.
    await Promise.all(parked.slice(0, 50).map((client) => client.ask(request(1))));
    await until(() => running.counters().threads === 100);
    if (countsThreads) expect(threadsNamed('ul-serve')).toBe(100);
    await stop(running, '100 threads in recv');
    await Promise.all(parked.map((client) => client.over()));
  });

  it('closes what is queued in a pool, and wakes threads that are busy and idle', async () => {
    const running = await start(POOL, 2);
    await open(running, 5);
    await until(() => running.counters().queued === 3);
    await stop(running, 'a pool of 2 with 5 connections');
    const idle = await start(POOL, 100);
    await stop(idle, '100 idle threads of a pool');
  });
});

describe('stop() wakes', () => {
  const start = (kind: number): Promise<RunningBlocking> =>
    new BlockingModel('model', '', kind).start(
      { upstreamPort: upstream.port, requestsPerConnection: 0 },
      { threads: 8 },
    );

  it.each([
    ['sequential', SEQUENTIAL, 1],
    ['threads', THREADS, 30],
    ['pool', POOL, 8],
  ])('a blocked upstream read, not only the client: %s', async (name, kind, count) => {
    const running = await start(kind);
    for (const client of await open(running, count)) client.send(request(1, { waitMs: 60_000 }));
    await upstream.untilAsked(count);
    await stop(running, `${name}, ${String(count)} threads waiting on the upstream`);
  });

  it('a thread blocked in send to a client that does not read', async () => {
    const running = await start(THREADS);
    const socket = connectSocket({ port: running.address.port, host: '127.0.0.1' });
    socket.on('error', () => {}).pause();
    const block = request(1, { payload: Buffer.alloc(1024 * 1024) });
    let served = -1;
    // Replies fill the buffers of both sides until the server is blocked: then it serves no more.
    socket.write(Buffer.concat(Array.from({ length: 40 }, () => block)));
    while (running.counters().served !== served || served < 1) {
      served = running.counters().served;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(served).toBeLessThan(40);
    await stop(running, 'a thread in send');
    socket.destroy();
  });

  it('a thread that burns a minute of CPU', async () => {
    const running = await start(THREADS);
    const [client] = await open(running, 1);
    client!.send(request(1, { cpuUs: 60_000_000 }));
    await until(() => running.counters().serving === 1);
    await stop(running, 'a thread that works');
  });

  it('a thread that lingers over a refused client', async () => {
    const running = await start(THREADS);
    const [client] = await open(running, 1);
    client!.send(Buffer.alloc(4));
    await client!.answers(1);
    await stop(running, 'a thread that lingers');
  });
});

/** Connects, asks and is closed, again and again, in eight loops; counts those that end without an answer. */
const churning = `
  const { connect } = require('node:net');
  const { parentPort, workerData } = require('node:worker_threads');
  let rounds = 0;
  let failed = 0;
  let stopping = false;
  function loop() {
    let answered = false;
    const socket = connect(workerData.port, '127.0.0.1');
    socket.end(workerData.request);
    socket.on('data', () => (answered = true)).on('error', () => {});
    socket.on('close', () => {
      rounds++;
      if (!answered) failed++;
      if (!stopping) loop();
      else if (--left === 0) parentPort.postMessage({ rounds, failed });
    });
  }
  let left = 8;
  for (let i = 0; i < left; i++) loop();
  parentPort.once('message', () => (stopping = true));
`;

it("stop() racing the owning thread's close: descriptors used anew at once are never shut down", async () => {
  // Threads close their descriptors by themselves while stop() shuts descriptors down, and sockets of others are given the
  // same numbers at once. Were one shut down that is not the server's, somebody would have no answer.
  const model = new BlockingModel('model', '', THREADS);
  const bystander = await model.start({ upstreamPort: 0, requestsPerConnection: 1 });
  const { Worker } = await import('node:worker_threads');
  const workerData = { port: bystander.address.port, request: request(1) };
  const worker = new Worker(churning, { eval: true, workerData });
  for (let round = 0; round < 15; round++) {
    const running = await model.start({ upstreamPort: 0, requestsPerConnection: 1 });
    const busy = await open(running, 24);
    // They end one after another, the first of them now, without a word of ours.
    busy.forEach((client, i) => {
      client.send(request(1, { cpuUs: 200 * i }));
      client.end();
    });
    await new Promise(setImmediate);
    await running.stop();
    for (const client of clients.splice(0)) client.close();
  }
  const figures = new Promise((resolve) => worker.once('message', resolve));
  worker.postMessage('stop');
  expect(await figures).toEqual({ rounds: expect.any(Number) as number, failed: 0 });
  await worker.terminate();
  await stop(bystander, 'the bystander');
});

it('stops servers that nobody stopped when their environment ends', async () => {
  const { Worker } = await import('node:worker_threads');
  const program = `
    import { parentPort } from 'node:worker_threads';
    import { findModel } from ${JSON.stringify(new URL('../../dist/models/models.js', import.meta.url).href)};
    const running = await findModel('threads').start({ upstreamPort: 0, requestsPerConnection: 0 });
    parentPort.postMessage(running.address.port);
    parentPort.on('message', () => {});
  `;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
  const port = await new Promise<number>((resolve, reject) => {
    worker.once('message', resolve).once('error', reject);
  });
  const parked = await Promise.all(Array.from({ length: 20 }, () => Client.open(port)));
  await Promise.all(parked.map((client) => client.ask(request(1))));
  await worker.terminate();
  await Promise.all(parked.map((client) => client.over()));
  if (countsThreads) expect(threadsNamed('ul-serve')).toBe(0);
  for (const client of parked) client.close();
});
