// The calls of a kernel that are no hot path: whoever stands in front of a kernel treats them all alike.

import type { Kernel } from './kernel.js';

export const RARE_CALLS = [
  'socket',
  'bind',
  'listen',
  'connect',
  'shutdown',
  'setOption',
  'getOption',
  'localAddress',
  'peerAddress',
  'setMembership',
  'openReserve',
  'inspect',
  'adopt',
  'socketFile',
  'unlink',
  'socketPair',
  'pipe',
] as const satisfies readonly (keyof Kernel)[];
