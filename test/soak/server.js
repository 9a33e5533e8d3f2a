// The server under test, as a process: a reactor that accepts, opens, answers, floods, pauses, resets and closes.

import { createInterface } from 'node:readline';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parseArgs } from 'node:util';
import { pathToFileURL } from 'node:url';
import { Conversation } from './conversation.js';
import { makePattern, PATTERN_SEED } from './frames.js';
import { Guard, inodeOf } from './guard.js';
import { MemoryProbe } from './memory.js';
import { SERVER_OPENED, planOf } from './plan.js';
import { RawConnection } from './raw-connection.js';

const EMFILE = -24;
const ENFILE = -23;
const EINPROGRESS = -115;
const READABLE = 1;
const NONE = 0;
const RAW_ACCEPTS_MAX = 16;
const BACKLOG = 511;
const PROGRESS_MS = 200;
/** How long the raw listener rests when no descriptor is left. */
const RAW_REST_MS = 20;
/** Source addresses of the connections that the server opens: one has 28,000 ports, and each stays taken for a minute. */
const SOURCES = 32;

const { values } = parseArgs({
  options: {
    dist: { type: 'string' },
    seed: { type: 'string' },
    poller: { type: 'string' },
    trigger: { type: 'string' },
    connections: { type: 'string' },
    'sample-ms': { type: 'string' },
    'peer-port': { type: 'string' },
    'lifeline-fd': { type: 'string' },
  },
});

const load = (path) => import(pathToFileURL(`${values.dist}/${path}`).href);
const { Reactor, connect, descriptors, listen, nativeKernel: kernel } = await load('index.js');
const { startLifeline } = await load('workload/process.js');
startLifeline(Number(values['lifeline-fd']));
// V8 doubles its young generation whenever enough has survived, up to 2 x 16 MiB, at any hour of a run, and the pages
// touched stay. That is the runtime's choice and no leak: here the young generation keeps the size that it has now.
setFlagsFromString('--semi-space-growth-factor=1');
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

const { trigger } = values;
const seed = Number(values.seed);
const peer = { host: '127.0.0.1', port: Number(values['peer-port']), family: 4 };
/** Connections opened by the server: for each that it killed, and a few of its own accord. */
const outgoingMax = Math.floor(Number(values.connections) / 2);
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const reactor = new Reactor({ poller: values.poller });
const guard = new Guard(reactor);

const counts = {
  accepted: 0,
  opened: 0,
  closed: 0,
  resets: 0,
  killed: 0,
  reusedFds: 0,
  refused: 0,
  noDescriptor: 0,
  duplicates: 0,
  pauses: 0,
  drains: 0,
  anonymous: 0,
  errors: 0,
};
/** What should never be: told in words, the first few. @type {string[]} */
const faults = [];
const fault = (text) => {
  counts.errors++;
  if (faults.length < 5) faults.push(text);
};
let records = [];
let outgoing = 0;
let nextNumber = SERVER_OPENED;
let stopping = false;

reactor.onError = (error, kind) => fault(`${kind}: ${error.stack ?? error}`);

const server = {
  counts,
  reactor,
  kernel,
  guard,
  seed,
  pattern: makePattern(PATTERN_SEED),
  /** @type {Set<Conversation>} */
  live: new Set(),
  duplicate,
  killNeighbour,
};

// ---- What connections call ------------------------------------------------------------------------------------------

/** A call that concerns a connection: false if it must not be, and is not answered then. */
function called(what, connection) {
  const conversation = connection.context;
  return guard.call(what, connection.fd, conversation.inode, conversation.closed || connection.closed);
}

const handlers = {
  /** A watched descriptor is ready; of RawConnection only. */
  ready: (connection) => called('watch', connection),
  data(connection, buffer, start, end) {
    if (!called('data', connection)) return;
    if (connection.paused) fault(`data of connection ${connection.context.number} while it is paused`);
    connection.context.data(buffer, start, end);
  },
  drain(connection) {
    if (!called('drain', connection)) return;
    counts.drains++;
    connection.context.pump();
  },
  readClosed(connection) {
    if (called('readClosed', connection)) connection.context.readClosed();
  },
  close(connection, error) {
    guard.calls++;
    const conversation = connection.context;
    if (conversation.closed) return fault(`connection ${conversation.number} was closed twice`);
    conversation.close(error);
    server.live.delete(conversation);
    counts.closed++;
    if (conversation.number === -1) counts.anonymous++;
    else records.push(conversation.record);
    if (conversation.number >= SERVER_OPENED) outgoing--;
    else if (conversation.number % 5 === 0) openOne();
    announceIdle();
  },
};

const incoming = {
  ...handlers,
  open(connection) {
    counts.accepted++;
    guard.call('open', listener.fd, listenerInode, false);
    new Conversation(server, connection, -1);
  },
  acceptError(_, error) {
    if (error.code === 'EMFILE') counts.noDescriptor++;
    else fault(`acceptError: ${error.message}`);
  },
};

const ours = {
  ...handlers,
  open(connection) {
    if (called('open', connection)) connection.context.start();
  },
};

// ---- Listening ------------------------------------------------------------------------------------------------------

const listener = listen(
  reactor,
  { trigger, noDelay: true, writeQueueBytesMax: 65_536, backlog: BACKLOG },
  incoming,
);
const listenerInode = inodeOf(listener.fd);

