// What an idle connection costs a server in user-space memory: the slope of its resident pages from 1,000 to 15,000 connections.

import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { runAlone } from './lib/alone.js';
import { growthByClass } from './lib/heap-snapshot.js';
import { limitProgram } from './lib/limit.js';
import { Server, runToEnd } from './lib/processes.js';
import { seededRandom, shuffled, summarise } from './lib/statistics.js';
import { formatTable } from './lib/table.js';

const POINTS = [1000, 5000, 10_000, 15_000];
/** Bytes of user space for each connection of ours. */
const BAR = 400;
const GOAL = 100;
/** Rounds beyond this add little: a slope hardly depends on what else the machine does. */
const ROUNDS_MAX = 6;
const TIMEOUT_MS = 60_000;
const POLL_MS = 20;
const WARMUP_MS = 500;
/** Rows of the table of classes. */
const CLASSES_MAX = 8;

const program = fileURLToPath(new URL('servers/memory.js', import.meta.url));
const javascript = (kind) => ({ command: [process.execPath, '--expose-gc', program, kind], heap: true });
const SERVERS = {
  'c-epoll': { command: [limitProgram('epoll_echo')], heap: false },
  reactor: javascript('reactor'),
  'node-net': javascript('node-net'),
};
const KNOWN = {
  cells: [],
  servers: Object.keys(SERVERS),
  defaultServers: Object.keys(SERVERS),
  parts: ['memory'],
};

const countDescriptors = (pid) => readdirSync(`/proc/${pid}/fd`).length;

/** A connection is there for the client before the server has accepted it: the server's own descriptors tell. */
async function accepted(pid, wanted) {
  const endMs = Date.now() + TIMEOUT_MS;
  while (countDescriptors(pid) < wanted) {
    if (Date.now() > endMs) throw new Error(`${wanted} descriptors were not open after ${TIMEOUT_MS} ms`);
    await sleep(POLL_MS);
  }
}

/** Pages of the process, each shared one divided by those who share it. */
function pssBytes(pid) {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+) kB$/m.exec(text)[1]) * 1024;
}

/** A little load first: what compiling takes is no connection's. */
async function warm({ port, pid }, cpu) {
  const load = ['--connections', 16, '--warmup-ms', 0, '--duration-ms', WARMUP_MS];
  const command = [limitProgram('client'), '--port', port, '--server-pid', pid, ...load, '--lifeline'].map(
    String,
  );
  const { code, ending } = await runToEnd(command, cpu, TIMEOUT_MS);
  if (code !== 0) throw new Error(`client ${ending}`);
}

async function look(server, heap, question = 'memory') {
  const own = heap ? JSON.parse(await server.ask(question, TIMEOUT_MS)) : null;
  return { pss: pssBytes(server.pid), ...own };
}

/** One server from its start through so many connections. With `spoken`, each has echoed a message before it is idle. */
async function measure({ command, heap }, spoken, pinning, counts = POINTS, question = () => 'memory') {
  const server = await Server.start(command, pinning.serverCpu);
  let client = null;
  try {
    await warm(server, pinning.clientCpu);
    client = await Server.start([limitProgram('hold'), '--port', String(server.port)], pinning.clientCpu);
    await look(server, heap); // the first question compiles what answers it
    const before = countDescriptors(server.pid);
    const points = [];
    for (const connections of counts) {
      await client.ask(String(connections), TIMEOUT_MS);
      await accepted(server.pid, before + connections);
      if (spoken) await client.ask('echo', TIMEOUT_MS);
      points.push({ connections, ...(await look(server, heap, question(connections))) });
    }
    return points;
  } finally {
    await client?.stop();
    await server.stop();
  }
}

/** Bytes per connection, by least squares through all points. */
function slope(points, figure) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const meanX = mean(points.map(({ connections }) => connections));
  const meanY = mean(points.map((point) => point[figure]));
  const covariance = mean(points.map((point) => (point.connections - meanX) * (point[figure] - meanY)));
  return covariance / mean(points.map(({ connections }) => (connections - meanX) ** 2));
}

const FIGURES = ['pss', 'heapUsed', 'external', 'arrayBuffers'];

const summariseRuns = (runs) =>
  runs.length === 0
    ? null
    : Object.fromEntries(
        FIGURES.filter((figure) => runs[0][0][figure] !== undefined).map((figure) => [
          figure,
          summarise(runs.map((points) => slope(points, figure))),
        ]),
      );

