// The timeline of a wait: rows from stamps, what the three sources leave over, the drawing, and groups of threads.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { drawTimeline } from '../../src/compare/render/wait.js';
import {
  serverThreads,
  timeline,
  unexplainedShare,
  type TimelineRow,
} from '../../src/compare/workloads/wait.js';
import type { RequestRecord } from '../../src/load/result.js';
import { known, unavailable, type ProcessSnapshot } from '../../src/probe/index.js';

const MS = 1e6;

function record(id: number, atMs: number, changes: Partial<RequestRecord> = {}): RequestRecord {
  const at = (ms: number): number => 5e15 + (atMs + ms) * MS;
  return {
    id,
    status: 0,
    intendedNs: at(0),
    requestedNs: at(0),
    receivedNs: at(1),
    waitStartedNs: at(3),
    waitEndedNs: at(103),
    sentNs: at(106),
    repliedNs: at(107),
    thread: 100 + id,
    cpuNs: 3 * MS,
    runDelayNs: 1.5 * MS,
    ...changes,
  };
}

describe('timeline', () => {
  test('counts from the first send, in the order in which requests were read', () => {
    const rows = timeline([record(1, 50), record(2, 0)]);
    expect(rows.map(({ thread }) => thread)).toEqual([102, 101]);
    expect(rows[1]).toEqual({
      sentMs: 50,
      receivedMs: 51,
      waitStartedMs: 53,
      waitEndedMs: 153,
      answeredMs: 156,
      repliedMs: 157,
      workingMs: 3,
      runnableMs: 1.5,
      waitingMs: 100,
      thread: 101,
    });
  });

  test('of nothing is nothing', () => {
    expect(timeline([])).toEqual([]);
  });

  test('what working, runnable and waiting leave of the time in the server has its sign', () => {
    const [row] = timeline([record(1, 0)]);
    expect(unexplainedShare(row!)).toBeCloseTo((105 - 3 - 1.5 - 100) / 105, 9);
    expect(unexplainedShare({ ...row!, workingMs: 10 })).toBeLessThan(0);
  });
});

describe('drawTimeline', () => {
  const row: TimelineRow = {
    sentMs: 0,
    receivedMs: 20,
    waitStartedMs: 40,
    waitEndedMs: 80,
    answeredMs: 100,
    repliedMs: 100,
    workingMs: 0,
    runnableMs: 0,
    waitingMs: 0,
    thread: 1,
  };

  test('dots until it is read, brackets around work, dashes while it waits', () => {
    expect(drawTimeline(row, 100, 10)).toBe('..[###]---[##]');
    expect(drawTimeline(row, 200, 10)).toBe('.[##]-[##]');
  });

  test('what is shorter than a column has one; what ends at the end stays within', () => {
    expect(drawTimeline({ ...row, receivedMs: 0, waitStartedMs: 0.01, waitEndedMs: 99.99 }, 100, 10)).toBe(
      '[#]--------[#]',
    );
  });

  test('has the width of its part of the scale, and the four brackets', () => {
    const steps = fc.array(fc.double({ min: 0, max: 1000, noNaN: true }), { minLength: 5, maxLength: 5 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 4, max: 120 }), (times, width) => {
        const [sentMs, receivedMs, waitStartedMs, waitEndedMs, answeredMs] = times.toSorted(
          (a, b) => a - b,
        ) as [number, number, number, number, number];
        const text = drawTimeline(
          { ...row, sentMs, receivedMs, waitStartedMs, waitEndedMs, answeredMs },
          1000,
          width,
        );
        expect(text).toMatch(/^ *\.*\[#+\]-*(\[#+\])?$/);
        expect(text.replaceAll(/[[\]]/g, '').length).toBeLessThanOrEqual(width);
      }),
    );
  });
});

describe('serverThreads', () => {
  const PID = 50;
  type Call =
    { kind: 'call'; number: number; name: string | null; fd: number | null } | { kind: 'running' } | null;
  function snapshot(threads: readonly (readonly [id: number, name: string, call: Call])[]): ProcessSnapshot {
    return {
      pid: PID,
      threads: known(
        threads.map(([threadId, name, call]) => ({
          threadId,
          name,
          sleep: { call: call === null ? unavailable('no permission') : known(call, 'a test') },
        })),
        'a test',
      ),
    } as unknown as ProcessSnapshot;
  }
  const recv = (fd: number): Call => ({ kind: 'call', number: 45, name: 'recvfrom', fd });
  const futex: Call = { kind: 'call', number: 202, name: 'futex', fd: null };

  test('blocking threads serve, each on a descriptor of its own; the runtime does not', () => {
    const groups = serverThreads(
      snapshot([
        [PID, 'node', { kind: 'call', number: 281, name: 'epoll_pwait', fd: 9 }],
        [51, 'node', futex],
        [52, 'node', futex],
        [53, 'ul-serve', recv(20)],
        [54, 'ul-serve', recv(21)],
        [55, 'ul-serve', { kind: 'running' }],
        [56, 'ul-accept', { kind: 'call', number: 288, name: null, fd: 18 }],
      ]),
    );
    expect(groups).toEqual([
      { name: 'node (main)', count: 1, call: 'epoll_pwait', descriptors: 1, serves: false },
      { name: 'node', count: 2, call: 'futex', descriptors: null, serves: false },
      { name: 'ul-serve', count: 2, call: 'recvfrom', descriptors: 2, serves: true },
      { name: 'ul-serve', count: 1, call: 'running', descriptors: null, serves: true },
      { name: 'ul-accept', count: 1, call: 'system call 288', descriptors: 1, serves: false },
    ]);
  });

  test('threads that share a descriptor are counted with one; a loop serves with its main thread only', () => {
    const shared = serverThreads(
      snapshot([
        [PID, 'node', { kind: 'running' }],
        [51, 'ul-serve', recv(7)],
        [52, 'ul-serve', recv(7)],
      ]),
    );
    expect(shared[1]).toMatchObject({ count: 2, descriptors: 1 });
    const loop = serverThreads(
      snapshot([
        [PID, 'node', null],
        [51, 'node', futex],
      ]),
    );
    expect(loop).toEqual([
      { name: 'node (main)', count: 1, call: 'unknown: no permission', descriptors: null, serves: true },
      { name: 'node', count: 1, call: 'futex', descriptors: null, serves: false },
    ]);
  });

  test('threads that cannot be read are no groups', () => {
    expect(serverThreads({ pid: PID, threads: unavailable('gone') } as unknown as ProcessSnapshot)).toEqual(
      [],
    );
  });
});
