// Mutants of the reactor: order and obedience within a batch.

const sameBatch = 'reactor/same-batch.test.ts';
const turn = 'reactor/turn.test.ts';

export const mutants = [
  {
    name: 'generation-stands-still',
    problem: 'stale event later in the same batch',
    source: 'src/reactor/registry.ts',
    from: 'this.generations[slot] = generation === GENERATION_MAX ? 1 : generation + 1;',
    to: 'this.generations[slot] = generation;',
    fails: { [sameBatch]: ['stale event later in the same batch'] },
    alsoFails: {
      'fd number reused at once':
        'a number that is reused has a reused slot too, and the generation alone tells',
    },
  },
  {
    name: 'readiness-not-looked-at-again',
    problem: 'handler closing a neighbour in the same batch',
    source: 'src/reactor/reactor.ts',
    from: 'const readiness = registry.readinessNow(slot, events[at + 1], events[at + 2]);',
    to: 'const readiness = events[at + 2];',
    fails: { [sameBatch]: ['handler closing a neighbour in the same batch'] },
    alsoFails: {
      'stale event later in the same batch': 'one look at dispatch serves all of these',
      'fd number reused at once': 'one look at dispatch serves all of these',
      'interest withdrawn in the same batch': 'one look at dispatch serves all of these',
      'close inside own handler': 'what stands behind in the batch is closed as well',
    },
  },
  {
    name: 'readiness-not-masked',
    problem: 'interest withdrawn in the same batch',
    source: 'src/reactor/registry.ts',
    from: 'return reported & asked;',
    to: 'return reported;',
    fails: { [sameBatch]: ['interest withdrawn in the same batch'] },
  },
  {
    name: 'closed-reactor-runs-its-timers',
    problem: 'close inside own handler',
    source: 'src/reactor/reactor.ts',
    from: 'this.dueNext = this.due.length;',
    to: '',
    fails: { [sameBatch]: ['close inside own handler > the reactor itself, in a timer'] },
  },
  {
    name: 'closed-reactor-runs-its-tasks',
    problem: 'close inside own handler',
    source: 'src/reactor/reactor.ts',
    from: 'for (const queue of this.queues) queue.seal(0);',
    to: '',
    fails: { [sameBatch]: ['close inside own handler > the reactor itself: nothing that stands behind'] },
  },
  {
    name: 'equal-deadlines-reversed',
    problem: 'equal deadlines in creation order',
    source: 'src/reactor/timer-heap.ts',
    from: '(a.deadlineMs === b.deadlineMs && a.sequence < b.sequence)',
    to: '(a.deadlineMs === b.deadlineMs && a.sequence > b.sequence)',
    fails: { [turn]: ['1. timers > equal deadlines in creation order'] },
    alsoFails: {
      '1. timers > timers added by timers': 'its timers have equal deadlines',
      '1. timers > one that an earlier item': 'its timers have equal deadlines',
      '3. dispatch > whatever is queued meanwhile': 'its timers have equal deadlines',
    },
  },
  {
    name: 'timers-of-timers-join-the-batch',
    problem: 'timers added by timers',
    source: 'src/reactor/reactor.ts',
    from: 'const timer = this.due[this.dueNext++];',
    to: 'this.timers.takeDue(this.kernel.now(), this.due, Infinity); const timer = this.due[this.dueNext++];',
    fails: { [turn]: ['timers added by timers'] },
  },
  {
    name: 'parked-twice-removed-twice',
    problem: 'interest withdrawn in the same batch',
    source: 'src/reactor/registry.ts',
    from: 'if (old !== NONE) result = this.poller.remove(fd);',
    to: 'result = this.poller.remove(fd);',
    fails: {
      'reactor/watch.test.ts': [
        'parked watches (interest NONE) > parked twice: the kernel is asked once (edge)',
      ],
    },
  },
  {
    name: 'parked-stays-in-the-set',
    problem: 'interest withdrawn in the same batch',
    source: 'src/reactor/registry.ts',
    from: 'if (interest === NONE) {',
    to: 'if (interest === NONE && trigger !== 0) {',
    fails: { 'reactor/watch.test.ts': ['parked watches (interest NONE) > stand not in the kernel’s set'] },
    alsoFails: {
      'parked watches (interest NONE) > are told to the observer as parked': 'they are told as modified',
      'parked watches (interest NONE) > parked twice: the kernel is asked once (level)':
        'it is asked otherwise',
    },
  },
];
