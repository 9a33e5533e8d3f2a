// A model as a process of its own: node dist/models/serve.js --model threads --port 0 --upstream 7001

import { argumentError } from '../errors.js';
import { runProcess } from '../workload/process.js';
import { findModel, modelNames } from './models.js';

const options = [
  'model',
  'host',
  'port',
  'upstream',
  'threads',
  'stack-kib',
  'requests-per-connection',
  'backlog',
  'queue',
  'reuse-port',
];

await runProcess(options, async (flags) => {
  const name = flags.text('model');
  if (name === undefined) throw argumentError('--model', `one of ${modelNames.join(', ')}`, name);
  const model = findModel(name);
  const host = flags.text('host');
  const threads = flags.integer('threads', 1, 32_768);
  const stackKib = flags.integer('stack-kib', 64, 1024 * 1024);
  const queueMax = flags.integer('queue', 0, 1024 * 1024);
  const reusePort = flags.integer('reuse-port', 0, 1);
  const backlog = flags.integer('backlog', 1, 65_535);
  const running = await model.start(
    {
      upstreamPort: flags.integer('upstream', 0, 65_535) ?? 0,
      requestsPerConnection: flags.integer('requests-per-connection', 0, 0x7fffffff) ?? 0,
    },
    {
      port: flags.integer('port', 0, 65_535) ?? 0,
      ...(host !== undefined && { host }),
      ...(threads !== undefined && { threads }),
      ...(stackKib !== undefined && { stackKib }),
      ...(queueMax !== undefined && { queueMax }),
      ...(reusePort !== undefined && { reusePort: reusePort === 1 }),
      ...(backlog !== undefined && { backlog }),
    },
  );
  return {
    ready: { port: running.address.port, model: model.name },
    counters: () => running.counters(),
    stop: () => running.stop(),
  };
});
