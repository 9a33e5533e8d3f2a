// Mutants of the native threads: waking them, their descriptors, their signals, the limits of the system.

const stop = 'models/stop.test.ts';
const limits = 'models/limits.test.ts';

export const mutants = [
  {
    name: 'stop-unlocks-before-the-shutdown',
    problem: 'stop() racing the owning thread’s close',
    source: 'native/blocking/server.cc',
    // The pause makes a race of microseconds one that is lost every time.
    from: 'shutdown(static_cast<int>(fd), SHUT_RDWR);',
    to: 'slots_[fd].state.store(kOpen), usleep(5000), shutdown(static_cast<int>(fd), SHUT_RDWR);',
    fails: { [stop]: ["stop() racing the owning thread's close"] },
  },
  {
    name: 'accept-not-shut-down',
    problem: 'waking a blocked accept',
    source: 'native/blocking/acceptor.cc',
    from: 'void Wake() override { shutdown(listen_fd_, SHUT_RDWR); }',
    to: 'void Wake() override {}',
    fails: { [stop]: ['waking accept by shutdown > waking a blocked accept'] },
    alsoFails: {
      'waking accept by shutdown': 'each of them stops a server',
      'stop() wakes': 'each of them stops a server',
      "stop() racing the owning thread's close": 'it stops servers',
      'stops servers that nobody stopped': 'it stops servers',
    },
  },
  {
    name: 'accept-pipe-not-heard',
    problem: 'waking a blocked accept',
    source: 'native/blocking/acceptor.cc',
    from: 'if (both[1].revents != 0) return -ECANCELED;',
    to: '',
    fails: { [stop]: ['waking accept by a pipe, as on other systems > waking a blocked accept'] },
    alsoFails: {
      'waking accept by a pipe': 'each of them stops a server',
    },
  },
  {
    name: 'upstream-not-entered',
    problem: 'waking a blocked upstream read',
    source: 'native/blocking/session.cc',
    from: 'if (!server_.Enter(fd)) return false;',
    to: '',
    fails: { [stop]: ['a blocked upstream read, not only the client'] },
  },
  {
    name: 'threads-take-signals',
    problem: 'native threads start with all signals blocked',
    source: 'native/blocking/thread.h',
    from: 'sigfillset(&all);',
    to: 'sigemptyset(&all);',
    fails: { 'models/process.test.ts': ['native threads start with all signals blocked'] },
  },
  {
    name: 'exit-leaves-threads-parked',
    problem: 'process exit with threads parked in blocking calls',
    source: 'native/blocking/server.cc',
    from: 'shutdown(static_cast<int>(fd), SHUT_RDWR);',
    to: '',
    fails: { 'models/process.test.ts': ['ends on SIGTERM, with threads parked in blocking calls'] },
    alsoFails: {
      'serve --model': 'the end of its input stops the server in the same way',
    },
  },
  {
    name: 'refused-thread-ends-accepting',
    problem: 'pid and memory limits of containers',
    source: 'native/blocking/threads.cc',
    from: 'CloseConnection(fd);',
    to: '',
    fails: { [limits]: ['threads > thread limit reached'] },
  },
];
