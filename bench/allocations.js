// How many bytes one message allocates on the JavaScript heap: the hot path of the reactor is meant to allocate none.

import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { limitProgram } from './lib/limit.js';
import { Server, runToEnd } from './lib/processes.js';
import { formatTable } from './lib/table.js';

const TIMEOUT_MS = 30_000;
/** Until the compiler has settled: interpreted code allocates what compiled code does not. */
const WARMUP_MS = 3000;
const DURATION_MS = 2000;
const SETTLE_MS = 500;

const heapServer = fileURLToPath(new URL('servers/heap.js', import.meta.url));

export async function measureAllocations(
  kind,
  connections,
  pinning,
  { script = heapServer, client: clientProgram = 'client' } = {},
) {
  const command = [
    process.execPath,
    '--max-semi-space-size=1024',
    '--min-semi-space-size=1024',
    script,
    kind,
  ];
  const server = await Server.start(command, pinning.serverCpu);
  const client = [
    limitProgram(clientProgram),
    '--port',
    String(server.port),
    '--connections',
    String(connections),
  ];
  client.push(
    '--size',
    '64',
    '--warmup-ms',
    '0',
    '--duration-ms',
    String(WARMUP_MS + DURATION_MS + SETTLE_MS),
  );
  client.push('--server-pid', String(server.pid), '--json');
  const ask = async () => JSON.parse(await server.ask('heap', TIMEOUT_MS));
  try {
    // Both looks are taken while the load runs, so that what connecting allocates is in neither.
    const load = runToEnd(client, pinning.clientCpu, TIMEOUT_MS);
    await sleep(WARMUP_MS);
    await ask(); // the first question compiles what answers it
    await sleep(SETTLE_MS);
    const before = await ask();
    await sleep(DURATION_MS);
    const after = await ask();
    const { code, ending } = await load;
    if (code !== 0) throw new Error(`the client ${ending}`);
    const messages = after.messages - before.messages;
    return {
      connections,
      messages,
      collections: after.collections - before.collections,
      bytesPerMessage: (after.heapBytes - before.heapBytes) / messages,
    };
  } finally {
    await server.stop();
  }
}

export async function runAllocations(_options, pinning, progress) {
  const result = [];
  for (const kind of ['reactor', 'node-net']) {
    for (const connections of [1, 64]) {
      progress.line(`allocations: ${kind}, ${connections} connections`);
      result.push({ kind, ...(await measureAllocations(kind, connections, pinning)) });
    }
  }
  return result;
}

export function allocationsFailed() {
  return false;
}

export function formatAllocations(result) {
  const rows = [
    ['echo of 64 B', 'connections', 'messages', 'heap bytes per message', 'collections meanwhile'],
  ];
  for (const { kind, connections, messages, bytesPerMessage, collections } of result) {
    rows.push([kind, String(connections), String(messages), bytesPerMessage.toFixed(2), String(collections)]);
  }
  return (
    'Allocation: growth of the used JavaScript heap per message while the load runs; with a young ' +
    `generation so large that nothing is collected. A row with a collection in it says too little.\n\n${formatTable(rows)}`
  );
}
