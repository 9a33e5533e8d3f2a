import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { Reactor, connect, listen } from 'underloop';

const shared = new Int32Array(new SharedArrayBuffer(8));
const program = `
  const { parentPort, workerData } = require('node:worker_threads');
  const sessions = new Map();
  parentPort.on('message', ({ key, slowMs }) => {
    sessions.set(key, Date.now());
    setTimeout(() => {
      Atomics.store(workerData, 1, sessions.size);
      Atomics.store(workerData, 0, 1);
      Atomics.notify(workerData, 0);
    }, slowMs);
  });
`;
const store = new Worker(program, { eval: true, workerData: shared });
const waitedMs = () => Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[1]) / 1e6;
const worst = { wallMs: 0, delayMs: 0 };

function saveSync(key, slowMs) {
  const before = waitedMs();
  const startedMs = performance.now();
  Atomics.store(shared, 0, 0);
  store.postMessage({ key, slowMs });
  Atomics.wait(shared, 0, 0, 2000);
  const wallMs = performance.now() - startedMs;
  if (wallMs > worst.wallMs) Object.assign(worst, { wallMs, delayMs: waitedMs() - before });
  return shared[1];
}

const reactor = new Reactor();
const server = listen(
  reactor,
  { path: `\0sessions-${process.pid}` },
  {
    data: function onLogin(connection, buffer, start, end) {
      const user = Buffer.from(buffer.subarray(start, end)).toString();
      connection.write(`${saveSync(user, user === 'user 7' ? 420 : 1)} sessions`);
    },
  },
);

let logins = 0;
const browser = connect(
  reactor,
  { path: server.address.path },
  {
    open: login,
    data() {
      if (logins < 12) reactor.setTimer(50, login);
      else {
        browser.close();
        server.close();
      }
    },
  },
);
function login() {
  browser.write(`user ${++logins}`);
}

await new Promise((resolve) => store.once('online', resolve));
await reactor.run();
await store.terminate();
const rounded = { wallMs: Math.round(worst.wallMs), delayMs: Math.round(worst.delayMs) };
console.log(JSON.stringify({ fault: worst.wallMs >= 300, evidence: { worst: rounded, logins } }));
