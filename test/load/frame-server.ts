// A small server of the workload protocol on our reactor, for the generator's tests: each answers as its test says.

import { Reactor, listen } from '../../src/index.js';
import type { Connection, Listener } from '../../src/index.js';
import { RequestParser, encodeReplyHeader, REPLY_HEADER_BYTES } from '../../src/workload/frames.js';

const STAMPS = {
  thread: 7,
  receivedNs: 11,
  waitStartedNs: 12,
  waitEndedNs: 13,
  sentNs: 14,
  cpuNs: 15,
  runDelayNs: 16,
};

export interface FrameRequest {
  connection: Connection<RequestParser>;
  id: number;
  cpuUs: number;
  waitMs: number;
  payload: Uint8Array;
}

export class FrameServer {
  readonly listener: Listener;
  accepted = 0;
  requests = 0;
  readonly peers = new Set<string>();

  /** `answer` is called for each request; by default it replies at once. */
  constructor(
    readonly reactor: Reactor,
    private readonly answer: (server: FrameServer, request: FrameRequest) => void = (server, request) =>
      server.reply(request),
    /** Told of each connection; a server that does not serve it returns false. */
    accept: (connection: Connection<RequestParser>) => boolean = () => true,
    /** Told when a connection has closed. */
    gone: (server: FrameServer) => void = () => undefined,
  ) {
    this.listener = listen<RequestParser>(
      reactor,
      { noDelay: true, writeQueueBytesMax: 16 * 1024 * 1024 },
      {
        open: (connection) => {
          this.accepted++;
          this.peers.add(connection.peerAddress?.host ?? '');
          if (accept(connection)) connection.context = new RequestParser();
        },
        close: () => gone(this),
        data: (connection, buffer, start, end) => {
          const parser = connection.context;
          if (parser === undefined) return;
          parser.feed(buffer, start, end);
          while (parser.next()) {
            const payload = parser.bytes.slice(parser.payloadStart, parser.end);
            this.requests++;
            const { id, cpuUs, waitMs } = parser;
            this.answer(this, { connection, id, cpuUs, waitMs, payload });
          }
        },
      },
    );
  }

  get port(): number {
    return this.listener.address.port;
  }

  reply(request: FrameRequest, { id = request.id, status = 0, payload = request.payload } = {}): void {
    if (request.connection.closed) return;
    const frame = new Uint8Array(REPLY_HEADER_BYTES + payload.length);
    encodeReplyHeader(frame, 0, id, status, payload.length, STAMPS);
    frame.set(payload, REPLY_HEADER_BYTES);
    request.connection.write(frame);
  }
}
