// UDP echo: what one datagram costs the server in CPU time, as a ratio to recvmmsg and sendmmsg in C, and in allocation.

import { fileURLToPath } from 'node:url';
import { measureAllocations } from './allocations.js';
import { echoFailed, formatEcho, runEcho } from './echo.js';
import { limitProgram } from './lib/limit.js';
import { formatTable } from './lib/table.js';

const BASELINE = 'c-mmsg';
const CLIENT = 'udp_client';

const script = fileURLToPath(new URL('servers/udp.js', import.meta.url));
const server = (kind) => ({ command: [process.execPath, script, kind] });

const SERVERS = {
  [BASELINE]: { command: [limitProgram('udp_echo')] },
  [`${BASELINE}-again`]: { command: [limitProgram('udp_echo')] },
  reactor: server('reactor'),
  'reactor-single': server('reactor-single'),
  'node-dgram': server('node-dgram'),
};

const cell = (title, connections, depth, sizeBytes) => ({
  title,
  connections,
  depth,
  sizeBytes,
  oneCore: false,
  load: [limitProgram(CLIENT), '--depth', depth],
});
const CELLS = {
  'udp-64x64B': cell('64 sockets, 64 B', 64, 1, 64),
  'udp-8x16deep': cell('8 sockets, 16 datagrams of 64 B under way on each', 8, 16, 64),
  'udp-64x1400B': cell('64 sockets, 1,400 B', 64, 1, 1400),
};

export async function runUdp(options, pinning, progress) {
  const chosen = { ...options, cells: Object.keys(CELLS), servers: Object.keys(SERVERS) };
  const echo = await runEcho(chosen, pinning, progress, SERVERS, BASELINE, CELLS);
  const allocations = [];
  for (const kind of ['reactor', 'node-dgram']) {
    progress.line(`udp: allocations, ${kind}`);
    allocations.push({ kind, ...(await measureAllocations(kind, 64, pinning, { script, client: CLIENT })) });
  }
  return { echo, allocations };
}

export const udpFailed = ({ echo }) => echoFailed(echo);

export function formatUdp({ echo, allocations }) {
  const rows = [['UDP echo of 64 B', 'datagrams', 'heap bytes per datagram', 'collections meanwhile']];
  for (const { kind, messages, bytesPerMessage, collections } of allocations) {
    rows.push([kind, String(messages), bytesPerMessage.toFixed(2), String(collections)]);
  }
  return `UDP. ${formatEcho(echo)}\n\n${formatTable(rows)}`;
}
