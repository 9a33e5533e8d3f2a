// The exporters: what they give is valid for those who read it, says what was recorded, and needs no memory to speak of.

import { Writable } from 'node:stream';
import { beforeAll, describe, expect, test } from 'vitest';
import { Reactor, connect, listen } from '../../src/index.js';
import { Recorder, TRACE_FORMATS, describeRaw, exportTrace, readTrace } from '../../src/trace/index.js';
import type { TraceEvent, TraceFormat } from '../../src/trace/index.js';

let bytes: Uint8Array;
let events: TraceEvent[];

/** An echo over real sockets with timers fired and cancelled, tasks, an error and a mark. */
async function record(ringBytes: number, rounds: number): Promise<Uint8Array> {
  const observer = new Recorder({ ringBytes });
  const reactor = new Reactor({ observer, onError: () => undefined });
  const listener = listen(reactor, {}, { data: (c, buffer, start, end) => void c.write(buffer, start, end) });
  let left = rounds;
  connect(
    reactor,
    { port: listener.address.port },
    {
      open: (connection) => void connection.write('hello'),
      data(connection) {
        reactor.setTimer(0, function soon() {});
        reactor.setTimer(1000, function never() {}).cancel();
        if (--left > 0) connection.write('hello');
        else connection.end();
      },
      close() {
        listener.close();
        observer.mark('a "mark"\n of two lines');
        throw new Error('of the close handler');
      },
    },
  );
  await reactor.run();
  reactor.close();
  return observer.toBytes();
}

beforeAll(async () => {
  bytes = await record(1024 * 1024, 20);
  events = [...readTrace(bytes)];
});

async function exported(format: TraceFormat, of = bytes): Promise<string> {
  const chunks: string[] = [];
  const writable = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk.toString());
      setImmediate(done);
    },
  });
  await exportTrace(of, format, writable);
  return chunks.join('');
}

interface ChromeEvent {
  name: string;
  ph: string;
  ts: number;
  pid: number;
  tid: number;
  cat?: string;
  id?: number;
  s?: string;
  args?: { name?: string };
}

/** The rules of the Trace Event Format that Perfetto and chrome://tracing rely on. */
function checkChrome(text: string): ChromeEvent[] {
  const { traceEvents } = JSON.parse(text) as { traceEvents: ChromeEvent[] };
  const stack: string[] = [];
  const open = new Set<number>();
  let lastTs = 0;
  for (const event of traceEvents) {
    expect(event).toMatchObject({
      name: expect.any(String) as string,
      pid: expect.any(Number) as number,
      tid: expect.any(Number) as number,
    });
    expect(event.ts).toBeGreaterThanOrEqual(lastTs);
    lastTs = event.ts;
    if (event.ph !== 'M') expect(event.cat).not.toBe('');
    switch (event.ph) {
      case 'M':
        expect(['process_name', 'thread_name']).toContain(event.name);
        expect(event.args?.name).toEqual(expect.any(String));
        break;
      case 'B':
        stack.push(event.name);
        break;
      case 'E':
        expect(stack.pop()).toBe(event.name);
        break;
      case 'b':
        expect(open.has(event.id!)).toBe(false);
        open.add(event.id!);
        break;
      case 'e':
        expect(open.delete(event.id!)).toBe(true);
        break;
      case 'i':
        expect(event.s).toBe('t');
        break;
      default:
        throw new Error(`phase ${event.ph}`);
    }
  }
  expect(stack).toEqual([]);
  return traceEvents;
}

describe('chrome', () => {
  test('is valid: fields of each phase, B and E nested, times that never go back, names of process and thread', async () => {
    const all = checkChrome(await exported('chrome'));
    const of = (ph: string, cat?: string) => all.filter((one) => one.ph === ph && (!cat || one.cat === cat));
    const count = (type: string) => events.filter((event) => event.type === type).length;
    expect(of('M').map(({ name }) => name)).toEqual(['process_name', 'thread_name']);
    expect(of('B', 'turn')).toHaveLength(count('turnBegin'));
    expect(of('B', 'wait')).toHaveLength(count('waitBegin'));
    expect(of('B', 'item')).toHaveLength(count('itemBegin'));
    expect(of('i', 'call')).toHaveLength(count('call'));
    expect(of('b', 'timer')).toHaveLength(count('timerSet'));
    expect(of('e', 'timer')).toHaveLength(count('timerSet'));
  });
  test('is valid too where the ring begins in the middle', async () => {
    const late = await record(16 * 1024, 200);
    expect(readTrace(late).header.lost).toBeGreaterThan(0);
    expect(checkChrome(await exported('chrome', late)).length).toBeGreaterThan(50);
  });
});

