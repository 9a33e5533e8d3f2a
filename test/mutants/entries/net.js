// Mutants of connections and listeners.

/** Found by its text in the whole folder, so that code may move between its files. */
const source = 'src/net';
const halfClose = 'net/half-close.test.ts';
const fairness = 'net/fairness.test.ts';
const shortReads = 'net/short-reads.test.ts';
const acceptErrors = 'net/accept-errors.test.ts';
const processes = 'net/processes.test.ts';
const write = 'net/write.test.ts';
const connect = 'net/connect.test.ts';

const level = ['epoll', 'poll', 'select', 'scripted'].map((poller) => `'${poller} level'`);
const edge = ['epoll', 'scripted'].map((poller) => `'${poller} edge'`);
/** On every poller, in both modes. */
const everywhere = (...tests) =>
  [...level, ...edge].flatMap((mode) => tests.map((test) => `${mode} > ${test}`));

export const mutants = [
  {
    name: 'hung-up-before-read',
    problem: 'HUP together with unread data',
    source,
    from: 'if ((readiness & ~WRITABLE) !== 0) this.readReady();',
    to: 'if ((readiness & (ERROR | HANGUP)) !== 0) this.hungUp(); else if ((readiness & ~WRITABLE) !== 0) this.readReady();',
    fails: { [halfClose]: ['HUP together with unread data > data and RST: the data first, then the error'] },
    alsoFails: {
      'HUP together with unread data': 'the same, with other ends',
      'half-close both ways': 'both halves ended is a hang-up with a FIN unread',
      'reset > gives the peer ECONNRESET': 'the error is read as a reset, not as a failed send',
    },
  },
  {
    name: 'half-closed-is-closed',
    problem: 'half-close both ways',
    source,
    from: 'if (handlers.readClosed !== undefined) handlers.readClosed(this);',
    to: 'if (handlers.readClosed !== undefined) { handlers.readClosed(this); this.shut(null); }',
    fails: {
      [halfClose]: everywhere(
        'half-close both ways > the client ends first',
        'half-close both ways > the server ends first',
      ),
    },
    alsoFails: {
      'HUP together with unread data > data and FIN when our own half': 'it waits for the end of both halves',
    },
  },
  {
    name: 'half-closed-asks-on',
    problem: 'half-close both ways',
    source,
    from: 'let interest = (this.flags & (PAUSED | READ_ENDED)) === 0 ? READABLE : NONE;',
    to: 'let interest = (this.flags & PAUSED) === 0 ? READABLE : NONE;',
    fails: {
      [halfClose]: level.map(
        (mode) => `${mode} > half-close both ways > a half-closed connection that waits costs no turns`,
      ),
    },
  },
  {
    name: 'edge-reads-without-bound',
    problem: 'edge-trigger starvation',
    source,
    from: 'if (reads === TRANSFERS_PER_ITEM_MAX) {',
    to: 'if (reads === Infinity) {',
    fails: { [fairness]: ["'scripted edge' > edge-trigger starvation"] },
    alsoFails: {
      'an edge that comes while a bounded read goes on': 'the bound is what it is about',
      'a bounded read that was put off': 'the bound is what it is about',
      'one flooding socket delays neither': 'the same for whole floods',
    },
  },
  {
    name: 'edge-takes-one-read',
    problem: 'edge trigger not drained',
    source,
    from: 'if (!edge) return;',
    to: 'if (!edge || edge) return;',
    fails: { [fairness]: ["'scripted edge' > edge-trigger starvation"] },
    alsoFails: {
      'an edge that comes while a bounded read goes on': 'the bound is what it is about',
      'a bounded read that was put off': 'the bound is what it is about',
      'one flooding socket delays neither': 'the same for whole floods',
    },
  },
  {
    name: 'edge-takes-a-short-read-for-the-end',
    problem: 'edge trigger not drained',
    source,
    from: 'if (!edge) return;',
    to: 'if (!edge || count < length) return;',
    fails: {
      [shortReads]: [
        "'epoll edge' > urgent data of TCP",
        "'epoll edge' > a descriptor passed over a Unix socket",
      ],
    },
  },
  {
    name: 'reserve-not-used',
    problem: 'accept at EMFILE or ENFILE',
    source,
    from: 'if (result === EMFILE || result === ENFILE) this.turnAway();',
    to: '',
    fails: {
      [acceptErrors]: ['accept at EMFILE (reserve fd and back-off): those that wait are turned away at once'],
    },
    alsoFails: {
      'then it rests for 100 ms': 'those that wait are to be turned away first',
      'a turned-away burst is bounded too': 'the reserve turns them away',
      'a reserve that somebody else has taken': 'the reserve turns them away',
      'a poller that has no room when a rest ends': 'the reserve turns them away',
      'ENFILE rests as well': 'the reserve turns them away',
    },
  },
  {
    name: 'accepting-never-rests',
    problem: 'accept at EMFILE or ENFILE',
    source: 'src/net/listener.ts',
    from: 'this.turnAway();\n    this.rest();',
    to: 'this.turnAway();\n',
    fails: { [acceptErrors]: ['then it rests for 100 ms'] },
    alsoFails: {
      'a reserve that somebody else has taken': 'each of them rests',
      'a poller that has no room when a rest ends': 'each of them rests',
      'without a reserve, and with a connection waiting': 'each of them rests',
      'ENFILE rests as well': 'each of them rests',
      'ENOBUFS rests as well': 'each of them rests',
      'ENOMEM rests as well': 'each of them rests',
      'EINVAL, which should not come': 'each of them rests',
      'EPROTO, which should not come': 'each of them rests',
      'an acceptError handler that throws': 'each of them rests',
    },
  },
  {
    name: 'rest-ends-in-a-parked-listener',
    problem: 'accept at EMFILE or ENFILE',
    source: 'src/net/listener.ts',
    from: '          this.retrying = false;\n          this.updateInterest();',
    to: '          this.retrying = false;\n',
    fails: { [acceptErrors]: ['a poller that has no room when a rest ends is asked again after another'] },
  },
  {
    name: 'herd-is-an-error',
    problem: 'accept herd across processes',
    source,
    from: 'if (fd === EAGAIN) return;',
    to: '',
    fails: {
      'net/listen.test.ts': ['EAGAIN from accept is no error: another process of the herd was quicker'],
    },
  },
  {
    name: 'sigpipe-delivered',
    problem: 'SIGPIPE',
    source: 'native/socket.cc',
    from: 'constexpr int kSendFlags = MSG_NOSIGNAL;',
    to: 'constexpr int kSendFlags = 0;',
    fails: { [processes]: ['SIGPIPE > a write to a connection that the peer has left is an error'] },
  },
  {
    name: 'failed-send-means-not-now',
    problem: 'RST in mid-write',
    source,
    from: 'if (sent === EAGAIN) {',
    to: 'if (sent < 0) {',
    fails: { [write]: ['RST in mid-write'] },
    alsoFails: {
      'ENOBUFS from send': 'the same with another error',
      'ETIMEDOUT from send': 'the same with another error',
      'EHOSTUNREACH from send': 'the same with another error',
    },
  },
  {
    name: 'rest-sent-twice',
    problem: 'partial writes and drain',
    source,
    from: 'this.enqueue(bytes, start + sent, stop)',
    to: 'this.enqueue(bytes, start, stop)',
    fails: { [write]: everywhere('partial writes and drain: 20 MB') },
    alsoFails: {
      'the bound of the queue': 'what is queued is counted, and arrives',
      'pause and resume': 'what is queued arrives',
      'partial writes and drain: whatever send takes': 'the same, in small',
      'a piece of the own buffer that is queued': 'what is queued arrives',
      "against Node's sockets": 'the same',
    },
  },
  {
    name: 'write-after-close-not-looked-at',
    problem: 'write after close',
    source,
    from: 'if ((this.flags & (CLOSED | ENDING | WRITE_ENDED | CONNECTING)) !== 0) this.checkWritable();',
    to: '',
    fails: { [write]: everywhere('write after close > after close', 'write after close > after end') },
    alsoFails: {
      'write after close > after reset': 'the same, after a reset',
      'RST in mid-write': 'it writes after the close too',
    },
  },
  {
    name: 'refusal-is-a-clean-end',
    problem: 'connect refused, timed out, cancelled',
    source,
    from: "this.failed('connect', error);",
    to: 'this.shut(null);',
    fails: { [connect]: everywhere('connect refused, timed out, cancelled > refused') },
    alsoFails: {
      "without a timeout the kernel's own counts": 'a refusal of another kind',
    },
  },
  {
    name: 'timeout-without-an-error',
    problem: 'connect refused, timed out, cancelled',
    source,
    from: "connection.destroy(new UnderloopError('ERR_CONNECT_TIMEOUT', text));",
    to: 'connection.close();',
    fails: { [connect]: everywhere('connect refused, timed out, cancelled > timed out') },
    alsoFails: {
      'the timeout is exact': 'the same, to the millisecond',
    },
  },
  {
    name: 'cancelled-without-its-reason',
    problem: 'connect refused, timed out, cancelled',
    source,
    from: "connection.destroy(reason instanceof Error ? reason : new Error('aborted', { cause: reason }));",
    to: 'connection.close();',
    fails: { [connect]: everywhere('connect refused, timed out, cancelled > cancelled by a signal') },
    alsoFails: {
      'connect refused, timed out, cancelled > a signal aborted later': 'the same, when it stands',
    },
  },
];
