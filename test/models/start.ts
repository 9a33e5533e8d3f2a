// Starts a model for a test: here, or, where its blocking calls would stop the test itself, in a process of its own.

import type { Counters, Model, ModelOptions, RunningModel, Workload } from '../../src/models/model.js';
import { ServerProcess } from './process.js';

export async function startModel(
  model: Model,
  workload: Workload,
  options: ModelOptions = {},
): Promise<RunningModel> {
  if (model.name !== 'blocking-in-loop') return model.start(workload, options);
  const server = await ServerProcess.start('models/serve.js', [
    '--model',
    model.name,
    '--upstream',
    String(workload.upstreamPort),
    '--requests-per-connection',
    String(workload.requestsPerConnection),
  ]);
  return {
    address: { family: 4, host: '127.0.0.1', port: server.ready.port },
    counters: async () => (await server.counters()) as unknown as Counters,
    stop: () => server.end(),
  };
}
