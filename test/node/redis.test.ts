// ioredis, unmodified, over the bridge, against a real Redis server.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { redisConnector } from '../../src/node/index.js';
import { hasRedis, runNode, startRedis, type RedisServer } from './servers.js';

const title = hasRedis ? 'ioredis over underloop/node' : 'ioredis (skipped: redis-server is not installed)';

describe.skipIf(!hasRedis)(title, () => {
  let server: RedisServer;
  const clients: Redis[] = [];
  const client = (): Redis => {
    const made = new Redis({ port: server.port, Connector: redisConnector() as never });
    clients.push(made);
    return made;
  };

  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(async () => {
    for (const one of clients) one.disconnect();
    await server.stop();
  });

  it('answers commands in their order', async () => {
    const redis = client();
    const answers = await Promise.all(Array.from({ length: 2000 }, () => redis.incr('counter')));
    expect(answers).toEqual(Array.from({ length: 2000 }, (_, i) => i + 1));
  });
  it('sends a pipeline', async () => {
    const pipeline = client().pipeline();
    for (let i = 0; i < 1000; i++) pipeline.set(`key:${i}`, i).get(`key:${i}`);
    const results = (await pipeline.exec())!;
    expect(results.filter((_, i) => i % 2 === 1).map(([, value]) => value)).toEqual(
      Array.from({ length: 1000 }, (_, i) => String(i)),
    );
  });
  it('carries large values', async () => {
    const redis = client();
    const value = randomBytes(8 * 1024 * 1024);
    await redis.set('large', value);
    expect((await redis.getBuffer('large'))!.equals(value)).toBe(true);
  });
  it('hears everything that is published', async () => {
    const [subscriber, publisher] = [client(), client()];
    await subscriber.subscribe('news');
    const heard: string[] = [];
    const all = new Promise<void>((resolve) => {
      subscriber.on('message', (_channel, message) => {
        heard.push(message);
        if (heard.length === 500) resolve();
      });
    });
    await Promise.all(Array.from({ length: 500 }, (_, i) => publisher.publish('news', String(i))));
    await all;
    expect(heard).toEqual(Array.from({ length: 500 }, (_, i) => String(i)));
  });
  it('connects again when its connection is killed', async () => {
    const [redis, admin] = [client(), client()];
    const id = await redis.client('ID');
    const closed = once(redis, 'close');
    await admin.client('KILL', 'ID', String(id));
    await closed;
    expect(await redis.ping()).toBe('PONG');
    expect(await redis.client('ID')).not.toBe(id);
  });
  it('runs the example, which ends by itself', async () => {
    const outcome = await runNode(['examples/node/redis.js'], {
      REDIS_URL: `redis://127.0.0.1:${server.port}`,
    });
    expect(outcome).toEqual({ code: 0, stdout: 'hello\n100 commands in one pipeline\n', stderr: '' });
  });
});
