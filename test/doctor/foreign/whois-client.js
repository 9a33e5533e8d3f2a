import { createServer } from 'node:net';
import { once } from 'node:events';
import { READABLE, Reactor, WRITABLE, nativeKernel as kernel } from 'underloop';

const EINPROGRESS = 115;
const EAGAIN = 11;

const registry = createServer((socket) => {
  socket.on('error', () => {});
  socket.once('data', (query) => {
    setTimeout(() => socket.end(`domain: ${String(query).trim()}\nstatus: active\n`), 1300);
  });
}).listen(0, '127.0.0.1');
await once(registry, 'listening');

const reactor = new Reactor();
let calls = 0;
let idleCalls = 0;

function whois(domain) {
  return new Promise((resolve, reject) => {
    const fd = kernel.socket(4);
    const started = kernel.connect(fd, { family: 4, host: '127.0.0.1', port: registry.address().port });
    if (started < 0 && started !== -EINPROGRESS) {
      kernel.close(fd);
      reject(new Error(`connect: ${started}`));
      return;
    }
    let asked = false;
    let answer = '';

    const finish = () => {
      watch.close();
      kernel.close(fd);
      resolve(answer);
    };

    function onSocket(readiness) {
      calls++;
      if (!asked && readiness & WRITABLE) {
        const query = Buffer.from(`${domain}\r\n`);
        kernel.sendBytes(fd, query, 0, query.length);
        asked = true;
        return;
      }
      if (readiness & READABLE) {
        for (;;) {
          const count = kernel.recv(fd, 0, kernel.buffer.length);
          if (count === -EAGAIN) return;
          if (count <= 0) return finish();
          answer += Buffer.from(kernel.buffer.subarray(0, count)).toString();
        }
      }
      idleCalls++;
    }

    const watch = reactor.watch(fd, READABLE | WRITABLE, onSocket);
  });
}

const startedMs = performance.now();
const asking = whois('example.org');
await reactor.run();
const answer = await asking;
const ms = performance.now() - startedMs;
registry.close();
const idlePerSecond = Math.round((idleCalls * 1000) / ms);
console.log(answer.split('\n')[0]);
console.log(JSON.stringify({ fault: idlePerSecond > 1000, evidence: { calls, idleCalls, idlePerSecond } }));
