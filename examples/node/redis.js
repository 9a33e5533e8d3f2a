// ioredis over the reactor: REDIS_URL=redis://127.0.0.1:6379 node examples/node/redis.js

import { Redis } from 'ioredis';
import { redisConnector } from '../../dist/node/index.js'; // in a program of yours: from 'underloop/node'

const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379', { Connector: redisConnector() });
await redis.set('underloop:example', 'hello');
console.log(await redis.get('underloop:example'));
const pipeline = redis.pipeline();
for (let i = 0; i < 100; i++) pipeline.incr('underloop:count');
const results = await pipeline.exec();
console.log(`${results.length} commands in one pipeline`);
await redis.del('underloop:example', 'underloop:count');
await redis.quit();
