// The synchronous Redis client of the examples: its codec, and against a real server with ioredis as the judge.

import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectRedis, type RedisConnection } from '../../examples/lib/redis-sync.js';
import { redisMissing, startRedis } from '../../examples/lib/redis-server.js';
import type { DatabaseServer } from '../../examples/lib/postgres-server.js';
import { Decoder, RedisError, encodeCommand, type Answer } from '../../examples/lib/resp.js';
import { thrown } from '../reactor/fixture.js';

describe('RESP', () => {
  const text = fc.string({ unit: 'grapheme' });
  const line = text.map((value) => value.replaceAll(/[\r\n]/g, ' '));
  const answer = fc.letrec<{ value: Answer }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      text,
      fc.integer(),
      fc.constant(null),
      line.map((message) => new RedisError(message)),
      fc.array(tie('value')),
    ),
  })).value;

  /** As the server writes it. */
  function encoded(value: Answer): string {
    if (value === null) return '$-1\r\n';
    if (typeof value === 'number') return `:${String(value)}\r\n`;
    if (typeof value === 'string') return `$${String(Buffer.byteLength(value))}\r\n${value}\r\n`;
    if (value instanceof RedisError) return `-${value.message}\r\n`;
    return `*${String(value.length)}\r\n${value.map(encoded).join('')}`;
  }

  test('answers in any pieces are the same answers', () => {
    const pieces = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 });
    fc.assert(
      fc.property(fc.array(answer), pieces, (answers, sizes) => {
        const bytes = Buffer.from(answers.map(encoded).join(''));
        const decoder = new Decoder();
        const decoded: Answer[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = sizes[i % sizes.length]!;
          decoder.feed(bytes.subarray(at, at + size));
          at += size;
          for (let next = decoder.next(); next !== null; next = decoder.next()) decoded.push(next.value);
        }
        expect(decoded).toEqual(answers);
      }),
      { numRuns: 200 },
    );
  });

  test('commands count bytes, not characters', () => {
    expect(String(encodeCommand(['SET', 'ü', 7]))).toBe('*3\r\n$3\r\nSET\r\n$2\r\nü\r\n$1\r\n7\r\n');
  });

  test('what is no answer is refused', () => {
    const decoder = new Decoder();
    decoder.feed(Buffer.from('HTTP/1.1 400 Bad Request\r\n'));
    expect(() => decoder.next()).toThrow(/not Redis/);
  });
});

const missing = redisMissing();
describe.skipIf(missing !== null)(
  `against a server${missing === null ? '' : ` (skipped: ${missing})`}`,
  () => {
    let server: DatabaseServer;
    let redis: RedisConnection;
    let judge: Redis;
    beforeAll(async () => {
      server = startRedis();
      const url = await server.started;
      redis = connectRedis(url);
      judge = new Redis(url);
    });
    afterAll(async () => {
      redis?.close();
      judge?.disconnect();
      await server?.stop();
    });

    test('the same answers as ioredis gets', async () => {
      await judge.rpush('list', 'a', 'b', '');
      const commands: [string, ...(string | number)[]][] = [
        ['SET', 'text', 'grüße\r\n'],
        ['GET', 'text'],
        ['GET', 'nothing'],
        ['LRANGE', 'list', 0, -1],
        ['TYPE', 'list'],
        ['LLEN', 'list'],
        ['BLPOP', 'empty', 0.01],
        ['SET', 'large', 'x'.repeat(300_000)],
        ['GET', 'large'],
      ];
      for (const command of commands) {
        expect(redis.command(...command), command.join(' ').slice(0, 40)).toEqual(
          await judge.call(...command),
        );
      }
    });

    test('an error is thrown, and the connection goes on', () => {
      const error = thrown(() => redis.command('INCR', 'text'));
      expect(error).toBeInstanceOf(RedisError);
      expect(redis.command('PING')).toBe('PONG');
    });
  },
);
