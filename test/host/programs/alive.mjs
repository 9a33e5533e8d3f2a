// Starts one thing of the runtime's in a handler of the reactor, which would otherwise wait without end, and prints how
// long the thing took. Once for each way of starting it. Arguments: the thing, and the poller kinds or arrangements.

import { pbkdf2 } from 'node:crypto';
import { exec } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { READABLE, Reactor, descriptors, listen } from '../../../dist/index.js';

const self = new URL(import.meta.url);
const [thing, ...arrangements] = process.argv.slice(2);

const listening = (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

// What makes a thing ready to be started, untimed, and gives the function that starts it: (done) => void.
const things = {
  setTimeout: () => (done) => setTimeout(done, 5),
  setInterval: () => (done) => {
    let ticks = 0;
    const interval = setInterval(() => {
      if (++ticks < 3) return;
      clearInterval(interval);
      done();
    }, 2);
  },
  setImmediate: () => (done) => {
    const again = (left) => (left === 0 ? done() : setImmediate(again, left - 1));
    again(3);
  },
  promise: () => (done) => {
    let chain = Promise.resolve();
    for (let i = 0; i < 10; i++) chain = chain.then(() => {});
    chain.then(done);
  },
  nextTick: () => (done) => {
    const again = (left) => (left === 0 ? done() : process.nextTick(again, left - 1));
    again(10);
  },
  async fetch() {
    const server = http.createServer((_, response) => response.end('hello'));
    await listening(server);
    return (done) => {
      fetch(`http://127.0.0.1:${server.address().port}/`)
        .then((response) => response.text())
        .then((text) => {
          if (text !== 'hello') throw new Error(text);
          server.close();
          server.closeAllConnections();
          done();
        });
    };
  },
  // Such immediates run after the poll of their pass, and nothing tells us that they are there.
  async 'socket opened by the last of five unreferenced immediates'() {
    const server = net.createServer((socket) => socket.end('hello'));
    await listening(server);
    return (done) => {
      const open = () => {
        const socket = net.connect(server.address().port, '127.0.0.1');
        socket.resume().on('close', () => {
          server.close();
          done();
        });
      };
      const again = (left) => void setImmediate(left === 0 ? open : again, left - 1).unref();
      again(4);
    };
  },
  // A callback of the runtime's opens it, when nothing else is ready, and no timer or immediate is near.
  async 'socket opened in a message handler'() {
    const worker = new Worker(
      `const { parentPort } = require('node:worker_threads');
       const server = require('node:net').createServer((socket) => socket.end('x'));
       server.listen(0, '127.0.0.1', () => parentPort.postMessage('listening'));
       parentPort.on('message', () => parentPort.postMessage(server.address().port));`,
      { eval: true },
    );
    await once(worker, 'message');
    return (done) => {
      worker.once('message', (port) => {
        net.connect(port, '127.0.0.1').once('data', () => {
          worker.terminate();
          done();
        });
      });
      worker.postMessage('which port?');
    };
  },
  async datagram() {
    const socket = createSocket('udp4');
    await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
    return (done) => {
      const other = createSocket('udp4');
      socket.once('message', () => {
        socket.close();
        other.close();
        done();
      });
      other.send('hello', socket.address().port, '127.0.0.1');
    };
  },
  'dns.lookup': () => (done) => {
    lookup('localhost', (error) => {
      if (error) throw error;
      done();
    });
  },
  'fs.promises': () => (done) => {
    readFile(self).then(() => done());
  },
  'thread pool': () => (done) => {
    pbkdf2('password', 'salt', 1000, 32, 'sha256', () => done());
  },
  'child process': () => (done) => {
    exec('exit 7', (error) => {
      if (error?.code !== 7) throw error ?? new Error('exit 0');
      done();
    });
  },
  signal: () => (done) => {
    process.once('SIGUSR2', done);
    process.kill(process.pid, 'SIGUSR2');
  },
  'message channel': () => (done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      done();
    };
    port2.postMessage('hello');
  },
  async 'worker message'() {
    const worker = new Worker(
      'require("worker_threads").parentPort.on("message", (m) => require("worker_threads").parentPort.postMessage(m))',
      {
        eval: true,
      },
    );
    await new Promise((resolve) => worker.once('online', resolve));
    return (done) => {
      worker.once('message', () => {
        worker.unref();
        worker.terminate();
        done();
      });
      worker.postMessage('hello');
    };
  },
  async 'worker.terminate() of a worker that runs a reactor'() {
    const worker = new Worker(self, { argv: ['be a worker'] });
    await new Promise((resolve) => worker.once('message', resolve));
    return (done) => {
      worker.terminate().then(done);
    };
  },
  'AbortSignal.timeout': () => (done) => {
    AbortSignal.timeout(5).onabort = () => done();
  },
};

// How a handler comes to start it.
const starters = {
  'in the handler': (reactor, start) => start(),
  'in a posted task': (reactor, start) => reactor.post(start),
  'in a deferred task': (reactor, start) => reactor.post(() => reactor.defer(start)),
  'in a readiness handler': (reactor, start) => {
    const [readEnd, writeEnd] = descriptors.pipe();
    reactor.watch(readEnd, READABLE, (_, watch) => {
      watch.close();
      descriptors.close(readEnd);
      start();
    });
    descriptors.write(writeEnd, Buffer.of(1));
    descriptors.close(writeEnd);
  },
  'in a reaction of a promise': (reactor, start) => void Promise.resolve().then(start),
  'in a tick': (reactor, start) => process.nextTick(start),
  'in an immediate': (reactor, start) => setImmediate(start),
  'in an unreferenced immediate': (reactor, start) => setImmediate(start).unref(),
  'in a timer of the runtime': (reactor, start) => setTimeout(start, 2),
  'in the handler of uncaught exceptions': (reactor, start) => {
    process.once('uncaughtException', start);
    throw new Error('thrown on purpose');
  },
  'in an unreferenced immediate of that handler': (reactor, start) => {
    process.once('uncaughtException', () => setImmediate(start).unref());
    throw new Error('thrown on purpose');
  },
};

/** Long enough for the reactor to come to rest: it settles within a few passes of the runtime. */
const REST_MS = 6;

async function measure(arrangement) {
  const kind = ['two reactors', 'default'].includes(arrangement) ? undefined : arrangement;
  const reactor = new Reactor(kind === undefined ? {} : { poller: kind });
  listen(reactor, {}, {});
  reactor.run();
  let second = null;
  if (arrangement === 'two reactors') {
    second = new Reactor();
    listen(second, {}, {});
    second.run();
  }
  for (const [starter, start] of Object.entries(starters)) {
    const begin = await things[thing]();
    const tookMs = await new Promise((resolve) => {
      reactor.setTimer(REST_MS, () => {
        start(reactor, () => {
          const beganMs = performance.now();
          begin(() => resolve(performance.now() - beganMs));
        });
      });
    });
    print({ arrangement, starter, tookMs });
  }
  reactor.close();
  second?.close();
}

function print(line) {
  if (isMainThread) console.log(JSON.stringify(line));
  else parentPort.postMessage(line);
}

if (thing === 'be a worker') {
  const reactor = new Reactor();
  listen(reactor, {}, {});
  reactor.run();
  reactor.setTimer(REST_MS, () => parentPort.postMessage('at rest'));
} else {
  for (const arrangement of arrangements) {
    if (arrangement !== 'worker') {
      await measure(arrangement);
      continue;
    }
    const worker = new Worker(self, { argv: [thing, 'default'] });
    worker.on('message', (line) => print({ ...line, arrangement }));
    await new Promise((resolve) => worker.once('exit', resolve));
  }
}
