// Connections that do the same thing: sends their requests, checks every reply, keeps their times. The modes extend it.

import { SystemError } from '../errors.js';
import { connect } from '../net/connect.js';
import type { ConnectOptions } from '../net/connect.js';
import type { Connection, ConnectionHandlers } from '../net/connection.js';
import {
  PAYLOAD_BYTES_MAX,
  REPLY_HEADER_BYTES,
  REQUEST_HEADER_BYTES,
  STATUS_OK,
  readUint64,
} from '../workload/frames.js';
import { Client } from './client.js';
import { Payloads, viewOf } from './payload.js';
import { Requests } from './requests.js';
import { Tally, recordMs } from './tally.js';
import type { World } from './world.js';

const FIELD_BYTES = 4;
const REPLY_BODY_BYTES_MIN = REPLY_HEADER_BYTES - FIELD_BYTES;
const REPLY_BODY_BYTES_MAX = REPLY_BODY_BYTES_MIN + PAYLOAD_BYTES_MAX;
/** A connection's unsent bytes are bounded by this, or by two requests where those are larger. */
const QUEUE_BYTES_MAX = 1024 * 1024;

export interface Traffic {
  /** Requests under way at most, of all connections together. */
  outstandingMax: number;
  timeoutMs: number;
}

export abstract class Population implements ConnectionHandlers<Client> {
  readonly clients: Client[] = [];
  readonly tally = new Tally();
  readonly requests: Requests;
  protected readonly requestBytes: number;
  private readonly payloads: Payloads;
  private readonly queueBytesMax: number;
  private readonly connectOptions: ConnectOptions;
  private sourceNext = 0;
  // Where requests are written before they are sent: the reactor's own buffer, from which sending is cheapest, and which is
  // free whenever a reply has been looked at; only a request that does not fit has a buffer of its own.
  private readonly out: Uint8Array;
  private readonly outView: DataView;
  private readonly requestsPerWrite: number;
  // What replies are read from, in the two shapes that are read fast.
  private readonly received: Buffer;
  private readonly receivedView: DataView;

  constructor(
    protected readonly world: World,
    protected readonly traffic: Traffic,
  ) {
    const { settings, kernel } = world;
    const { payloadBytes } = settings;
    this.requests = new Requests(traffic.outstandingMax);
    this.payloads = new Payloads(payloadBytes);
    this.requestBytes = REQUEST_HEADER_BYTES + payloadBytes;
    this.queueBytesMax = Math.max(QUEUE_BYTES_MAX, 2 * this.requestBytes);
    this.connectOptions = {
      host: settings.host,
      port: settings.port,
      noDelay: true,
      writeQueueBytesMax: this.queueBytesMax,
    };
    const { buffer } = kernel;
    this.out = this.requestBytes <= buffer.length ? buffer : new Uint8Array(this.requestBytes);
    this.outView = viewOf(this.out);
    this.requestsPerWrite = Math.floor(this.out.length / this.requestBytes);
    this.received = Buffer.from(buffer.buffer, buffer.byteOffset, buffer.length);
    this.receivedView = viewOf(buffer);
  }

  // ---- What a mode says ---------------------------------------------------------------------------------------

  /** All are connected: the load begins. */
  abstract begin(): void;
  /** The measured window is over: nothing more is asked. */
  abstract end(): void;
  /** Whether something is still on its way. */
  get busy(): boolean {
    return this.requests.size > 0;
  }
  /** The connection stands. */
  protected clientOpened(_client: Client): void {
    // Most modes wait for begin().
  }
  /** Replies have come in, and everything read has been looked at. */
  protected clientReplied(_client: Client, _nowMs: number): void {
    // Most modes that ask once do nothing.
  }
  /** A request of this client has timed out. */
  protected clientTimedOut(_client: Client): void {
    // Nothing, unless the mode asks again.
  }
  /** The connection is gone, or was never made. */
  protected clientClosed(_client: Client): void {
    // Nothing, unless the mode connects anew.
  }
  /** There is room for requests again. */
  protected clientDrained(_client: Client): void {
    // Nothing, unless the mode had too little room.
  }

  // ---- Connections --------------------------------------------------------------------------------------------

  /** Begins one more connection. Returns what the system refused it with, or null. */
  dial(): Error | null {
    const client = new Client(this.clients.length);
    this.clients.push(client);
    return this.dialClient(client);
  }

  protected dialClient(client: Client): Error | null {
    const { reactor, settings, kernel } = this.world;
    const { sourceHosts } = settings;
    let options = this.connectOptions;
    if (sourceHosts.length > 0) {
      const host = sourceHosts[this.sourceNext++ % sourceHosts.length];
      options = { ...options, from: { family: host.includes(':') ? 6 : 4, host, port: 0 } };
    }
    client.startedMs = kernel.now();
    try {
      client.connection = connect<Client>(reactor, options, this);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.world.countError(error);
      this.world.failedTotal++;
      return error;
    }
    client.connection.context = client;
    this.world.dialer?.begun(client);
    return null;
  }

