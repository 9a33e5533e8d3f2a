// Which tests run on a sanitized addon, and why others do not.

/** With AddressSanitizer all run but these. */
export const EXCLUDED_FROM_ADDRESS = [
  ['test/install/**', 'compiles addons of its own, which are not sanitized'],
  ['test/native/**', 'compiles programs of its own; npm run test:native runs the same ones sanitized'],
  ['test/node/pg.test.ts', 'starts Postgres, a foreign program'],
  ['test/blocking/postgres.test.ts', 'starts Postgres'],
  ['test/examples/articles.test.ts', 'starts Postgres and Redis, and compares times'],
  ['test/examples/redis-sync.test.ts', 'starts Redis, a foreign program'],
  ['test/node/redis.test.ts', 'starts Redis'],
  ['test/probe/bill.test.ts', 'measures memory, of which the sanitizer takes several times as much'],
  ['test/probe/live.test.ts', 'measures memory'],
  [
    'test/probe/interest-strace.test.ts',
    'LeakSanitizer cannot stop the threads of a process that strace holds',
  ],
  ['test/poller/time.test.ts', 'the same: strace takes a system call away there'],
  ['test/models/limits.test.ts', 'limits memory and threads below what the sanitizer itself needs'],
  ['test/host/alive.test.ts', 'asserts times of eighteen processes at once'],
  ['test/cli/compare.test.ts', 'measures memory and times in processes under load'],
];

/**
 * With ThreadSanitizer those run that have more than one thread in native code, or race with the end of one. Not those
 * of signals, which it holds back while a thread is in a system call made by number, as our epoll_wait is; nor
 * lifecycle/spawn.test.ts, which counts descriptors, for it opens some itself.
 */
export const RUN_WITH_THREAD = [
  'test/blocking/client.test.ts',
  'test/contract/wake.test.ts',
  'test/executor/',
  'test/host/order.test.ts',
  'test/lifecycle/close.test.ts',
  'test/lifecycle/exit.test.ts',
  'test/lifecycle/gc.test.ts',
  'test/lifecycle/load.test.ts',
  'test/lifecycle/worker.test.ts',
  'test/models/process.test.ts',
  'test/models/replies.test.ts',
  'test/models/stop.test.ts',
  'test/models/upstream-fails.test.ts',
  'test/probe/threads.test.ts',
];

/** Of these files, tests that compare times of two threads as they are without it. */
export const NAMES_NOT_RUN_WITH_THREAD = ['a worker’s waits are whole'];
