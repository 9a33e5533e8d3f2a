// Forces garbage collections (--expose-gc) in the middle of things, and prints what survived. Argument: the scene.

import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { Poller, READABLE, Reactor, connect, copy, descriptors, listen } from '../../../dist/index.js';

const CONNECTIONS = 100;
const MESSAGES = 10;
const [scene] = process.argv.slice(2);

/** Pollers in this process, by what the system says of its descriptors; -1 where it says nothing. */
function pollers() {
  if (!existsSync('/proc/self/fd')) return -1;
  let count = 0;
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:[eventpoll]') count++;
    } catch {
      // the directory's own descriptor
    }
  }
  return count;
}

/** Collections until `done()`, with the runtime's turns between them in which finalizers run. */
async function collectUntil(done, rounds = 100) {
  for (let i = 0; i < rounds && !done(); i++) {
    gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const scenes = {
  // Every message is held against what was sent, while everything that can be collected is, in handlers too.
  async 'many connections'() {
    const reactor = new Reactor();
    let calls = 0;
    let wrong = 0;
    let closed = 0;
    const listener = listen(
      reactor,
      {},
      {
        data(connection, buffer, start, end) {
          if (++calls % 50 === 0) gc();
          connection.write(buffer, start, end);
        },
      },
    );
    for (let i = 0; i < CONNECTIONS; i++) {
      // Sizes around everything: one byte, some segments, more than the read buffer.
      const message = Buffer.alloc([1, 1000, 70_000][i % 3], i);
      let received = 0;
      let left = MESSAGES;
      connect(
        reactor,
        { port: listener.address.port },
        {
          open: (connection) => void connection.write(message),
          data(connection, buffer, start, end) {
            const kept = copy(buffer, start, end);
            if (++calls % 50 === 0) gc();
            if (!kept.equals(message.subarray(received, received + kept.length))) wrong++;
            received += kept.length;
            if (received < message.length) return;
            received = 0;
            if (--left > 0) connection.write(message);
            else connection.end();
          },
          close() {
            if (++closed === CONNECTIONS) listener.close();
          },
        },
      );
    }
    const interval = setInterval(gc, 2);
    await reactor.run();
    clearInterval(interval);
    return { wrong, closed };
  },
  // Nobody holds the reactor but the loop that runs it, nor the watch, nor its handler.
  async 'a running reactor that nobody refers to'() {
    const [readEnd, writeEnd] = descriptors.pipe();
    const called = new Promise((resolve) => {
      const reactor = new Reactor();
      reactor.watch(readEnd, READABLE, (_, watch) => {
        watch.close();
        resolve(true);
      });
      reactor.setTimer(1000, () => {}).unref();
      reactor.run();
    });
    await collectUntil(() => false, 10);
    descriptors.write(writeEnd, Buffer.of(1));
    return { called: await called };
  },
  // Reactors and pollers that nobody closed give their descriptors back when they are collected.
  async 'forgotten pollers'() {
    const before = pollers();
    let during = 0;
    (() => {
      const forgotten = [];
      for (let i = 0; i < 20; i++) forgotten.push(new Poller(), new Reactor());
      during = pollers();
      forgotten.length = 0;
    })();
    await collectUntil(() => pollers() === before);
    return { opened: during - before, left: pollers() - before };
  },
  // The array that wait() fills may be collected, or its memory taken away, between two waits.
  async 'arrays of wait()'() {
    const poller = new Poller();
    const [readEnd, writeEnd] = descriptors.pipe();
    poller.add(readEnd, READABLE);
    descriptors.write(writeEnd, Buffer.of(1));
    const results = [];
    for (let i = 0; i < 200; i++) {
      const events = new Int32Array(3 + (i % 300));
      results.push(poller.wait(events, 0), events[2]);
      if (i % 20 === 0) gc();
    }
    // Memory that other threads may have, and memory that shrinks: below one event it is refused.
    const shared = new Int32Array(new SharedArrayBuffer(36));
    results.push(poller.wait(shared, 0), shared[2]);
    const shrinking = new Int32Array(new ArrayBuffer(1200, { maxByteLength: 1200 }));
    results.push(poller.wait(shrinking, 0), shrinking[2]);
    shrinking.buffer.resize(12);
    results.push(poller.wait(shrinking, 0), shrinking[2]);
    const refused = [];
    const refuse = (events) => {
      try {
        refused.push(poller.wait(events, 0));
      } catch (error) {
        refused.push(error.code);
      }
    };
    shrinking.buffer.resize(8);
    refuse(shrinking);
    const detached = new Int32Array(300);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    refuse(detached);
    poller.close();
    return { sum: results.reduce((a, b) => a + b, 0), refused };
  },
};
console.log(JSON.stringify(await scenes[scene]()));
