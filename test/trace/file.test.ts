// Traces on disk: complete after an exit and after close(), readable after SIGKILL, and nothing dropped when the disk is slow.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { Reactor } from '../../src/index.js';
import { Recorder, readTrace } from '../../src/trace/index.js';
import { runProgram } from '../lifecycle/child.js';

const folder = fs.mkdtempSync(join(tmpdir(), 'underloop-trace-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));
const fresh = (() => {
  let made = 0;
  return () => join(folder, `${String(++made)}.trace`);
})();

describe('Recorder.toFile()', () => {
  test('drops nothing while the thread gives the disk no chance: it waits, and counts that', () => {
    const file = fresh();
    const recorder = Recorder.toFile(file);
    const marks = 60_000;
    for (let i = 0; i < marks; i++) recorder.mark(`this is mark number ${String(i)}`);
    expect(recorder.syncWrites).toBeGreaterThan(0);
    recorder.close();
    recorder.close();
    expect(recorder.failure).toBeNull();
    const trace = readTrace(file);
    let next = 0;
    for (const event of trace) {
      if (event.type === 'mark') expect(event.text === `this is mark number ${String(next++)}`).toBe(true);
    }
    expect([next, trace.truncated]).toEqual([marks, false]);
    expect(fs.statSync(file).size).toBe(recorder.bytesWritten);
  });
  test.skipIf(!fs.existsSync('/proc/self/fd'))(
    'closes its descriptor, also when blocks are still on their way',
    async () => {
      const file = fresh();
      const links = '/proc/self/fd';
      const target = (fd: string): string => {
        try {
          return fs.readlinkSync(join(links, fd));
        } catch {
          return ''; // that of readdir itself
        }
      };
      const open = () => fs.readdirSync(links).filter((fd) => target(fd) === file).length;
      const recorder = Recorder.toFile(file);
      expect(open()).toBe(1);
      for (let i = 0; i < 12_000; i++) recorder.mark('this is a mark of some length');
      recorder.close();
      await expect.poll(open, { timeout: 10_000, interval: 2 }).toBe(0);
    },
  );
  test('a file that cannot be opened is the system’s error; a wrong argument ours', () => {
    expect(() => Recorder.toFile(join(folder, 'none', 'x'))).toThrow(/ENOENT/);
    expect(() => Recorder.toFile('')).toThrow(/path must be/);
    expect(() => new Recorder({ ringBytes: 1 })).toThrow(/ringBytes/);
    expect(() => new Recorder({ callTimes: 1 as never })).toThrow(/callTimes/);
  });
  test('records one reactor, and says so to a second', () => {
    const observer = new Recorder();
    const first = new Reactor({ observer });
    expect(() => new Reactor({ observer })).toThrow(/one reactor/);
    first.close();
    const last = [...readTrace(observer.toBytes())].at(-1);
    expect(last?.type).toBe('reactorClosed');
  });
  test.skipIf(!fs.existsSync('/dev/full'))('a full disk stops the recording, and not the program', () => {
    const observer = Recorder.toFile('/dev/full');
    const reactor = new Reactor({ observer });
    let ran = 0;
    for (let turn = 0; turn < 20_000; turn++) {
      reactor.post(() => ran++);
      reactor.turn(0);
    }
    reactor.close();
    expect(ran).toBe(20_000);
    expect(observer.failure).toMatchObject({ code: 'ENOSPC' });
    observer.close();
  });
});

describe('UNDERLOOP_TRACE', () => {
  test('records a program that knows nothing of it, to its last record', async () => {
    const file = fresh();
    const { code, stderr } = await runProgram('trace/programs/traced.mjs', [], {
      env: { UNDERLOOP_TRACE: file },
    });
    expect([code, stderr]).toEqual([0, '']);
    const trace = readTrace(file);
    const events = [...trace];
    const calls = events.flatMap((event) => (event.type === 'call' ? [event] : []));
    expect(calls.filter(({ name, result }) => name === 'recv' && result === 5)).toHaveLength(200);
    expect(events.some((event) => event.type === 'itemBegin' && event.name === 'tick')).toBe(true);
    expect(events.at(-1)).toMatchObject({ type: 'resumed', name: 'run' });
    const read = events.find((event) => event.type === 'readiness');
    expect(read).toMatchObject({ raw: expect.any(Number) as number });
    expect(trace.truncated).toBe(false);
  });
  test('after SIGKILL all whole records can be read, and begin and end fit together', async () => {
    const file = fresh();
    const program = fileURLToPath(new URL('programs/traced.mjs', import.meta.url));
    const child = spawn(process.execPath, [program, 'forever'], {
      env: { ...process.env, UNDERLOOP_TRACE: file },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(child.stdout, 'data');
    } finally {
      child.kill('SIGKILL');
    }
    await once(child, 'close');
    let items = 0;
    let depth = 0;
    for (const { type } of readTrace(file)) {
      if (type === 'itemBegin') items += depth++ === 0 ? 1 : NaN;
      if (type === 'itemEnd') depth--;
    }
    // 50,000 replies are 100,000 items; what was not written yet is what a few blocks hold.
    expect(items).toBeGreaterThan(50_000);
  });
  test('what was done before a program falls idle is on the disk while it waits', async () => {
    const file = fresh();
    const program = fileURLToPath(new URL('programs/idle.mjs', import.meta.url));
    const child = spawn(process.execPath, [program], {
      env: { ...process.env, UNDERLOOP_TRACE: file },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const done = () =>
      [...readTrace(file)].some((event) => event.type === 'itemBegin' && event.name === 'theLastThing');
    try {
      await once(child.stdout, 'data');
      await expect.poll(done, { timeout: 15_000, interval: 5 }).toBe(true);
    } finally {
      child.kill('SIGKILL');
    }
    await once(child, 'close');
  });
});
