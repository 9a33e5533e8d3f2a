// Many connections of one reactor to itself: random sizes, timers, pauses, closes and resets, until so many messages have come
// back. `node load.js MESSAGES [CONNECTIONS]`
import { Reactor, connect, listen } from '../../../dist/index.js';

const [messages = 500, connections = 50] = process.argv.slice(2).map(Number);
const reactor = new Reactor();
const bytes = new Uint8Array(4096);
for (let i = 0; i < bytes.length; i++) bytes[i] = i * 7;
let answered = 0;
let closed = 0;
const random = (below) => Math.floor(Math.random() * below);

const listener = listen(
  reactor,
  { port: 0, writeQueueBytesMax: 8192 },
  {
    data(connection, buffer, start, end) {
      if (connection.write(buffer, start, end) < end - start) connection.close();
    },
    error() {},
  },
);
const { port } = listener.address;

function open() {
  let expected = 0;
  let timer = null;
  const say = (connection) => {
    timer = null;
    if (connection.closed) return;
    expected = 1 + random(random(20) === 0 ? 4096 : 200);
    connection.write(bytes, 0, expected);
  };
  connect(
    reactor,
    { port },
    {
      open: say,
      data(connection, _buffer, start, end) {
        expected -= end - start;
        if (expected > 0) return;
        answered++;
        if (answered >= messages) connection.end();
        else {
          const what = random(100);
          if (what === 0) connection.close();
          else if (what === 1) connection.reset();
          else if (what < 8) timer = reactor.setTimer(random(4) / 2, () => say(connection));
          else if (what < 10) reactor.post(() => say(connection));
          else say(connection);
        }
      },
      close() {
        timer?.cancel();
        closed++;
        if (answered < messages) open();
        else if (closed % connections === 0) listener.close();
      },
      error() {},
    },
  );
}
for (let i = 0; i < connections; i++) open();
reactor.setTimer(600_000, () => {}).unref();
const beat = () => {
  if (answered < messages) reactor.setTimer(10, beat);
};
beat();
await reactor.run();
reactor.close();
console.log(`${answered} messages, ${closed} connections`);
process.exit(0);