  open(connection: Connection<Client>): void {
    const client = connection.context as Client;
    client.opened = true;
    const { world } = this;
    world.open++;
    world.openedTotal++;
    this.tally.opened++;
    recordMs(world.connectLatency, world.kernel.now() - client.startedMs);
    this.clientOpened(client);
    world.dialer?.settled(client, true);
  }

  close(connection: Connection<Client>, error: Error | null): void {
    const client = connection.context as Client;
    const { world, tally } = this;
    client.connection = null;
    world.bytesReceived += connection.bytesRead;
    world.bytesSent += connection.bytesWritten;
    if (!client.opened) {
      if (!world.ending) {
        world.failedTotal++;
        if (error !== null) world.countError(error);
        world.dialer?.settled(client, false);
      }
    } else {
      world.open--;
      if (!client.closing) {
        tally.closedByPeer++;
        world.closedByPeer++;
        if (error !== null) world.countError(error);
      }
    }
    this.releaseAll(client);
    if (!world.ending) this.clientClosed(client);
  }

  drain(connection: Connection<Client>): void {
    this.clientDrained(connection.context as Client);
  }

  /** Closes a connection of ours; what is under way on it is lost. */
  protected hangUp(client: Client): void {
    client.closing = true;
    if (this.world.settings.closing === 'end' && this.world.ending) client.connection?.end();
    else client.connection?.reset();
  }

  closeAll(): void {
    for (const client of this.clients) this.hangUp(client);
  }

  private releaseAll(client: Client): void {
    const { requests, tally, world } = this;
    let next: number;
    for (let slot = requests.oldest; slot >= 0 && client.outstanding > 0; slot = next) {
      next = requests.after(slot);
      if (requests.client(slot) !== client) continue;
      if (world.measures(requests.intendedMs[slot])) tally.lost++;
      requests.release(slot);
      client.outstanding--;
    }
    if (client.slot >= 0) {
      requests.release(client.slot); // a slow writer's, not sent to its end
      client.slot = -1;
    }
  }

  // ---- Sending ------------------------------------------------------------------------------------------------

  /** Sends up to `count` requests of one client now, several in one write. Returns how many there was room for. */
  protected send(client: Client, count: number, intendedMs: number, nowMs: number): number {
    const { connection } = client;
    if (connection?.writable !== true) return 0;
    const { requests, out, requestBytes, world } = this;
    let sent = 0;
    while (sent < count && !requests.full) {
      const room = Math.floor((this.queueBytesMax - connection.queuedBytes) / requestBytes);
      const batch = Math.min(count - sent, this.requestsPerWrite, room, requests.capacity - requests.size);
      if (batch <= 0) break;
      for (let i = 0, at = 0; i < batch; i++, at += requestBytes) {
        const slot = requests.take(client);
        requests.arm(slot, intendedMs, nowMs);
        this.writeRequest(out, this.outView, at, requests.id(slot));
      }
      client.outstanding += batch;
      sent += batch;
      connection.write(out, 0, batch * requestBytes);
      if (connection.closed) break;
    }
    if (world.measures(intendedMs)) this.tally.sent += sent;
    return sent;
  }

  protected writeRequest(target: Uint8Array, view: DataView, at: number, id: number): void {
    const { settings } = this.world;
    view.setUint32(at, this.requestBytes - FIELD_BYTES, true);
    view.setUint32(at + 4, id, true);
    view.setUint32(at + 8, settings.cpuUs, true);
    view.setUint32(at + 12, settings.waitMs, true);
    this.payloads.fill(target, view, at + REQUEST_HEADER_BYTES, id);
  }

  // ---- Replies ------------------------------------------------------------------------------------------------

  data(connection: Connection<Client>, _buffer: Uint8Array, start: number, end: number): void {
    this.take(connection.context as Client, start, end);
  }

  /** Looks at what was read into the reactor's buffer. Whole replies are checked where they stand. */
  protected take(client: Client, start: number, end: number): void {
    const nowMs = this.world.kernel.now();
    const view = this.receivedView;
    const before = client.answered;
    let at = client.have > 0 ? this.resume(client, start, end, nowMs) : start;
    while (end - at >= REPLY_HEADER_BYTES && !client.closing) {
      const frameBytes = FIELD_BYTES + view.getUint32(at, true);
      if (!this.checkLength(client, frameBytes)) return;
      if (end - at < frameBytes) break;
      const id = view.getUint32(at + 4, true);
      const status = view.getUint32(at + 8, true);
      const good =
        status !== STATUS_OK ||
        (frameBytes === REPLY_HEADER_BYTES + this.payloads.bytes &&
          this.payloads.matches(
            id,
            this.received,
            this.receivedView,
            at + REPLY_HEADER_BYTES,
            at + frameBytes,
            0,
          ));
      this.settle(client, id, status, good, nowMs, this.received, at);
      at += frameBytes;
    }
    if (at < end && !client.closing) this.resume(client, at, end, nowMs);
    if (client.answered > before && !client.closing) this.clientReplied(client, nowMs);
  }

