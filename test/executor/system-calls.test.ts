// System calls on native threads: what they read is what is there, errors are the system's, and bounds hold.

import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run, sleep } from '../../src/async/index.js';
import { systemCalls, type SystemCallOptions, type SystemCalls } from '../../src/executor/index.js';
import { Reactor } from '../../src/index.js';
import { ScriptedKernel } from '../../src/testing.js';
import { codeOf, errorOf } from '../async/tools.js';
import { expectNoLeaks, pattern, realDescriptors } from '../net/world.js';

let folder = '';
const bytes = pattern(3_000_000);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'underloop-calls-'));
  writeFileSync(join(folder, 'file'), bytes);
  writeFileSync(join(folder, 'empty'), '');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs `test`; afterwards nothing may keep the reactor alive, and no descriptor be open. */
async function withCalls(
  test: (calls: SystemCalls, reactor: Reactor) => Promise<void>,
  options?: SystemCallOptions,
): Promise<void> {
  const before = realDescriptors();
  {
    using reactor = new Reactor();
    using calls = systemCalls(reactor, options);
    await run(reactor, () => test(calls, reactor));
    expect([calls.running, reactor.alive]).toEqual([0, false]);
  }
  await expectNoLeaks(before);
}

test('files: whole, bounded, empty, of /proc, and such that cannot be read', () =>
  withCalls(async (calls) => {
    const file = join(folder, 'file');
    expect((await calls.readFile(file)).equals(bytes)).toBe(true);
    expect((await calls.readFile(file, { maxBytes: bytes.length })).length).toBe(bytes.length);
    expect(await errorOf(calls.readFile(file, { maxBytes: bytes.length - 1 }))).toMatchObject({
      code: 'EFBIG',
    });
    expect((await calls.readFile(join(folder, 'empty'))).length).toBe(0);
    if (process.platform === 'linux') {
      expect(String(await calls.readFile('/proc/self/status'))).toMatch(/^Name:/);
      expect(await codeOf(calls.readFile('/dev/zero', { maxBytes: 100_000 }))).toBe('EFBIG');
    }
    expect(await errorOf(calls.readFile(join(folder, 'none')))).toMatchObject({
      code: 'ENOENT',
      syscall: 'read',
    });
    expect(await codeOf(calls.readFile(folder))).toBe('EISDIR');
    expect(await codeOf(calls.readFile(folder + '/x'.repeat(3000)))).toBe('ENAMETOOLONG');
    expect(await codeOf(calls.readFile(''))).toBe('ERR_ARGUMENT');
  }));

test('chunks: where they are asked for, shorter at the end, and the file’s own position stays', () =>
  withCalls(async (calls) => {
    const fd = openSync(join(folder, 'file'), 'r');
    try {
      const offsets = [0, 1, 65_536, bytes.length - 10, bytes.length, bytes.length + 1000];
      const chunks = await Promise.all(offsets.map((offset) => calls.readFileChunk(fd, offset, 100)));
      expect(chunks).toEqual(offsets.map((offset) => bytes.subarray(offset, offset + 100)));
      expect((await calls.readFileChunk(fd, 0, 0)).length).toBe(0);
    } finally {
      closeSync(fd);
    }
    expect(await errorOf(calls.readFileChunk(fd, 0, 1))).toMatchObject({ code: 'EBADF', fd });
  }));

test('names: numeric addresses and localhost, and the resolver’s own errors', () =>
  withCalls(async (calls) => {
    expect(await calls.resolve('127.0.0.1')).toEqual([{ family: 4, host: '127.0.0.1' }]);
    expect(await calls.resolve('::1')).toEqual([{ family: 6, host: '::1' }]);
    const local = await calls.resolve('localhost');
    expect(local.map(({ host }) => host).some((host) => host === '127.0.0.1' || host === '::1')).toBe(true);
    // The resolver refuses it before it asks anybody.
    const error = await errorOf(calls.resolve('x'.repeat(300)));
    expect(error).toMatchObject({ syscall: 'getaddrinfo', code: expect.stringMatching(/^EAI_/) });
  }));

test('pending calls are bounded; a call taken back never runs; closing settles the rest', async () => {
  // A FIFO that is opened for reading and writing has no end and no data: its reader stays on its thread.
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const fd = openSync(fifo, 'r+');
  try {
    using reactor = new Reactor();
    using calls = systemCalls(reactor, { threadsMax: 1, pendingMax: 2 });
    await run(reactor, async () => {
      // pread of a FIFO is refused at once (ESPIPE); it takes its turn behind the others all the same.
      const abort = new AbortController();
      const first = codeOf(calls.readFileChunk(fd, 0, 1));
      const second = codeOf(calls.readFile(join(folder, 'file'), abort));
      expect(await codeOf(calls.resolve('localhost'))).toBe('ERR_QUEUE_FULL');
      abort.abort();
      expect([await first, await second, calls.running]).toEqual(['ESPIPE', 'ERR_ABORTED', 0]);
      const third = codeOf(calls.readFile(join(folder, 'file')));
      calls.close();
      expect(await third).toBe('ERR_CLOSED');
      expect(await codeOf(calls.resolve('localhost'))).toBe('ERR_CLOSED');
      await sleep(reactor, 1);
    });
  } finally {
    closeSync(fd);
  }
});

test('closing the reactor settles what is pending', async () => {
  const reactor = new Reactor();
  const calls = systemCalls(reactor);
  const reading = codeOf(calls.readFile(join(folder, 'file')));
  reactor.close();
  expect(await reading).toBe('ERR_CLOSED');
});

test('results arrive in turns made by hand, too, as readinesses', async () => {
  using reactor = new Reactor();
  using calls = systemCalls(reactor);
  let length = 0;
  void calls.readFile(join(folder, 'file')).then((file) => (length = file.length));
  expect(reactor.alive).toBe(true);
  reactor.turn();
  await null;
  await null;
  await new Promise(setImmediate);
  expect([length, reactor.alive]).toEqual([bytes.length, false]);
});

test('a worker that ends while its calls go on harms nobody', async () => {
  const code = `
    import('${new URL('../../dist/index.js', import.meta.url).href}').then(async ({ Reactor }) => {
      const { systemCalls } = await import('${new URL('../../dist/executor/index.js', import.meta.url).href}');
      const reactor = new Reactor();
      const calls = systemCalls(reactor);
      for (let i = 0; i < 50; i++) void calls.readFile(${JSON.stringify(join(folder, 'file'))});
      process.exit(0);
    });`;
  const before = realDescriptors();
  const workers = Array.from({ length: 4 }, () => new Worker(code, { eval: true }));
  const codes = await Promise.all(
    workers.map((worker) => new Promise((resolve) => worker.on('exit', resolve))),
  );
  expect(codes).toEqual([0, 0, 0, 0]);
  await expectNoLeaks(before);
});

test('a scripted kernel is refused: real threads cannot wake it', () => {
  using reactor = new Reactor({ kernel: new ScriptedKernel() });
  expect(() => systemCalls(reactor)).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
});
