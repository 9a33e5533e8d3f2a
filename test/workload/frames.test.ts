// The wire protocol's codec: what is written is read again, however it is cut, and what is wrong is refused early.

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CPU_US_MAX,
  PAYLOAD_BYTES_MAX,
  REPLY_HEADER_BYTES,
  REQUEST_HEADER_BYTES,
  ReplyParser,
  RequestParser,
  STATUS_REASONS,
  UpstreamParser,
  WAIT_MS_MAX,
  encodeReplyHeader,
  encodeRequest,
  encodeUpstream,
  readUint64,
  writeUint32,
  writeUint64,
} from '../../src/workload/frames.js';

const uint32 = fc.integer({ min: 0, max: 0xffffffff });

interface Request {
  id: number;
  cpuUs: number;
  waitMs: number;
  payload: Uint8Array;
}
const requests = fc.array(
  fc.record({
    id: uint32,
    cpuUs: fc.integer({ min: 0, max: CPU_US_MAX }),
    waitMs: fc.integer({ min: 0, max: WAIT_MS_MAX }),
    payload: fc.uint8Array({ maxLength: 200 }),
  }),
  { maxLength: 8 },
);

function encodeAll(all: readonly Request[]): Uint8Array {
  const bytes = new Uint8Array(all.reduce((sum, one) => sum + REQUEST_HEADER_BYTES + one.payload.length, 0));
  let at = 0;
  for (const one of all) at += encodeRequest(bytes, at, one.id, one.cpuUs, one.waitMs, one.payload);
  expect(at).toBe(bytes.length);
  return bytes;
}

/** Feeds pieces of these sizes, again and again, each from a buffer that is overwritten once it was parsed. */
function parsePieces(
  bytes: Uint8Array,
  sizes: readonly number[],
): { found: Request[]; parser: RequestParser } {
  const parser = new RequestParser();
  const found: Request[] = [];
  const lent = new Uint8Array(1024);
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const count = Math.min(sizes[turn % sizes.length]!, bytes.length - at);
    lent.set(bytes.subarray(at, at + count), 3);
    parser.feed(lent, 3, 3 + count);
    while (parser.next()) {
      expect(parser.status).toBe(0);
      const payload = parser.bytes.slice(parser.payloadStart, parser.end);
      found.push({ id: parser.id, cpuUs: parser.cpuUs, waitMs: parser.waitMs, payload });
    }
    lent.fill(0xdb);
    at += count;
  }
  return { found, parser };
}