/** What the heap is made of: snapshots of it with none and with all, of a process of their own, for writing them takes memory. */
async function classesOf(pinning) {
  const most = POINTS.at(-1);
  const folder = mkdtempSync(join(tmpdir(), 'underloop-memory-'));
  const file = (connections) => join(folder, `${connections}.heapsnapshot`);
  try {
    await measure(SERVERS.reactor, false, pinning, [0, most], file);
    return growthByClass(file(0), file(most), most).slice(0, CLASSES_MAX);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {ReturnType<typeof import('./lib/options.js').parseOptions>} options Those of a run of all parts name servers of echo. */
export async function runMemory(options, pinning, progress) {
  const names = options.servers.every((name) => name in SERVERS) ? options.servers : KNOWN.servers;
  const random = seededRandom(options.seed);
  const rounds = Math.min(options.rounds, options.quick ? 1 : ROUNDS_MAX);
  const rows = names.flatMap((name) =>
    [false, true].map((spoken) => ({ name, spoken, runs: [], failure: null })),
  );
  for (let round = 1; round <= rounds; round++) {
    for (const row of shuffled(rows, random)) {
      if (row.failure !== null) continue;
      progress.step(`memory: round ${round} of ${rounds}, ${row.name}${row.spoken ? ', spoken' : ''}`);
      try {
        row.runs.push(await measure(SERVERS[row.name], row.spoken, pinning));
      } catch (error) {
        row.failure = error.message;
      }
    }
  }
  progress.step('memory: a snapshot of the heap');
  const classes = names.includes('reactor') ? await classesOf(pinning) : [];
  progress.clear();
  return {
    rounds,
    points: POINTS,
    classes,
    rows: rows.map((row) => ({ ...row, perConnection: summariseRuns(row.runs) })),
  };
}

export const memoryFailed = ({ rows }) => rows.some(({ failure }) => failure !== null);

function formatRow({ name, spoken, perConnection }) {
  const cells = [name, spoken ? 'one message' : 'none'];
  if (perConnection === null) return [...cells, '-', '-', '-', '-', '-'];
  const { pss, heapUsed, external, arrayBuffers } = perConnection;
  const bytes = (summary) => (summary === undefined ? '-' : summary.median.toFixed(0));
  const rest = external === undefined ? '-' : (pss.median - heapUsed.median - external.median).toFixed(0);
  const range = `${pss.min.toFixed(0)} to ${pss.max.toFixed(0)}`;
  return [...cells, bytes(pss), range, bytes(heapUsed), bytes(external), bytes(arrayBuffers), rest];
}

function formatVerdict(rows) {
  const ours = rows.filter(({ name, perConnection }) => name === 'reactor' && perConnection !== null);
  return ours.map(({ spoken, perConnection: { pss, heapUsed, external } }) => {
    // Pages that were free before, and are used now, make the slope of the pages too small: the larger one counts.
    const bytes = Math.max(pss.median, heapUsed.median + external.median);
    const verdict = bytes <= GOAL ? 'kept, and the goal' : bytes <= BAR ? 'kept' : 'NOT KEPT';
    return (
      `reactor, ${spoken ? 'after one message' : 'idle'}: ${bytes.toFixed(0)} bytes, wanted at most ${BAR} ` +
      `(goal ${GOAL}): ${verdict}`
    );
  });
}

/** @param {Awaited<ReturnType<typeof runMemory>>} memory */
export function formatMemory({ rounds, points, rows, classes }) {
  const heading = ['server', 'spoken', 'PSS', 'range', 'JS heap', 'external', 'of it buffers', 'rest'];
  const failures = rows.filter(({ failure }) => failure !== null);
  return [
    `Memory: bytes of user space per idle connection, the slope through ${points.map((n) => n.toLocaleString('en')).join(', ')} ` +
      `connections; medians of ${rounds} processes each, garbage collected before each look. PSS: the pages of the process. ` +
      'Rest: what neither the JavaScript heap nor memory that it owns accounts for: native code, and pages kept free; below 0 ' +
      'where pages that had been free are used now. The verdict is on PSS, or on heap and external memory if that is more.',
    formatTable([heading, ...rows.map(formatRow)]),
    [...failures.map(({ name, failure }) => `${name} FAILED: ${failure}`), ...formatVerdict(rows)].join('\n'),
    'What the heap of the reactor gains from none to 15,000 connections, by class:',
    formatTable([
      ['class', 'objects', 'bytes', 'bytes per connection'],
      ...classes.map(({ name, count, bytes, perConnection }) => [
        name,
        String(count),
        String(bytes),
        perConnection.toFixed(1),
      ]),
    ]),
  ].join('\n\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runAlone({
    name: 'memory',
    about: 'Measures the memory of idle connections.',
    known: KNOWN,
    run: runMemory,
    format: formatMemory,
    failed: memoryFailed,
  });
}
