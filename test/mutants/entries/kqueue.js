// Mutants of the kqueue poller, which is compiled and tested on a kqueue in memory.

const kqueue = 'native/kqueue.test.ts';
const source = 'native/poller_kqueue.cc';

const systems = ['a system with EVFILT_USER and EVFILT_EXCEPT', 'an older one, where a pipe wakes'].map(
  (system) => `the kqueue poller on ${system}`,
);
/** Checks run twice: on each kind of system. */
const onBoth = (...checks) => systems.flatMap((system) => checks.map((check) => `${system} > ${check}`));
/** Checks may be cut short at their end, so the names of suites stand before them. */
const among = (checks) =>
  Object.fromEntries(
    Object.entries(checks).flatMap(([check, reason]) => onBoth(check).map((name) => [name, reason])),
  );

export const mutants = [
  {
    name: 'kqueue-filters-not-merged',
    problem: 'kqueue’s two filters per fd merged',
    source,
    from: 'if (entry->batch != batch_) {',
    to: 'if (true) {',
    fails: {
      [kqueue]: onBoth(
        'filter merging: both filters of one fd are one event',
        'filter merging: the filters of several fds',
      ),
    },
    alsoFails: among({
      EV_EOF: 'both filters of the fd report the end',
      'oneshot with both filters': 'both filters report, and are to be one event',
      'priority stands on EVFILT_EXCEPT': 'three filters report, and are to be one event',
      'capacity: never more events than room': 'the room is counted in merged events',
    }),
  },
  {
    name: 'kqueue-eof-compared',
    problem: 'EV_EOF and EV_ERROR tested by bit',
    source,
    from: 'const bool eof = (event.flags & EV_EOF) != 0;',
    to: 'const bool eof = event.flags == EV_EOF;',
    fails: { [kqueue]: onBoth('EV_EOF is tested by bit: other flags stand beside it') },
    alsoFails: among({
      EV_EOF: 'the flags of the registration are echoed, so others always stand beside it',
    }),
  },
  {
    name: 'kqueue-error-compared',
    problem: 'EV_EOF and EV_ERROR tested by bit',
    source,
    from: 'if (event.flags & EV_ERROR) return kError;',
    to: 'if (event.flags == EV_ERROR) return kError;',
    fails: { [kqueue]: onBoth('EV_ERROR by bit: an event that is an error is no readiness') },
  },
  {
    name: 'kqueue-eof-hides-data',
    problem: 'HUP together with unread data',
    source,
    from: 'readiness = kReadable | (eof ? kReadClosed : 0); break;',
    to: 'readiness = eof ? kReadClosed : kReadable; break;',
    fails: { [kqueue]: onBoth('EV_EOF with data: readable and read-closed in one') },
    alsoFails: among({ EV_EOF: 'the read filter is readable at every end' }),
  },
  {
    name: 'kqueue-no-receipt',
    problem: 'EV_RECEIPT',
    source,
    from: 'static_cast<uint16_t>(flags | EV_RECEIPT)',
    to: 'static_cast<uint16_t>(flags)',
    fails: { [kqueue]: onBoth('EV_RECEIPT: a change is one call and takes no pending event') },
    alsoFails: among({
      'EV_RECEIPT: a refused modify': 'the change is answered by what was pending',
      oneshot: 'the change that silences a filter takes what was pending',
      'edge reports once': 'the change that rearms takes what was pending',
      'modify changes the trigger': 'the change takes what was pending',
      'capacity: never more events than room': 'the changes of oneshots take what was pending',
    }),
  },
  {
    name: 'kqueue-refused-add-leaves-a-filter',
    problem: 'EV_RECEIPT',
    source,
    from: 'Change(fd, added, {});',
    to: '',
    fails: { [kqueue]: onBoth('EV_RECEIPT: when one filter is refused, the add leaves none behind') },
  },
  {
    name: 'kqueue-deadline-begins-anew',
    problem: 'EINTR with the deadline recomputed',
    source,
    from: 'const double left_ms = deadline.RemainingMs();',
    to: 'const double left_ms = timeout_ms;',
    fails: { [kqueue]: onBoth('EINTR: the deadline is recomputed') },
  },
  {
    name: 'kqueue-registers-a-number-twice',
    problem: 'fd number reused at once',
    source,
    from: 'if (Find(fd) != nullptr && !IsForgotten(fd)) return -EEXIST;',
    to: 'if (Find(fd) != nullptr) return -EEXIST;',
    fails: { [kqueue]: onBoth('fd number reused at once: it can be added') },
  },
  {
    name: 'kqueue-edge-is-level',
    problem: 'edge trigger not drained',
    source,
    from: '((interest & kEdge) ? EV_CLEAR : 0)',
    to: '0',
    fails: { [kqueue]: onBoth('edge reports once until new bytes; modify looks again') },
    alsoFails: among({
      'EV_RECEIPT: a refused modify': 'the edge is what is to be left as it was',
      'modify changes the trigger': 'to an edge',
    }),
  },
];
