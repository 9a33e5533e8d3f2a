// The peer of the server under test, on plain node:net: it talks, floods, dawdles, resets, and checks every frame.

import net from 'node:net';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { startLifeline } from '../../dist/workload/process.js';
import { FrameReader, HEADER_BYTES, PATTERN_SEED, helloFrame, makePattern, writeFrame } from './frames.js';
import { PAUSES_MAX, SERVER_OPENED, payloadBytes, planOf } from './plan.js';

const PROGRESS_MS = 200;
/** Source addresses: one has 28,000 ports, and a closed connection keeps its own for a minute. */
const SOURCES = 32;
/** Frames written in one go at most, also in a flood. */
const FRAMES_PER_PUMP_MAX = 16;
/** A connection on which nothing moves for so long has lost something. */
const STUCK_MS = 30_000;
const PACE_MS = 20;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    connections: { type: 'string' },
    rate: { type: 'string' },
    'stuck-ms': { type: 'string' },
    'lifeline-fd': { type: 'string' },
  },
});
startLifeline(Number(values['lifeline-fd']));
const seed = Number(values.seed);
const connectionsMax = Number(values.connections);
const rate = Number(values.rate);
const stuckMs = Number(values['stuck-ms'] ?? STUCK_MS);
const pattern = makePattern(PATTERN_SEED);
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const counts = {
  opened: 0,
  accepted: 0,
  closed: 0,
  resets: 0,
  halfClosed: 0,
  anonymous: 0,
  stuck: 0,
  frames: 0,
};
let records = [];
/** @type {Set<Talk>} */
const live = new Set();
let ports = null;
let ours = 0;
let nextNumber = 0;
let stopping = false;

// ---- The pace: so many frames in a second, if that was asked for ----------------------------------------------------

let budget = rate === 0 ? Infinity : 0;
/** Who has more to send than the pace allows, first come first served. @type {Set<Talk>} */
const waiting = new Set();
if (rate > 0) {
  setInterval(() => {
    if (!stopping) budget = Math.min(budget + (rate * PACE_MS) / 1000, rate);
    for (const talk of waiting) {
      if (budget < 1) break;
      waiting.delete(talk);
      talk.pump();
    }
  }, PACE_MS);
}

/** One connection, seen from here. */
class Talk {
  /** @type {import('./plan.js').Plan | null} null until the server's hello has come */
  plan = null;
  state = 'cut';
  code = '';
  sentBytes = 0;
  sentFrames = 0;
  movedMs = performance.now();
  #readEnded = false;
  #blocked = false;
  #chunks = 0;
  #pauses = 0;
  #reader;

