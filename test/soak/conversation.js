// The server's side of one connection: does what the plan says, checks what comes, and says at the end how it went.

import { FrameReader, HEADER_BYTES, helloFrame, writeFrame } from './frames.js';
import { inodeOf } from './guard.js';
import { PAUSES_MAX, PAYLOAD_BYTES_MAX, payloadBytes, planOf } from './plan.js';

/** Frames written in one call of the program at most: a peer that reads as fast as we write must not hold the turn. */
const FRAMES_PER_PUMP_MAX = 16;

/** One frame is made here; what the connection does not take is copied. */
const scratch = Buffer.alloc(HEADER_BYTES + PAYLOAD_BYTES_MAX);

export class Conversation {
  /** @type {import('./plan.js').Plan | null} null until the peer's hello has come */
  plan = null;
  sentFrames = 0;
  /** Why it ended: we cut it off, or all went as planned, or neither. @type {'done' | 'aborted' | 'failed' | 'cut'} */
  state = 'cut';
  code = '';
  closed = false;
  #server;
  #reader;
  #pending = null;
  #chunks = 0;
  #pauses = 0;
  #readEnded = false;
  #pumpPosted = false;
  #killed = false;

  /** @param connection a Connection or RawConnection, registered just now @param {number} number -1: the peer tells */
  constructor(server, connection, number) {
    this.#server = server;
    this.connection = connection;
    this.inode = inodeOf(connection.fd);
    this.#reader = new FrameReader(server.pattern, number);
    connection.context = this;
    server.live.add(this);
    if (number >= 0) {
      this.#pending = helloFrame(number);
      this.#begin(number);
    }
  }

  get number() {
    return this.#reader.number;
  }

  /** What the judge is told. */
  get record() {
    const { bytes, frames, fault } = this.#reader;
    const sent = this.connection.bytesWritten;
    return [this.number, this.state, this.code, sent, bytes, this.sentFrames, frames, fault];
  }

  #begin(number) {
    const { seed, kernel } = this.#server;
    this.plan = planOf(seed, number);
    const { sendBufferBytes, duplicate } = this.plan;
    if (sendBufferBytes > 0) kernel.setOption(this.connection.fd, 'sendBufferBytes', sendBufferBytes);
    if (duplicate !== null) this.#server.duplicate(this, duplicate);
  }

  /** The connection stands: one that we opened, or whose first bytes have come. */
  start() {
    this.#abortIfDue();
    this.pump();
  }

  data(buffer, start, end) {
    const before = this.#reader.number;
    this.#reader.feed(buffer, start, end);
    if (this.#reader.fault !== null) return this.abort('close', `fault`);
    if (before === -1 && this.number !== -1) this.#begin(this.number);
    if (this.plan === null) return;
    const { plan } = this;
    if (this.#abortIfDue()) return;
    if (plan.killsAt >= 0 && !this.#killed && this.#reader.frames >= plan.killsAt) {
      this.#killed = true;
      this.#server.killNeighbour(this);
    }
    if (this.closed || this.connection.closed) return;
    const pausing = plan.pausingServer;
    if (pausing !== null && this.#pauses < PAUSES_MAX && ++this.#chunks % pausing.every === 0)
      this.#pause(pausing.ms);
    this.pump();
  }

  #pause(ms) {
    this.#pauses++;
    this.#server.counts.pauses++;
    this.connection.pause();
    this.#server.reactor.setTimer(ms, () => {
      if (this.connection.closed) return;
      this.#server.guard.call('timer', this.connection.fd, this.inode, this.closed);
      this.connection.resume();
    });
  }

  #abortIfDue() {
    const { abort } = this.plan;
    if (abort === null || abort.by !== 'server') return false;
    if (Math.max(this.sentFrames, this.#reader.frames) < abort.atFrame) return false;
    this.abort(abort.how, 'plan');
    return true;
  }

  /** Cuts the connection off, and says so to the judge. */
  abort(how, why) {
    this.state = 'aborted';
    this.code = why;
    if (how === 'reset') this.connection.reset();
    else this.connection.close();
  }

  readClosed() {
    this.#readEnded = true;
    const { plan } = this;
    // The peer has cut it off: there is nobody to answer.
    if (plan === null || this.#reader.frames < plan.peerFrames) this.connection.close();
    else this.pump();
  }

  /** Sends what may be sent now: all of it in a flood, as many as have come in an echo. */
  pump() {
    const { connection, plan } = this;
    const allowed =
      plan.kind === 'echo' ? Math.min(this.#reader.frames, plan.serverFrames) : plan.serverFrames;
    for (let frames = 0; connection.writable; frames++) {
      if (this.#pending === null) {
        if (this.sentFrames >= allowed) break;
        if (!plan.greedy && connection.queuedBytes > 0) return; // goes on in drain
        if (frames === FRAMES_PER_PUMP_MAX) return this.#later();
        const length = payloadBytes(plan, true, this.sentFrames);
        const bytes = writeFrame(this.#server.pattern, scratch, plan.number, this.sentFrames, length);
        const taken = connection.write(scratch, 0, bytes);
        if (taken < bytes) this.#pending = Buffer.from(scratch.subarray(taken, bytes));
        this.sentFrames++;
      } else {
        const taken = connection.write(this.#pending, 0, this.#pending.length);
        this.#pending = taken < this.#pending.length ? this.#pending.subarray(taken) : null;
      }
      if (this.#pending !== null) return; // goes on in drain, or the connection has failed
      if (this.#abortIfDue()) return;
    }
    if (this.sentFrames === plan.serverFrames && connection.writable) connection.end();
  }

  #later() {
    if (this.#pumpPosted) return;
    this.#pumpPosted = true;
    this.#server.reactor.post(() => {
      this.#pumpPosted = false;
      if (!this.connection.closed) this.pump();
    });
  }

  close(error) {
    this.closed = true;
    const { plan } = this;
    if (this.state !== 'aborted') {
      const all =
        plan !== null && this.#reader.frames === plan.peerFrames && this.sentFrames === plan.serverFrames;
      if (error !== null) this.state = 'failed';
      else if (all && this.#readEnded && this.#pending === null && this.#reader.whole) this.state = 'done';
      if (error !== null)
        this.code = typeof error === 'number' ? String(error) : String(error.code ?? error.message);
    }
  }
}
