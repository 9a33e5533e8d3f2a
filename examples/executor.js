#!/usr/bin/env node
// A computation that takes long: in an executor the reactor's timer ticks on; in its own thread (--blocking) it stands still.

import { pbkdf2Sync } from 'node:crypto';
import { run, sleep } from './lib/async.js'; // in a program of yours: from 'underloop/async'
import { Reactor } from './lib/underloop.js'; // in a program of yours: from 'underloop'

const blocking = process.argv.includes('--blocking');
const work = ['secret', 'salt', 500_000, 32, 'sha256'];
const reactor = new Reactor();

await run(reactor, async () => {
  let done = false;
  let ticks = 0;
  const ticking = (async () => {
    for (; !done; ticks++) await sleep(reactor, 5);
  })();
  await sleep(reactor, 20);
  const before = ticks;
  if (blocking) pbkdf2Sync(...work);
  else await reactor.runInExecutor('node:crypto', 'pbkdf2Sync', ...work);
  const meanwhile = ticks - before;
  done = true;
  await ticking;
  console.log(`ticks while the key was computed: ${meanwhile}`);
});