  /** @param {net.Socket} socket @param {number} number -1: the server opens it, and tells */
  constructor(socket, number) {
    this.socket = socket;
    this.#reader = new FrameReader(pattern, number);
    live.add(this);
    socket.on('data', (chunk) => this.#data(chunk));
    socket.on('end', () => this.#end());
    socket.on('drain', () => {
      this.#blocked = false;
      this.movedMs = performance.now();
      this.pump();
    });
    socket.on('error', (error) => {
      this.code ||= error.code ?? error.message;
    });
    socket.on('close', () => this.#closed());
    if (number >= 0) {
      this.plan = planOf(seed, number);
      socket.on('connect', () => this.#connected());
    }
  }

  get number() {
    return this.#reader.number;
  }

  get record() {
    const { bytes, frames, fault } = this.#reader;
    return [this.number, this.state, this.code, this.sentBytes, bytes, this.sentFrames, frames, fault];
  }

  #connected() {
    this.movedMs = performance.now();
    // Some are cut off before they have said who they are.
    if (this.plan.abort?.atFrame === 0 && this.#abortIfDue()) return;
    this.#write(helloFrame(this.number));
    this.pump();
  }

  #data(chunk) {
    this.movedMs = performance.now();
    this.#reader.feed(chunk, 0, chunk.length);
    if (this.#reader.fault !== null) return this.#abort('close', 'fault');
    if (this.plan === null && this.number !== -1) this.plan = planOf(seed, this.number);
    if (this.plan === null) return;
    const slow = this.plan.slowPeer;
    if (slow !== null && this.#pauses < PAUSES_MAX && ++this.#chunks % slow.every === 0) {
      this.#pauses++;
      this.socket.pause();
      setTimeout(() => this.socket.resume(), slow.ms);
    }
    if (!this.#abortIfDue()) this.pump();
  }

  #end() {
    this.#readEnded = true;
    // It was cut off: there is nobody to talk to.
    if (this.plan === null || this.#reader.frames < this.plan.serverFrames) this.socket.destroy();
    else {
      if (!this.socket.writableEnded) counts.halfClosed++;
      this.pump();
    }
  }

  #abortIfDue() {
    const { abort } = this.plan;
    if (abort === null || abort.by !== 'peer') return false;
    if (Math.max(this.sentFrames, this.#reader.frames) < abort.atFrame) return false;
    this.#abort(abort.how, 'plan');
    return true;
  }

  #abort(how, why) {
    this.state = 'aborted';
    this.code = why;
    if (how === 'reset') this.reset();
    else this.socket.destroy();
  }

  /**
   * Between end() and the shutdown that it asks for, resetAndDestroy() of Node 20 fails with EINVAL (uv_tcp_close_reset
   * while shutting) and the socket never says 'close' nor gives its descriptor back. That takes one pass of its loop.
   */
  reset() {
    const { socket } = this;
    const shutting = socket.writableEnded && socket.writableLength === 0 && !socket.writableFinished;
    if (shutting && !socket.destroyed) socket.once('finish', () => socket.resetAndDestroy());
    else socket.resetAndDestroy();
  }

  #write(bytes) {
    this.sentBytes += bytes.length;
    if (!this.socket.write(bytes)) this.#blocked = true;
  }

  pump() {
    const { plan, socket } = this;
    const allowed =
      plan.kind === 'echo' ? Math.min(this.#reader.frames + plan.window, plan.peerFrames) : plan.peerFrames;
    for (let frames = 0; this.sentFrames < allowed; frames++) {
      if (this.#blocked || socket.destroyed) return;
      if (budget < 1) {
        waiting.add(this);
        this.movedMs = performance.now();
        return;
      }
      if (frames === FRAMES_PER_PUMP_MAX) {
        setImmediate(() => this.pump());
        return;
      }
      budget--;
      counts.frames++;
      const length = payloadBytes(plan, false, this.sentFrames);
      const bytes = Buffer.allocUnsafe(HEADER_BYTES + length);
      writeFrame(pattern, bytes, plan.number, this.sentFrames, length);
      this.sentFrames++;
      this.#write(bytes);
      if (this.#abortIfDue()) return;
    }
    if (this.sentFrames === plan.peerFrames && !socket.writableEnded) socket.end();
  }

  #closed() {
    const { plan } = this;
    live.delete(this);
    waiting.delete(this);
    counts.closed++;
    if (this.code === 'ECONNRESET') counts.resets++;
    if (this.state !== 'aborted') {
      const all =
        plan !== null && this.#reader.frames === plan.serverFrames && this.sentFrames === plan.peerFrames;
      if (this.code !== '') this.state = 'failed';
      else if (all && this.#readEnded && this.#reader.whole) this.state = 'done';
    }
    if (this.number === -1) counts.anonymous++;
    else records.push(this.record);
    if (this.number >= 0 && this.number < SERVER_OPENED) {
      ours--;
      open();
    }
    announceIdle();
  }
}

function open() {
  if (stopping || ours >= connectionsMax) return;
  ours++;
  counts.opened++;
  const number = nextNumber++;
  const port = planOf(seed, number).layer === 'net' ? ports.port : ports.rawPort;
  const localAddress = `127.0.0.${2 + (number % SOURCES)}`;
  new Talk(
    net.connect({ host: '127.0.0.1', port, localAddress, allowHalfOpen: true, noDelay: true }),
    number,
  );
}

const listener = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  counts.accepted++;
  new Talk(socket, -1);
});

// ---- Reporting ------------------------------------------------------------------------------------------------------

function progress() {
  const list = records;
  records = [];
  print({ type: 'progress', live: live.size, counts, records: list });
}

let idleTold = false;
function announceIdle() {
  if (!stopping || idleTold || live.size > 0) return;
  idleTold = true;
  setImmediate(() => {
    progress();
    print({ type: 'idle' });
  });
}

setInterval(() => {
  const beforeMs = performance.now() - stuckMs;
  for (const talk of live) {
    if (talk.movedMs > beforeMs || waiting.has(talk) || talk.socket.destroyed) continue;
    counts.stuck++;
    talk.state = 'stuck';
    talk.reset();
  }
}, 1000);
setInterval(progress, PROGRESS_MS);

// The keyboard's signal goes to the whole group: the main process decides what becomes of it, and the lifeline ends us.
process.on('SIGINT', () => {});
createInterface({ input: process.stdin })
  .on('line', (line) => {
    if (line === 'stop') {
      stopping = true;
      // What is under way need not keep to the pace: at a slow one its end would take minutes.
      budget = Infinity;
      announceIdle();
    } else if (line.startsWith('{')) {
      ports = JSON.parse(line);
      for (let i = 0; i < connectionsMax; i++) open();
    }
  })
  .on('close', () => process.exit(0));

listener.listen({ host: '127.0.0.1', port: 0, backlog: 511 }, () => {
  print({ type: 'ready', port: listener.address().port });
});
