// Loads the addon or the package more than once. Argument: the way. Prints what came of it.

import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';

const [way] = process.argv.slice(2);
const root = fileURLToPath(new URL('../../..', import.meta.url));
const require = createRequire(join(root, 'dist/index.js'));
const load = () => require('node-gyp-build')(root);

/** The addon once more: the module system is made to forget that it has it. */
function loadAgain() {
  for (const path of Object.keys(require.cache)) if (path.endsWith('.node')) delete require.cache[path];
  return load();
}

/** The JavaScript of the package in another place, with the same addon: what a runner that resets its modules makes. */
async function copyOfPackage() {
  const place = mkdtempSync(join(tmpdir(), 'underloop-load-'));
  process.on('exit', () => rmSync(place, { recursive: true }));
  cpSync(join(root, 'dist'), join(place, 'dist'), { recursive: true });
  cpSync(join(root, 'package.json'), join(place, 'package.json'));
  for (const name of ['build', 'prebuilds', 'node_modules']) symlinkSync(join(root, name), join(place, name));
  return import(pathToFileURL(join(place, 'dist/index.js')).href);
}

/** Everything of an addon once: a pair of sockets through a poller. */
function use(addon) {
  const pair = new Int32Array(2);
  const results = [addon.socketPair(pair)];
  const poller = addon.pollerOpen(addon.pollerKinds[0]);
  results.push(addon.pollerAdd(poller, pair[0], 1, 5, 6));
  results.push(addon.sendBytes(pair[1], Buffer.from('hello'), 0, 5));
  const events = new Int32Array(3);
  results.push(addon.pollerWait(poller, events, 1000));
  results.push(addon.recv(pair[0], 0, 100), ...events);
  addon.pollerClose(poller);
  results.push(addon.close(pair[0]), addon.close(pair[1]));
  return results.join();
}

const ways = {
  async 'twice in one environment'() {
    const first = load();
    const second = loadAgain();
    const third = loadAgain();
    return {
      same: first === second || first.buffer === second.buffer,
      used: [use(first), use(second), use(third), use(first)],
    };
  },
  async 'in a worker beside the main thread, and again after it has gone'() {
    const first = load();
    const used = [use(first)];
    for (let round = 0; round < 3; round++) {
      const worker = new Worker(new URL(import.meta.url), { argv: ['inner'] });
      const exited = new Promise((resolve) => worker.once('exit', resolve));
      used.push(...(await new Promise((resolve) => worker.once('message', resolve))));
      used.push(use(first));
      await exited;
    }
    return { used: [...new Set(used)], count: used.length };
  },
  async inner() {
    const first = load();
    const used = [use(first), use(loadAgain()), use(first)];
    parentPort.postMessage(used);
    return null;
  },
  // Two module instances, one addon: their reactors share the thread's one pump.
  async 'two copies of the package in one thread'() {
    const one = await import(pathToFileURL(join(root, 'dist/index.js')).href);
    const two = await copyOfPackage();
    const log = [];
    const reactors = [new one.Reactor(), new two.Reactor()];
    reactors[0].setTimer(10, () => log.push('one'));
    reactors[1].setTimer(20, () => log.push('two'));
    await Promise.all(reactors.map((reactor) => reactor.run()));
    // And each alone.
    for (const reactor of reactors) {
      reactor.setTimer(5, () => log.push('alone'));
      await reactor.run();
    }
    return { different: one.Reactor !== two.Reactor, log };
  },
};
const result = await ways[way]();
if (isMainThread) console.log(JSON.stringify(result));