describe('jsonl', () => {
  test('has one object per event between a header and an end, with the same fields', async () => {
    const lines = (await exported('jsonl')).trimEnd().split('\n');
    const objects = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(objects[0]).toMatchObject({ type: 'header', version: 1, pid: process.pid });
    expect(objects.at(-1)).toEqual({ type: 'end', truncated: false });
    const asJson = JSON.parse(JSON.stringify(events)) as Record<string, unknown>[];
    const without = objects.slice(1, -1).map(({ flags: _, ...rest }) => rest);
    expect(without).toEqual(asJson);
  });
  test('gives the mechanism’s own flags by name', async () => {
    const { poller } = new Reactor();
    const kind = poller.kind;
    poller.close();
    const names = {
      epoll: 'EPOLLIN',
      poll: 'POLLIN',
      select: 'readfds',
      kqueue: 'EVFILT_READ',
      uring: 'EPOLLIN',
      scripted: '',
      spin: '',
    };
    expect(await exported('jsonl')).toContain(`"flags":"${names[kind]}`);
  });
});

describe('text', () => {
  test('is one line per event, and says what happened', async () => {
    const text = await exported('text');
    const lines = text.trimEnd().split('\n');
    const marks = 1; // is shown as it is, with its line break
    expect(lines).toHaveLength(1 + events.length + marks);
    for (const part of [
      /turn 2/,
      /recv\(\d+, 0, \d+\) = 5/,
      /timer \d+ cancelled/,
      /: soon/,
      /threw Error: of the close handler/,
      /connect\(\d+, 127\.0\.0\.1:\d+\) = EINPROGRESS/,
      /-- a "mark"/,
    ]) {
      expect(text).toMatch(part);
    }
  });
  test('says that the end is missing', async () => {
    expect(await exported('text', bytes.subarray(0, bytes.length - 3))).toMatch(
      /# the end of the trace is missing/,
    );
  });
});

describe('exportTrace()', () => {
  test('keeps to the pace of the stream', async () => {
    const long = await record(4 * 1024 * 1024, 2000);
    let held = 0;
    let most = 0;
    const slow = new Writable({
      highWaterMark: 1024,
      write(chunk: Buffer, _encoding, done) {
        held += chunk.length;
        most = Math.max(most, held + slow.writableLength - chunk.length);
        setImmediate(() => {
          held -= chunk.length;
          done();
        });
      },
    });
    await exportTrace(long, 'jsonl', slow);
    expect(most).toBeLessThan(256 * 1024);
  });
  test('fails with the stream’s error, and refuses an unknown format', async () => {
    const broken = new Writable({ write: (_chunk, _encoding, done) => done(new Error('broken pipe')) });
    await expect(exportTrace(await record(4 * 1024 * 1024, 500), 'text', broken)).rejects.toThrow();
    await expect(exportTrace(bytes, 'xml' as never, broken)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    expect(TRACE_FORMATS).toEqual(['jsonl', 'chrome', 'text']);
  });
  test('names raw flags, known or not', () => {
    expect(describeRaw('epoll', 0x2011)).toBe('EPOLLIN|EPOLLHUP|EPOLLRDHUP');
    expect(describeRaw('poll', 0x21)).toBe('POLLIN|POLLNVAL');
    expect(describeRaw('kqueue', (1 << 16) | 0x8000)).toBe('EVFILT_READ|EV_EOF');
    expect(describeRaw('epoll', 0x10001)).toBe('EPOLLIN|0x10000');
    expect(describeRaw('scripted', 1)).toBe('');
  });
});
