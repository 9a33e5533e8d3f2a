// Starts processes that compute for ever, prints their pids, and waits to be killed.

import { Reactor } from 'underloop';
import { executor } from 'underloop/executor';

const reactor = new Reactor();
const pool = executor(reactor, { kind: 'processes', workersMax: 2 });
const work = new URL('work.mjs', import.meta.url);
const whoami = [pool.run(work, 'whoami'), pool.run(work, 'whoami')];
void reactor.run();
const pids = (await Promise.all(whoami)).map(({ pid }) => pid);
// Blocked for ever: no JavaScript of theirs can notice anything.
pool.run(work, 'block', [60_000]).catch(() => {});
pool.run(work, 'block', [60_000]).catch(() => {});
console.log(`pids ${JSON.stringify([...new Set(pids)])}`);
