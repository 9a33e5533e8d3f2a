// What a figure depends on besides the code: machine, kernel, runtime, and what was pinned where.

import os from 'node:os';

/** @param {ReturnType<typeof import('./processes.js').choosePinning>} pinning */
export function describeEnvironment(pinning) {
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${os.release()}`,
    node: process.version,
    pinning,
  };
}

/** @param {ReturnType<typeof describeEnvironment>} environment */
export function formatEnvironment({ cpu, cores, memoryGiB, kernel, node, pinning }) {
  const pins =
    pinning.reason === null
      ? `servers on core ${pinning.serverCpu}, client on core ${pinning.clientCpu}`
      : `nothing is pinned: ${pinning.reason}`;
  return `${cpu}, ${cores} cores, ${memoryGiB} GiB; ${kernel}; Node ${node}\n${pins}`;
}