  /** Goes on with a reply that came in part, or begins one; returns where it stopped. */
  private resume(client: Client, start: number, end: number, nowMs: number): number {
    const header = (client.header ??= Buffer.alloc(REPLY_HEADER_BYTES));
    let at = start;
    if (client.have < REPLY_HEADER_BYTES) {
      const count = Math.min(REPLY_HEADER_BYTES - client.have, end - at);
      this.received.copy(header, client.have, at, at + count);
      client.have += count;
      at += count;
      if (client.have < REPLY_HEADER_BYTES) return at;
      client.frameBytes = FIELD_BYTES + header.readUInt32LE(0);
      if (!this.checkLength(client, client.frameBytes)) return at;
      client.payloadGood =
        header.readUInt32LE(8) !== STATUS_OK ||
        client.frameBytes === REPLY_HEADER_BYTES + this.payloads.bytes;
    }
    const id = header.readUInt32LE(4);
    const status = header.readUInt32LE(8);
    const count = Math.min(client.frameBytes - client.have, end - at);
    if (status === STATUS_OK && client.payloadGood) {
      const offset = client.have - REPLY_HEADER_BYTES;
      client.payloadGood = this.payloads.matches(
        id,
        this.received,
        this.receivedView,
        at,
        at + count,
        offset,
      );
    }
    client.have += count;
    at += count;
    if (client.have === client.frameBytes) {
      client.have = 0;
      this.settle(client, id, status, client.payloadGood, nowMs, header, 0);
    }
    return at;
  }

  private checkLength(client: Client, frameBytes: number): boolean {
    const bodyBytes = frameBytes - FIELD_BYTES;
    if (bodyBytes >= REPLY_BODY_BYTES_MIN && bodyBytes <= REPLY_BODY_BYTES_MAX) return true;
    this.mismatch(client, `a reply of ${bodyBytes} bytes`);
    return false;
  }

  private settle(
    client: Client,
    id: number,
    status: number,
    good: boolean,
    nowMs: number,
    bytes: Buffer,
    at: number,
  ): void {
    const { requests, tally, world } = this;
    const slot = requests.find(id, client);
    if (slot < 0 || !requests.isArmed(slot)) {
      if (slot < 0 && client.abandoned > 0) {
        client.abandoned--;
        tally.late++;
      } else this.mismatch(client, `a reply to request ${id}, which is not under way on its connection`);
      return;
    }
    if (!good) {
      this.mismatch(client, `a reply to request ${id} with another payload than it was sent`);
      return;
    }
    const intendedMs = requests.intendedMs[slot];
    const sentMs = requests.sentMs[slot];
    requests.release(slot);
    client.outstanding--;
    client.answered++;
    tally.answeredTotal++;
    if (nowMs >= world.windowStartMs && nowMs < world.windowEndMs) tally.replies++;
    if (!world.measures(intendedMs)) return;
    tally.answered++;
    recordMs(tally.latency, nowMs - intendedMs);
    recordMs(tally.fromSend, nowMs - sentMs);
    if (status !== STATUS_OK) tally.statuses.set(status, (tally.statuses.get(status) ?? 0) + 1);
    if (world.records.length < world.settings.recordsMax) {
      world.records.push({
        id,
        status,
        intendedNs: Math.round(intendedMs * 1e6),
        requestedNs: Math.round(sentMs * 1e6),
        repliedNs: Math.round(nowMs * 1e6),
        thread: bytes.readUInt32LE(at + 12),
        receivedNs: readUint64(bytes, at + 16),
        waitStartedNs: readUint64(bytes, at + 24),
        waitEndedNs: readUint64(bytes, at + 32),
        sentNs: readUint64(bytes, at + 40),
        cpuNs: readUint64(bytes, at + 48),
        runDelayNs: readUint64(bytes, at + 56),
      });
    }
  }

  /** A wrong reply: nothing more that comes on this connection can be trusted. */
  private mismatch(client: Client, what: string): void {
    this.tally.mismatches++;
    this.world.countError({ code: 'MISMATCH' });
    this.world.note(`mismatch: the server sent ${what}`);
    this.hangUp(client);
  }

  // ---- Time ---------------------------------------------------------------------------------------------------

  /** Gives up the requests that have waited for their timeout. Called often. */
  expire(nowMs: number): void {
    const { requests, tally, world } = this;
    const { timeoutMs } = this.traffic;
    for (;;) {
      const slot = requests.oldest;
      if (slot < 0) return;
      const waitedMs = nowMs - requests.intendedMs[slot];
      if (waitedMs < timeoutMs) return;
      const client = requests.client(slot);
      if (world.measures(requests.intendedMs[slot])) {
        tally.timedOut++;
        recordMs(tally.latency, waitedMs);
        recordMs(tally.fromSend, nowMs - requests.sentMs[slot]);
      }
      tally.timedOutTotal++;
      requests.release(slot);
      client.outstanding--;
      client.abandoned++;
      this.clientTimedOut(client);
    }
  }
}
