// Mutants of the pollers, and of the registry that gives out their tokens.

const hardProblems = 'poller/hard-problems.test.ts';
const time = 'poller/time.test.ts';

export const mutants = [
  {
    name: 'dup-refused-removal-keeps-registration',
    problem: 'closed fd still in the set through a dup',
    source: 'src/reactor/registry.ts',
    from: 'if (this.interest(slot) !== NONE) this.poller.remove(this.fds[slot]);',
    to: 'if (this.interest(slot) !== NONE && this.poller.remove(this.fds[slot]) < 0) return;',
    fails: {
      [hardProblems]: ['epoll > closed fd still in the set through a dup'],
    },
  },
  {
    name: 'poll-invalid-not-reported',
    problem: 'closed fd still in the set through a dup',
    source: 'native/poller_poll.cc',
    from: 'if (events & POLLNVAL) readiness |= kInvalid;',
    to: '',
    fails: { [hardProblems]: ['poll > closed fd still in the set through a dup'] },
  },
  {
    name: 'select-invalid-fails-the-wait',
    problem: 'closed fd still in the set through a dup',
    source: 'native/poller_select.cc',
    from: 'if (errno != EBADF) return -errno;',
    to: 'return -errno;',
    fails: { [hardProblems]: ['select > closed fd still in the set through a dup'] },
  },
  {
    name: 'reused-fd-keeps-the-old-registration',
    problem: 'fd number reused at once',
    source: 'src/reactor/registry.ts',
    from: 'if (before >= 0) this.release(before);',
    to: '',
    fails: {
      [hardProblems]: ['epoll > fd number reused at once: the new registration hears only of its own file'],
      'reactor/same-batch.test.ts': ['fd number reused at once'],
    },
  },
  {
    name: 'poll-registers-a-number-twice',
    problem: 'fd number reused at once',
    source: 'native/poller_poll.cc',
    from: 'if (index_.count(fd) != 0) return -EEXIST;',
    to: '',
    fails: {
      [hardProblems]: ['poll > fd number reused at once, without removal: refused until it is removed'],
    },
  },
  {
    name: 'select-registers-a-number-twice',
    problem: 'fd number reused at once',
    source: 'native/poller_select.cc',
    from: 'if (entries_[fd].present) return -EEXIST;',
    to: '',
    fails: {
      [hardProblems]: ['select > fd number reused at once, without removal: refused until it is removed'],
    },
  },
  {
    name: 'epoll-hangup-hides-data',
    problem: 'HUP together with unread data',
    source: 'native/poller_epoll.cc',
    from: 'if (events & EPOLLIN) readiness |= kReadable;',
    to: 'if ((events & EPOLLIN) && !(events & EPOLLHUP)) readiness |= kReadable;',
    fails: { [hardProblems]: ['epoll > HUP together with unread data'] },
    alsoFails: {
      'epoll > a parked registration is out of the set':
        'a socket whose peer is gone is readable beside its hang-up',
    },
  },
  {
    name: 'poll-hangup-hides-data',
    problem: 'HUP together with unread data',
    source: 'native/poller_poll.cc',
    from: 'if (events & POLLIN) readiness |= kReadable;',
    to: 'if ((events & POLLIN) && !(events & POLLHUP)) readiness |= kReadable;',
    fails: { [hardProblems]: ['poll > HUP together with unread data'] },
    alsoFails: {
      'poll > a parked registration is out of the set':
        'a socket whose peer is gone is readable beside its hang-up',
    },
  },
  {
    name: 'epoll-hangup-alone-dropped',
    problem: 'HUP or ERR reported alone',
    source: 'native/poller_epoll.cc',
    from: 'if (events & EPOLLHUP) readiness |= kHangup;',
    to: 'if ((events & EPOLLHUP) && readiness != 0) readiness |= kHangup;',
    fails: { [hardProblems]: ['epoll > HUP or ERR reported alone'] },
  },
  {
    name: 'poll-error-alone-dropped',
    problem: 'HUP or ERR reported alone',
    source: 'native/poller_poll.cc',
    from: 'if (events & POLLERR) readiness |= kError;',
    to: 'if ((events & POLLERR) && readiness != 0) readiness |= kError;',
    fails: { [hardProblems]: ['poll > HUP or ERR reported alone'] },
  },
  {
    name: 'hangup-alone-masked',
    problem: 'HUP or ERR reported alone',
    source: 'src/reactor/registry.ts',
    from: 'const asked = interest | ALWAYS_REPORTED |',
    to: 'const asked = interest |',
    fails: { 'reactor/watch.test.ts': ['readiness that nobody asked for > HUP or ERR reported alone'] },
    alsoFails: {
      'readiness that nobody asked for > HUP together with unread data': 'the hang-up is masked there too',
    },
  },
  {
    name: 'epoll-unconnected-hangup-hidden',
    problem: 'unconnected socket reporting HUP',
    source: 'native/poller_epoll.cc',
    from: 'if (events & EPOLLHUP) readiness |= kHangup;',
    to: 'if ((events & EPOLLHUP) && !(events & EPOLLOUT)) readiness |= kHangup;',
    fails: { [hardProblems]: ['epoll > unconnected socket reporting HUP'] },
  },
  {
    name: 'poll-unconnected-hangup-hidden',
    problem: 'unconnected socket reporting HUP',
    source: 'native/poller_poll.cc',
    from: 'if (events & POLLHUP) readiness |= kHangup;',
    to: 'if ((events & POLLHUP) && !(events & POLLOUT)) readiness |= kHangup;',
    fails: { [hardProblems]: ['poll > unconnected socket reporting HUP'] },
  },
  {
    name: 'epoll-edge-is-level',
    problem: 'edge trigger not drained',
    source: 'native/poller_epoll.cc',
    from: 'if (interest & kEdge) events |= EPOLLET;',
    to: '',
    fails: { [hardProblems]: ['epoll > edge trigger not drained'] },
  },
  {
    name: 'edge-not-rearmed-by-the-same-interest',
    problem: 'edge trigger not drained',
    source: 'src/reactor/registry.ts',
    from: 'if (old === interest && trigger === 0) return;',
    to: 'if (old === interest) return;',
    fails: { [hardProblems]: ['epoll > edge trigger not drained'] },
  },
  {
    name: 'epoll-deadline-begins-anew',
    problem: 'EINTR with the deadline recomputed',
    source: 'native/poller_epoll.cc',
    from: 'WaitOnce(ready, capacity, deadline.RemainingMs())',
    to: 'WaitOnce(ready, capacity, timeout_ms)',
    fails: { [time]: ['epoll > EINTR with the deadline recomputed'] },
  },
  {
    name: 'poll-deadline-begins-anew',
    problem: 'EINTR with the deadline recomputed',
    source: 'native/poller_poll.cc',
    from: 'n = WaitOnce(deadline.RemainingMs());',
    to: 'n = WaitOnce(timeout_ms);',
    fails: { [time]: ['poll > EINTR with the deadline recomputed'] },
  },
  {
    name: 'select-deadline-begins-anew',
    problem: 'EINTR with the deadline recomputed',
    source: 'native/poller_select.cc',
    from: 'const double left_ms = asked ? 0 : deadline.RemainingMs();',
    to: 'const double left_ms = asked ? 0 : timeout_ms;',
    fails: { [time]: ['select > EINTR with the deadline recomputed'] },
  },
  {
    name: 'signals-end-a-wait',
    problem: 'EINTR with the deadline recomputed',
    source: 'native/poller_epoll.cc',
    from: 'if (n == -EINTR) continue;',
    to: 'if (n == -EINTR) return 0;',
    fails: { [time]: ['epoll > EINTR with the deadline recomputed'] },
    alsoFails: {
      'epoll > sub-millisecond timeouts': 'a signal from anywhere ends one of its thousand waits early',
    },
  },
  {
    name: 'epoll-whole-milliseconds',
    problem: 'sub-millisecond timeouts neither early nor spinning',
    source: 'native/poller_epoll.cc',
    from: 'const bool fine = timeout_ms > 0 && timeout_ms != std::floor(timeout_ms);',
    to: 'const bool fine = false;',
    fails: { [time]: ['epoll > sub-millisecond timeouts neither early nor spinning'] },
  },
  {
    name: 'fractions-dropped',
    problem: 'sub-millisecond timeouts neither early nor spinning',
    source: 'native/poller.cc',
    from: 'double ns = std::ceil((timeout_ms - seconds * 1e3) * 1e6);',
    to: 'double ns = std::floor(timeout_ms - seconds * 1e3) * 1e6;',
    fails: {
      [time]: ['epoll', 'poll', 'select'].map(
        (kind) => `${kind} > sub-millisecond timeouts neither early nor spinning`,
      ),
    },
    alsoFails: {
      'timeouts of odd length': 'the same property with other numbers',
      'EINTR with the deadline recomputed': 'what is left of a wait has a fraction',
    },
  },
  {
    name: 'fallback-rounds-down',
    problem: 'sub-millisecond timeouts neither early nor spinning',
    source: 'native/poller_epoll.cc',
    from: 'static_cast<int>(std::ceil(timeout_ms));',
    to: 'static_cast<int>(std::floor(timeout_ms));',
    fails: {
      [time]: ['latched ENOSYS fallback', 'latched EPERM fallback'],
    },
  },
  {
    name: 'eperm-of-a-container-not-understood',
    problem: 'sub-millisecond timeouts neither early nor spinning',
    source: 'native/poller_epoll.cc',
    from: 'if (errno == ENOSYS || errno == EPERM) has_pwait2_ = false;',
    to: 'if (errno == ENOSYS) has_pwait2_ = false;',
    fails: { [time]: ['epoll without epoll_pwait2 > latched EPERM fallback'] },
  },
  {
    name: 'enosys-not-latched',
    problem: 'sub-millisecond timeouts neither early nor spinning',
    source: 'native/poller_epoll.cc',
    from: 'if (fine && has_pwait2_) {',
    to: 'if (fine) {',
    fails: {
      [time]: ['latched ENOSYS fallback', 'latched EPERM fallback'].map(
        (test) => `epoll without epoll_pwait2 > ${test}`,
      ),
    },
  },
  {
    name: 'regular-file-taken',
    problem: 'regular file and /dev/null refused',
    source: 'native/poller.cc',
    from: 'if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) ||',
    to: 'if (S_ISDIR(status.st_mode) ||',
    fails: {
      [hardProblems]: ['poll', 'select'].map(
        (kind) =>
          `${kind} > regular file and /dev/null refused (EPERM, explained, executor suggested): a regular file`,
      ),
    },
  },
  {
    name: 'dev-null-taken',
    problem: 'regular file and /dev/null refused',
    source: 'native/poller.cc',
    from: 'status.st_rdev == null.st_rdev)',
    to: 'status.st_rdev != null.st_rdev)',
    fails: {
      [hardProblems]: ['poll', 'select'].map(
        (kind) =>
          `${kind} > regular file and /dev/null refused (EPERM, explained, executor suggested): /dev/null`,
      ),
    },
  },
  {
    name: 'refusal-not-explained',
    problem: 'regular file and /dev/null refused',
    source: 'src/reactor/registry.ts',
    from: 'case EPERM:',
    to: 'case -EPERM:',
    fails: {
      [hardProblems]: ['epoll', 'poll', 'select'].map(
        (kind) => `${kind} > regular file and /dev/null refused (EPERM, explained, executor suggested)`,
      ),
    },
  },
  {
    name: 'watch-limit-not-named',
    problem: 'ENOSPC from the epoll watch limit',
    source: 'src/reactor/registry.ts',
    from: 'case ENOSPC:',
    to: 'case -ENOSPC:',
    fails: { [hardProblems]: ['ENOSPC from the epoll watch limit'] },
  },
  {
    name: 'epoll-inherited',
    problem: 'fork/exec leaving no fd open',
    source: 'native/poller_epoll.cc',
    from: 'epoll_create1(EPOLL_CLOEXEC)',
    to: 'epoll_create1(0)',
    fails: {
      'poller/inherit.test.ts': ['fork/exec leaving no fd open'],
      'lifecycle/spawn.test.ts': ['a spawned child has the descriptors that it would have without a reactor'],
    },
  },
  {
    name: 'waker-inherited',
    problem: 'fork/exec leaving no fd open',
    source: 'native/waker.cc',
    from: 'eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)',
    to: 'eventfd(0, EFD_NONBLOCK)',
    fails: {
      'poller/inherit.test.ts': ['fork/exec leaving no fd open'],
      'lifecycle/spawn.test.ts': ['a spawned child has the descriptors that it would have without a reactor'],
    },
  },
  {
    name: 'slice-timer-inherited',
    problem: 'fork/exec leaving no fd open',
    source: 'native/host.cc',
    from: 'timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)',
    to: 'timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)',
    fails: {
      'lifecycle/spawn.test.ts': ['a spawned child has the descriptors that it would have without a reactor'],
    },
  },
  {
    name: 'events-length-rounded-up',
    problem: 'caller’s buffer detached, resized or shared while its pointer is cached',
    source: 'native/poller_exports.cc',
    from: 'type != napi_int32_array || data == nullptr || length < 3) {',
    to: 'type != napi_int32_array || length < 1) {',
    fails: {
      'poller/buffers.test.ts': ['events resized below one event'],
    },
  },
];
