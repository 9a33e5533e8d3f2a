import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect as dial, createServer } from 'node:net';
import { once } from 'node:events';
import { Reactor, connect, listen } from 'underloop';

const target = createServer({ allowHalfOpen: true }, (socket) => {
  const digest = createHash('sha1');
  socket.on('data', (bytes) => digest.update(bytes));
  socket.on('end', () => socket.end(digest.digest('hex')));
  socket.on('error', () => {});
}).listen(0, '127.0.0.1');
await once(target, 'listening');

const reactor = new Reactor();
const relay = {
  data(from, buffer, start, end) {
    const to = from.context;
    if (!to.writable) return;
    const taken = to.write(buffer, start, end);
    if (taken < end - start) throw new Error('the queue was full');
    if (to.queuedBytes > 0) from.pause();
  },
  drain(to) {
    if (!to.context.closed) to.context.resume();
  },
  readClosed(from) {
    if (from.context.writable) from.context.end();
  },
  error() {},
  close(one) {
    if (!one.context.closed && !one.context.writable) return;
    if (!one.context.closed && one.queuedBytes > 0) one.context.close();
  },
};
const forwarder = listen(
  reactor,
  { port: 0 },
  {
    ...relay,
    open(inner) {
      inner.pause();
      const outer = connect(
        reactor,
        { port: target.address().port },
        {
          ...relay,
          open() {
            inner.resume();
          },
        },
      );
      outer.context = inner;
      inner.context = outer;
    },
  },
);

const chunk = randomBytes(1024 * 1024);
async function upload(chunks) {
  const socket = dial({ port: forwarder.address.port, host: '127.0.0.1', allowHalfOpen: true });
  const digest = createHash('sha1');
  let answer = '';
  socket.on('data', (bytes) => (answer += bytes));
  for (let i = 0; i < chunks; i++) {
    digest.update(chunk);
    if (!socket.write(chunk)) await once(socket, 'drain');
  }
  socket.end();
  await once(socket, 'end');
  return answer === digest.digest('hex');
}

const running = reactor.run();
const results = [];
for (let round = 0; round < 3; round++)
  results.push(...(await Promise.all([upload(12), upload(8), upload(4)])));
forwarder.close();
target.close();
await running;

const runDelayMs = Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6;
const right = results.filter(Boolean).length;
console.log(JSON.stringify({ fault: right !== 9, evidence: { right, of: results.length, runDelayMs } }));
