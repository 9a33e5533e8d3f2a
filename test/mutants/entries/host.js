// Mutants of life beside the runtime: its loop, workers, several reactors, signals, the end of the process.

/** The runtime's descriptor is left out of what is waited on. */
const runtimeNotWaitedOn = {
  source: 'src/reactor/host.ts',
  from: 'this.slots = [only.registry.add(runtimeFd, READABLE, 0, this.runtimeSource, false)];',
  to: 'this.slots = [only.registry.add(runtimeFd, 0, 0, this.runtimeSource, false)];',
};

export const mutants = [
  {
    name: 'queued-immediates-not-asked-for',
    problem: 'runtime’s watcher not yet in the kernel when we block',
    source: 'src/reactor/host.ts',
    from: 'if (immediatesQueued()) {',
    to: 'if (false) {',
    fails: {
      'host/alive.test.ts': [
        'runtime’s watcher not yet in the kernel when we block > socket opened by the last of five',
      ],
    },
    alsoFails: { 'started before an otherwise idle wait': 'the same things, on more pollers' },
  },
  {
    name: 'worker-never-comes-up-for-air',
    problem: 'loop inside a worker, worker terminated while waiting',
    source: 'native/poller_exports.cc',
    from: '(left_ms > 0 ? left_ms : 0) : kTerminableSliceMs);',
    to: '(left_ms > 0 ? left_ms : 0) : 10 * kTerminableSliceMs);',
    fails: {
      'lifecycle/worker.test.ts': [
        ...['epoll', 'poll', 'select'].map((kind) => `worker terminated while waiting > in wait on ${kind}`),
      ],
    },
    alsoFails: {
      'worker terminated while waiting > in wait with a timeout': 'the same, with a timeout',
      'worker terminated while waiting > in turn': 'a turn without run() waits in the same way',
    },
  },
  {
    name: 'runtime-not-waited-on',
    problem: 'loop inside a worker, worker terminated while waiting',
    ...runtimeNotWaitedOn,
    fails: {
      'lifecycle/worker.test.ts': [
        ...['epoll', 'poll', 'select'].map((kind) => `worker terminated while waiting > in run on ${kind}`),
      ],
    },
  },
  {
    name: 'stopped-neighbour-goes-on',
    problem: 'two reactors in one thread',
    source: 'src/reactor/host.ts',
    from: 'if (this.reactors.includes(reactor)) dispatched += this.turnOf(reactor, 0);',
    to: 'dispatched += this.turnOf(reactor, 0);',
    fails: {
      'host/reactors.test.ts': ['two reactors in one thread > a handler of one that stops the other'],
    },
  },
  {
    name: 'neighbours-timer-not-counted',
    problem: 'two reactors in one thread',
    source: 'src/reactor/host.ts',
    from: 'if (!this.held.has(reactor)) delayMs = Math.min(delayMs, reactor.nextDelayMs);',
    to: '',
    fails: {
      'host/reactors.test.ts': [
        'two reactors in one thread > timers of either end the wait that both share, where nothing else would',
      ],
    },
    alsoFails: {
      'two reactors in one thread > timers of either end the wait that both share':
        'the same, in a busier process',
    },
  },
  {
    name: 'signals-unheard-while-waiting',
    problem: 'signals and exit while a reactor waits',
    ...runtimeNotWaitedOn,
    fails: {
      'lifecycle/signals.test.ts': [
        'SIGINT > with a handler that closes everything: idle',
        'SIGTERM > with a handler that closes everything: idle',
      ],
    },
  },
  {
    name: 'timers-keep-their-context',
    problem: 'AsyncLocalStorage context of shared handlers',
    source: 'src/reactor/reactor.ts',
    from: 'const timer = this.timers.add(this.kernel.now() + delayMs, callback);',
    to: "const { AsyncLocalStorage } = process.getBuiltinModule('node:async_hooks'); const timer = this.timers.add(this.kernel.now() + delayMs, AsyncLocalStorage.bind(callback));",
    fails: { 'host/context.test.ts': ['AsyncLocalStorage context of shared handlers'] },
  },
  {
    name: 'bridge-forgets-the-context',
    problem: 'AsyncLocalStorage context of shared handlers',
    source: 'src/node/socket.ts',
    from: '(this._resource as AsyncResource).runInAsyncScope(this._take, this, buffer, start, end);',
    to: 'this._take(buffer, start, end);',
    fails: {
      'node/net-behaviours-connect.test.ts': [
        'underloop/node > socket.connect() > keeps the context of AsyncLocalStorage',
      ],
    },
  },
  {
    name: 'pump-never-stops',
    problem: 'signals and exit while a reactor waits',
    source: 'src/reactor/host.ts',
    from: 'else binding.hostStop();',
    to: '',
    fails: {
      'lifecycle/exit.test.ts': ['naturally', 'by closing the reactor'].map(
        (way) => `process exit while the reactor runs > ${way}`,
      ),
    },
  },
];
