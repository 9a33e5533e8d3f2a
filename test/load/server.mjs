// A server of the workload protocol as a process, for tests that stop it, kill it or measure beside it: prints its port, and
// ends with its stdin. Replies at once, in one write per read; the first `--unserved` connections get no answer.
import { Reactor, listen } from '../../dist/index.js';
import { REPLY_HEADER_BYTES, RequestParser, encodeReplyHeader } from '../../dist/workload/frames.js';

const stamps = {
  thread: process.pid,
  receivedNs: 1,
  waitStartedNs: 0,
  waitEndedNs: 0,
  sentNs: 2,
  cpuNs: 0,
  runDelayNs: 0,
};
const reactor = new Reactor();
const out = new Uint8Array(2 * 1024 * 1024);
const listener = listen(
  reactor,
  { noDelay: true, writeQueueBytesMax: 64 * 1024 * 1024 },
  {
    open(connection) {
      connection.context = new RequestParser();
    },
    data(connection, buffer, start, end) {
      const parser = connection.context;
      parser.feed(buffer, start, end);
      let at = 0;
      while (parser.next()) {
        const payloadBytes = parser.end - parser.payloadStart;
        if (at + REPLY_HEADER_BYTES + payloadBytes > out.length) {
          connection.write(out, 0, at);
          at = 0;
        }
        encodeReplyHeader(out, at, parser.id, 0, payloadBytes, stamps);
        at += REPLY_HEADER_BYTES;
        for (let i = parser.payloadStart; i < parser.end; i++) out[at++] = parser.bytes[i];
      }
      if (at > 0) connection.write(out, 0, at);
    },
  },
);
process.stdin.on('end', () => process.exit(0)).resume();
console.log(JSON.stringify({ port: listener.address.port }));
await reactor.run();