describe('requests', () => {
  it('are found again however the stream is cut', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(requests, sizes, (all, pieces) => {
        const { found, parser } = parsePieces(encodeAll(all), pieces);
        expect(found).toEqual(all);
        expect(parser.partial).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  it('that are not complete say so, with their id once it has come', () => {
    const bytes = encodeAll([{ id: 77, cpuUs: 1, waitMs: 2, payload: new Uint8Array(5) }]);
    for (let length = 1; length < bytes.length; length++) {
      const { found, parser } = parsePieces(bytes.subarray(0, length), [1000]);
      expect(found).toEqual([]);
      expect(parser.partial).toBe(true);
      expect(parser.partialId).toBe(length < 8 ? 0 : 77);
    }
  });

  it.each([
    ['a length too small for an id', [3], 4, 1, 0],
    ['a length of nothing', [0], 4, 1, 0],
    ['a length too small for the header', [11, 9], 8, 1, 9],
    ['a length that leaves only the id', [4, 9], 8, 1, 9],
    ['a payload one byte too long', [12 + PAYLOAD_BYTES_MAX + 1, 9], 8, 2, 9],
    ['the longest length there is', [0xffffffff, 9], 8, 2, 9],
    ['too much work', [12, 9, CPU_US_MAX + 1], 12, 3, 9],
    ['too long a wait', [12, 9, 0, WAIT_MS_MAX + 1], 16, 4, 9],
    ['work before wait when both are wrong', [12, 9, 0xffffffff, 0xffffffff], 12, 3, 9],
  ])('are refused for %s as soon as that can be seen', (_, fields, seenAfter, status, id) => {
    const bytes = new Uint8Array(64).fill(0xff);
    fields.forEach((field, i) => writeUint32(bytes, 4 * i, field));
    for (const size of [1, 3, 64]) {
      const parser = new RequestParser();
      for (let at = 0; at < bytes.length; at += size) {
        parser.feed(bytes, at, Math.min(at + size, bytes.length));
        if (at + size < seenAfter) expect(parser.next()).toBe(false);
        else {
          expect(parser.next()).toBe(true);
          expect([parser.status, parser.id]).toEqual([status, id]);
          break;
        }
      }
      // Once only: nothing after a bad frame can be trusted.
      expect(parser.next()).toBe(false);
      parser.feed(bytes, 0, bytes.length);
      expect(parser.next()).toBe(false);
    }
  });

  it('may have the longest payload, and the largest numbers', () => {
    const payload = new Uint8Array(PAYLOAD_BYTES_MAX).fill(7);
    const bytes = encodeAll([{ id: 0xffffffff, cpuUs: CPU_US_MAX, waitMs: WAIT_MS_MAX, payload }]);
    const parser = new RequestParser();
    parser.feed(bytes, 0, bytes.length);
    expect(parser.next()).toBe(true);
    expect([parser.status, parser.id, parser.cpuUs, parser.waitMs]).toEqual([
      0,
      0xffffffff,
      CPU_US_MAX,
      WAIT_MS_MAX,
    ]);
    expect(parser.end - parser.payloadStart).toBe(PAYLOAD_BYTES_MAX);
  });

  it('make a parser hold what has come, not what their length promises', () => {
    const parser = new RequestParser();
    const header = new Uint8Array(REQUEST_HEADER_BYTES);
    writeUint32(header, 0, 12 + PAYLOAD_BYTES_MAX);
    parser.feed(header, 0, header.length);
    expect(parser.next()).toBe(false);
    const { pending } = parser as unknown as { pending: Uint8Array };
    expect(pending.length).toBeLessThanOrEqual(64);
  });
});

describe('replies', () => {
  const stamps = {
    thread: 4_000_000_000,
    receivedNs: 2 ** 53 - 1,
    waitStartedNs: 2 ** 32,
    waitEndedNs: 2 ** 32 + 1,
    sentNs: 2 ** 32 - 1,
    cpuNs: 1,
    runDelayNs: 0,
  };

  it('carry id, status, payload and every stamp exactly', () => {
    const bytes = new Uint8Array(REPLY_HEADER_BYTES + 3);
    expect(encodeReplyHeader(bytes, 0, 0xfffffffe, 5, 3, stamps)).toBe(REPLY_HEADER_BYTES);
    bytes.set([1, 2, 3], REPLY_HEADER_BYTES);
    for (const size of [1, 7, bytes.length]) {
      const parser = new ReplyParser();
      for (let at = 0; at < bytes.length; at += size) {
        parser.feed(bytes, at, Math.min(at + size, bytes.length));
        expect(parser.next()).toBe(at + size >= bytes.length);
      }
      expect(parser).toMatchObject({ ...stamps, id: 0xfffffffe, status: 5, error: null });
      expect([...parser.bytes.subarray(parser.payloadStart, parser.end)]).toEqual([1, 2, 3]);
    }
  });

  it.each([0, REPLY_HEADER_BYTES - 5, REPLY_HEADER_BYTES - 4 + PAYLOAD_BYTES_MAX + 1, 0xffffffff])(
    'whose length is %i are no replies',
    (length) => {
      const bytes = new Uint8Array(8);
      writeUint32(bytes, 0, length);
      const parser = new ReplyParser();
      parser.feed(bytes, 0, 8);
      expect(parser.next()).toBe(true);
      expect(parser.error).toContain(`got ${String(length)}`);
      expect(parser.next()).toBe(false);
    },
  );
});

describe('numbers', () => {
  it('of 64 bits are little-endian and exact up to 2^53', () => {
    const bytes = new Uint8Array(8);
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        writeUint64(bytes, 0, value);
        expect(new DataView(bytes.buffer).getBigUint64(0, true)).toBe(BigInt(value));
        expect(readUint64(bytes, 0)).toBe(value);
      }),
    );
  });
});

describe('upstream frames', () => {
  it('are found again however the stream is cut', () => {
    const bytes = new Uint8Array(16);
    encodeUpstream(bytes, encodeUpstream(bytes, 0, 1, 2), 3, 0xffffffff);
    const parser = new UpstreamParser();
    const found: number[] = [];
    for (let at = 0; at < 16; at++) {
      parser.feed(bytes, at, at + 1);
      while (parser.next()) found.push(parser.id, parser.waitMs);
    }
    expect(found).toEqual([1, 2, 3, 0xffffffff]);
  });
});

it('the C++ codec has the same limits and the same words for what is wrong', () => {
  const header = readFileSync(new URL('../../native/blocking/frames.h', import.meta.url), 'utf8');
  const table = /kStatusReasons\[\] = \{([^}]*)\}/.exec(header)?.[1] ?? '';
  expect([...table.matchAll(/"([^"]*)"/g)].map((match) => match[1])).toEqual(STATUS_REASONS);
  const constant = (name: string): number => {
    const text = new RegExp(`${name} = ([^;]+);`).exec(header)?.[1] ?? '';
    return text
      .replaceAll("'", '')
      .split('*')
      .reduce((product, factor) => product * Number(factor), 1);
  };
  expect(constant('kPayloadBytesMax')).toBe(PAYLOAD_BYTES_MAX);
  expect(constant('kCpuUsMax')).toBe(CPU_US_MAX);
  expect(constant('kWaitMsMax')).toBe(WAIT_MS_MAX);
  expect(constant('kRequestHeaderBytes')).toBe(REQUEST_HEADER_BYTES);
  expect(constant('kReplyHeaderBytes')).toBe(REPLY_HEADER_BYTES);
});