const rawListener = kernel.socket(4);
kernel.setOption(rawListener, 'noDelay', 1); // inherited by what it accepts
kernel.bind(rawListener, { host: '127.0.0.1', port: 0, family: 4 });
kernel.listen(rawListener, BACKLOG);
const rawInode = inodeOf(rawListener);
const rawWatch = reactor.watch(rawListener, READABLE, () => {
  if (!guard.call('accept', rawListener, rawInode, false)) return;
  for (let accepts = 0; accepts < RAW_ACCEPTS_MAX; accepts++) if (acceptRaw() < 0) return;
});

/** The descriptor accepted, or -errno. */
function acceptRaw() {
  const fd = kernel.accept(rawListener);
  if (fd >= 0) {
    counts.accepted++;
    new Conversation(server, new RawConnection(reactor, fd, false, handlers, trigger), -1);
  } else if (fd === EMFILE || fd === ENFILE) {
    counts.noDescriptor++;
    rawWatch.interest = NONE;
    reactor.setTimer(RAW_REST_MS, () => (rawWatch.interest = READABLE));
  }
  return fd;
}

// ---- Opening --------------------------------------------------------------------------------------------------------

/** Opens one connection to the peer. Returns its descriptor; -1 if there is to be none. */
function openOne() {
  if (stopping || outgoing >= outgoingMax) return -1;
  const number = nextNumber;
  const { layer } = planOf(seed, number);
  const from = { host: `127.0.0.${2 + (number % SOURCES)}`, port: 0, family: 4 };
  let connection;
  if (layer === 'net') {
    try {
      connection = connect(
        reactor,
        { ...peer, from, trigger, noDelay: true, writeQueueBytesMax: 65_536 },
        ours,
      );
    } catch (error) {
      if (error.code === 'EMFILE') counts.noDescriptor++;
      else fault(`connect: ${error.message}`);
      return -1;
    }
  } else {
    const fd = kernel.socket(4);
    if (fd < 0) {
      if (fd === EMFILE) counts.noDescriptor++;
      else fault(`socket: ${fd}`);
      return -1;
    }
    kernel.setOption(fd, 'noDelay', 1);
    const result = Math.min(kernel.bind(fd, from), 0) || kernel.connect(fd, peer);
    if (result < 0 && result !== EINPROGRESS) {
      kernel.close(fd);
      fault(`connect: ${result}`);
      return -1;
    }
    connection = new RawConnection(reactor, fd, true, ours, trigger);
  }
  nextNumber++;
  outgoing++;
  counts.opened++;
  new Conversation(server, connection, number);
  return connection.fd;
}

// ---- What neighbours do to each other -------------------------------------------------------------------------------

/** Closes a connection whose readiness stands behind in this batch, and has its descriptor's number used again at once. */
function killNeighbour(by) {
  for (const source of guard.neighbours()) {
    const connection = source?.owner ?? source;
    const victim = connection?.context;
    if (!(victim instanceof Conversation) || victim === by || connection.closed) continue;
    if (victim.state === 'aborted') continue;
    const { fd } = connection;
    victim.abort(by.plan.killsByReset ? 'reset' : 'close', 'neighbour');
    counts.killed++;
    const again = acceptRaw();
    if ((again >= 0 ? again : openOne()) === fd) counts.reusedFds++;
    return;
  }
}

/** A second descriptor of the same socket outlives the first one, or not; half of them are watched meanwhile. */
function duplicate({ connection, inode }, { ms, watched }) {
  let fd;
  try {
    fd = descriptors.duplicate(connection.fd);
  } catch (error) {
    if (error.code === 'EMFILE') counts.noDescriptor++;
    else fault(`dup: ${error.message}`);
    return;
  }
  counts.duplicates++;
  let watch = null;
  if (watched) {
    watch = reactor.watch(fd, READABLE, () => {
      guard.call('watch of a duplicate', fd, inode, watch.closed);
      watch.close(); // the bytes are the other one's to read
    });
  }
  reactor.setTimer(ms, () => {
    watch?.close();
    descriptors.close(fd);
  });
}

// ---- Reporting ------------------------------------------------------------------------------------------------------

const memory = new MemoryProbe(collectGarbage);

function progress() {
  const list = records;
  records = [];
  const { events, calls, staleEvents, reusedSlots, staleCalls, told } = guard;
  counts.refused = listener.refused;
  const stale = { staleEvents, reusedSlots, staleCalls };
  print({
    type: 'progress',
    events,
    calls,
    ...stale,
    told,
    live: server.live.size,
    counts,
    faults,
    records: list,
  });
}

let idleTold = false;
function announceIdle() {
  if (!stopping || idleTold || server.live.size > 0) return;
  idleTold = true;
  setImmediate(() => {
    progress();
    print({ type: 'idle' });
  });
}

setInterval(progress, PROGRESS_MS);
setInterval(async () => print({ type: 'memory', ...(await memory.sample()) }), Number(values['sample-ms']));

// The keyboard's signal goes to the whole group: the main process decides what becomes of it, and the lifeline ends us.
process.on('SIGINT', () => {});
createInterface({ input: process.stdin })
  .on('line', (line) => {
    if (line === 'stop') {
      stopping = true;
      announceIdle();
    } else if (line === 'open') {
      openOne();
    } else if (line === 'stuck') {
      const stuck = [...server.live].map((one) => one.record);
      print({ type: 'stuck', stuck });
    }
  })
  .on('close', () => process.exit(0));

void reactor.run();
print({ type: 'ready', port: listener.address.port, rawPort: kernel.localAddress(rawListener).port });
