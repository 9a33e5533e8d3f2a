// Terminates workers that wait, again and again, and prints how long each took and which descriptors were left behind.
// Arguments: how the worker waits, on which poller, how many rounds.

import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { Poller, READABLE, Reactor, connect, descriptors, listen } from '../../../dist/index.js';

const [how, kind, rounds] = process.argv.slice(2);

if (isMainThread) {
  const tookMs = [];
  const codes = new Set();
  let before = null;
  for (let round = 0; round < Number(rounds); round++) {
    // After the first round: that one loads what the process needs for its workers for good.
    if (round === 1) before = openFiles();
    const worker = new Worker(new URL(import.meta.url), { argv: [how, kind] });
    const exit = new Promise((resolve) => worker.once('exit', resolve));
    await new Promise((resolve) => worker.once('message', resolve));
    // By then it waits within a busy slice of the host's, or after that without a bound; if not, so much the better.
    await new Promise((resolve) => setTimeout(resolve, round % 2 === 0 ? 5 : 50));
    const beganMs = performance.now();
    await worker.terminate();
    tookMs.push(performance.now() - beganMs);
    codes.add(await exit);
  }
  console.log(JSON.stringify({ tookMs, codes: [...codes], before, after: openFiles() }));
} else {
  const [readEnd] = descriptors.pipe();
  const ways = {
    // Beside the runtime, with a server, a connection, and descriptors of several kinds open.
    run() {
      const reactor = new Reactor({ poller: kind });
      const listener = listen(reactor, {}, {});
      connect(reactor, { port: listener.address.port }, { open: ready });
      reactor.watch(readEnd, READABLE, () => {});
      reactor.run();
    },
    'run two'() {
      for (const last of [false, true]) {
        const reactor = new Reactor({ poller: kind });
        const listener = listen(reactor, {}, {});
        connect(reactor, { port: listener.address.port }, last ? { open: ready } : {});
        reactor.run();
      }
    },
    // Always busy: never in the kernel for long.
    spin() {
      const reactor = new Reactor({ poller: kind });
      const again = () => reactor.post(again);
      again();
      reactor.run();
      reactor.setTimer(5, ready);
    },
    // In loops of its own, where nothing but the wait itself can notice.
    turn() {
      const reactor = new Reactor({ poller: kind });
      reactor.watch(readEnd, READABLE, () => {});
      ready();
      reactor.turn();
    },
    'turn with a far timer'() {
      const reactor = new Reactor({ poller: kind });
      reactor.setTimer(60_000, () => {});
      ready();
      for (;;) reactor.turn();
    },
    wait() {
      const poller = new Poller({ kind });
      poller.add(readEnd, READABLE);
      ready();
      poller.wait(new Int32Array(30), Infinity);
    },
    'wait with a timeout'() {
      const poller = new Poller({ kind });
      poller.add(readEnd, READABLE);
      ready();
      poller.wait(new Int32Array(30), 60_000.5);
    },
  };
  ways[how]();
}

function ready() {
  parentPort.postMessage('ready');
}

/** The process's open files by what they are, sorted; where the system does not list them, none. */
function openFiles() {
  if (!existsSync('/proc/self/fd')) return [];
  const files = [];
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      files.push(readlinkSync(`/proc/self/fd/${fd}`).replace(/\d+/g, 'N'));
    } catch {
      // the directory's own descriptor
    }
  }
  return files.sort();
}
