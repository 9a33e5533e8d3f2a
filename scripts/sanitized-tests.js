// Which tests run on a sanitized addon, and why others do not.

/** With AddressSanitizer all run but these. */
export const EXCLUDED_FROM_ADDRESS = [
  ['test/install/**', 'compiles addons of its own, which are not sanitized'],
  ['test/package/**', 'installs the package elsewhere, with an addon of its own'],
  ['test/native/**', 'compiles programs of its own; npm run test:native runs the same ones sanitized'],
  ['test/node/pg.test.ts', 'starts Postgres, a foreign program'],
  ['test/blocking/postgres.test.ts', 'starts Postgres'],
  ['test/examples/articles.test.ts', 'starts Postgres and Redis, and compares times'],
  ['test/examples/redis-sync.test.ts', 'starts Redis, a foreign program'],
  ['test/node/redis.test.ts', 'starts Redis'],
  ['test/node/{http,lifetime}.test.ts', 'start curl, which hangs with the sanitizer in it'],
  ['test/probe/bill.test.ts', 'measures memory, of which the sanitizer takes several times as much'],
  ['test/probe/live.test.ts', 'measures memory'],
  [
    'test/probe/interest-strace.test.ts',
    'LeakSanitizer cannot stop the threads of a process that strace holds',
  ],
  ['test/poller/time.test.ts', 'the same: strace takes a system call away there'],
  ['test/models/limits.test.ts', 'limits memory and threads below what the sanitizer itself needs'],
  ['test/host/alive.test.ts', 'asserts times of eighteen processes at once'],
  ['test/cli/{compare,crossover}.test.ts', 'measure memory and times in processes under load'],
  ['test/html/**', 'starts a browser, a foreign program'],
  ['test/ps/**', 'starts nginx, python3 and strace, foreign programs'],
  ['test/doctor/**', 'tells by time what blocked a thread, and starts programs of others (taskset, timeout)'],
  // Those could run, but take half of the time, of which .ci/run has little, and would add next to nothing.
  [
    'test/cli/{interrupted,killed,usage}.test.ts',
    'the servers are those of test/models; a killed one reports nothing',
  ],
  [
    'test/replay/**',
    'a replay calls no native code, and what is recorded is called by the tests of test/net and test/host',
  ],
  ['test/{ci,compare,crossover,faults,mutants,workload}/**', 'run no native code'],
  [
    'test/examples/{docs,echo-reactor,lag}.test.ts',
    'compare what is printed; what runs is what test/net and test/poller run',
  ],
  [
    'test/load/{arrivals,config,generate,histogram}.test.ts',
    'run no native code but what test/load/run.test.ts does',
  ],
  ['test/net/random-scripts.test.ts', 'runs no native code: the kernel is scripted'],
  [
    'test/reactor/{random,run-queue,timer-heap}.test.ts',
    'run no native code: the kernel, if any, is scripted',
  ],
  [
    'test/step/scenarios*.test.ts',
    'run what the tests of the models and of stepping run, at the pace of a reader',
  ],
  ['test/step/screen/**', 'runs no native code but a terminal’s, and that for long'],
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
  'test/host/reactors.test.ts',
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

/**
 * Of these files, tests that compare times of two threads as they are without it, or count descriptors, of which it
 * opens one on the executable for its reports.
 */
export const NAMES_NOT_RUN_WITH_THREAD = [
  'a worker’s waits are whole',
  'a hundred reactors one after another',
  'no descriptor left for a second reactor',
  'using reactor: closed at the end',
];
