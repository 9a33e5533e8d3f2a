// ps on unmodified node and python3: what it shows is so, and looking changes nothing for the process or its peers.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { isKnown, valueOf } from '../../src/probe/index.js';
import { isPhantom, watch } from '../../src/ps/index.js';
import type { PsEntry, PsReport, PsSet } from '../../src/ps/index.js';
import { entry, look, node, python, until } from './children.js';

const linux = process.platform === 'linux';
const havePython = spawnSync('python3', ['-c', 'import os; os.eventfd, os.pidfd_open']).status === 0;

const KINDS = `
import os, select, signal, socket, sys, time
p = select.epoll()
said = ['set', p.fileno(), 'duplicate', os.dup(p.fileno())]
def put(name, fd, events): p.register(fd, events); said.extend([name, fd])
a, b = socket.socketpair(); b.send(b'hello')
put('pair', a.fileno(), select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
l = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(l.getsockname())
put('listener', l.fileno(), select.EPOLLIN | (1 << 28))
put('client', c.fileno(), select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT)
put('eventfd', os.eventfd(3), select.EPOLLIN)
r, w = os.pipe(); put('pipe', r, select.EPOLLIN)
put('pidfd', os.pidfd_open(os.getpid()), select.EPOLLIN)
inner = select.epoll(); put('epoll', inner.fileno(), select.EPOLLIN)
sys.stdout.write(' '.join(map(str, said)) + '\\n'); sys.stdout.flush(); sys.stdin.read()
`;

/** `set 3 duplicate 4 ...` as numbers by name. */
function numbers(line: string): Record<string, number> {
  const words = line.trim().split(' ');
  return Object.fromEntries(words.flatMap((word, i) => (i % 2 === 0 ? [[word, Number(words[i + 1])]] : [])));
}

describe.runIf(linux && havePython)('python3', () => {
  test('each kind of descriptor is named, with its interest, its readiness and its queue', async () => {
    const child = await python(KINDS);
    const fds = numbers(child.line);
    const report = await until(child.pid, ({ threads }) => valueOf(threads)?.[0]?.state === 'S');
    const set = report.sets.find(({ epollFd }) => epollFd === fds['set']);
    expect(set?.duplicateFds).toEqual([fds['duplicate']]);
    expect(set?.entries.map(({ fd }) => fd)).toEqual(
      ['pair', 'listener', 'client', 'eventfd', 'pipe', 'pidfd', 'epoll']
        .map((name) => fds[name])
        .sort((x, y) => x! - y!),
    );
    const of = (name: string) => entry(report, fds[name]!);
    expect(of('pair').interest).toEqual(['EPOLLIN', 'EPOLLOUT', 'EPOLLERR', 'EPOLLHUP', 'EPOLLET']);
    expect(of('listener').interest).toContain('EPOLLEXCLUSIVE');
    expect(of('client').interest).toEqual(['EPOLLIN', 'EPOLLERR', 'EPOLLHUP', 'EPOLLRDHUP', 'EPOLLONESHOT']);
    expect(of('pair').file).toMatchObject({
      kind: 'socket',
      socket: { value: { receiveBytes: { value: 5 } } },
    });
    expect(of('listener').file).toMatchObject({
      socket: { value: { state: 'LISTEN', backlog: { value: { waiting: 1 } } } },
    });
    expect(of('client').file).toMatchObject({ socket: { value: { state: 'ESTABLISHED', protocol: 'tcp' } } });
    expect(of('eventfd').file).toMatchObject({ kind: 'eventfd', count: { value: 3n } });
    expect(of('pipe').file).toMatchObject({ kind: 'pipe', end: { value: 'read' } });
    expect(of('pidfd').file).toMatchObject({ kind: 'pidfd', ofPid: { value: child.pid } });
    expect(of('epoll').file).toMatchObject({ kind: 'epoll', entries: { value: 0 } });
    expect(
      ['pair', 'listener', 'client', 'eventfd', 'pipe'].map((name) => of(name).readiness.levelReports),
    ).toEqual(['yes', 'yes', 'no', 'yes', 'unknown']);
    expect(report.sets.flatMap(({ entries }) => entries).filter(isPhantom)).toEqual([]);
  });

  test('a phantom is found with its file: under another descriptor, and in another process', async () => {
    const child = await python(`
import os, select, socket, sys
p = select.epoll()
a, b = socket.socketpair(); b.send(b'hello')
e = os.eventfd(7)
p.register(a, 1); p.register(e, 1)
here = os.dup(a.fileno())
fds = (a.fileno(), e, here)
pid = os.fork()
if pid == 0:
    os.close(here); a.close(); sys.stdin.read(); os._exit(0)
os.close(e); a.close()
taken = os.open('/dev/null', os.O_RDONLY)
sys.stdout.write(' '.join(map(str, [*fds, pid])) + '\\n'); sys.stdout.flush()
sys.stdin.read()
`);
    const [socketFd, eventFd, here, other] = child.line.split(' ').map(Number) as [
      number,
      number,
      number,
      number,
    ];
    const report = await until(child.pid, (one) => {
      const { holders } = entry(one, socketFd);
      return holders !== null && isKnown(holders) && holders.value.length === 1; // the child has closed its copies
    });
    const phantom = entry(report, socketFd);
    expect(phantom.holders).toMatchObject({ value: [{ pid: child.pid, fd: here }] });
    expect(phantom.readiness.levelReports).toBe('yes');
    expect(phantom.file).toMatchObject({ kind: 'socket', socket: { value: { receiveBytes: { value: 5 } } } });
    const far = entry(report, eventFd);
    expect(isPhantom(far)).toBe(true);
    expect(far.holders).toMatchObject({ value: [{ pid: other, fd: eventFd }] });
    expect(far.file).toMatchObject({ kind: 'eventfd', count: { value: 7n } });
    child.stdin!.end();
  });
});

const isListener = ({ file }: PsEntry): boolean =>
  file?.kind === 'socket' && valueOf(file.socket)?.state === 'LISTEN';

describe.runIf(linux)('node', () => {
  test('its main thread waits on its set, in which its listener is', async () => {
    const child = await node(
      `const s = require('node:net').createServer().listen(0, '127.0.0.1', () => console.log(s.address().port))`,
    );
    const waitedOn = ({ threads, sets }: PsReport): PsSet | undefined => {
      const call = valueOf(valueOf(threads)![0]!.call);
      return sets.find(({ epollFd }) => call?.kind === 'call' && call.fd === epollFd);
    };
    // It prints before it hands the listener to the kernel, and a look reads threads after sets.
    const report = await until(child.pid, (one) => waitedOn(one)?.entries.some(isListener) === true);
    const [main] = valueOf(report.threads)!;
    const name = readFileSync(`/proc/${child.pid}/comm`, 'utf8').trim(); // node, and since Node 24 MainThread
    expect(main).toMatchObject({ main: true, name, timeout: { kind: expect.any(String) as string } });
    const listener = waitedOn(report)?.entries.find(isListener);
    expect(listener?.file).toMatchObject({
      socket: { value: { local: { value: `127.0.0.1:${child.line}` } } },
    });
    expect(listener?.readiness.levelReports).toBe('no');
  });

  test('while it is watched its peer hears of the end at once, and no phantom and no descriptor is made', async () => {
    const peers: Socket[] = [];
    const server = createServer((socket) => peers.push(socket.setMaxListeners(0))).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const child = await node(`
      const sockets = Array.from({ length: 20 }, () => require('node:net').connect(${port}, '127.0.0.1'));
      setTimeout(() => console.log('open'), 50);
      process.stdin.on('data', () => sockets.pop().destroy());`);
    while (peers.length < 20) await new Promise((resolve) => setTimeout(resolve, 5));
    const descriptors = (): number => readdirSync(`/proc/${child.pid}/fd`).length;
    const before = descriptors();
    const controller = new AbortController();
    let looks = 0;
    let phantoms = 0;
    const watching = watch(child.pid, {
      everyMs: 0,
      signal: controller.signal,
      onLook: (report) => {
        looks++;
        phantoms += report.sets.flatMap(({ entries }) => entries).filter(isPhantom).length;
        // This process holds nothing of the other's between its looks.
        const held = readdirSync('/proc/self/fd').flatMap((fd) => {
          try {
            return [readlinkSync(`/proc/self/fd/${fd}`)];
          } catch {
            return []; // the folder's own descriptor
          }
        });
        expect(held.filter((link) => link.startsWith(`/proc/${child.pid}`))).toEqual([]);
      },
    });
    for (let i = 0; i < 20; i++) {
      const ended = Promise.race(peers.map(async (peer) => (await once(peer, 'end'), peer)));
      for (const peer of peers) peer.resume();
      child.stdin!.write('x');
      const peer = await ended;
      peers.splice(peers.indexOf(peer), 1);
      // Each end is looked at as well, however much faster the two are than the looks.
      for (const before = looks; looks === before;) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(looks).toBeGreaterThanOrEqual(20);
    expect(descriptors()).toBe(before - 20);
    controller.abort();
    expect(await watching).toBeNull();
    expect(phantoms).toBe(0);
    server.close();
  });

  test('a thread that did not run between two looks is known not to have', async () => {
    const child = await node(`setTimeout(() => {}, 1e6); console.log('there')`);
    await until(child.pid, ({ threads }) => valueOf(threads)?.[0]?.state === 'S');
    const controller = new AbortController();
    const known: number[] = [];
    await watch(child.pid, {
      everyMs: 20,
      signal: controller.signal,
      onLook: ({ threads }) => {
        known.push((valueOf(threads) ?? []).filter(({ notRunMs }) => isKnown(notRunMs)).length);
        if (known.length === 4) controller.abort();
      },
    });
    expect(known[0]).toBe(0);
    expect(Math.max(...known)).toBeGreaterThan(0);
  });

  test('a process that ends while it is watched ends the watch', async () => {
    const child = await node(`process.stdin.on('data', () => process.exit()); console.log('there')`);
    const ending = await watch(child.pid, {
      everyMs: 5,
      signal: AbortSignal.timeout(20_000),
      onLook: () => child.stdin!.write('x'),
    });
    expect(ending === 'ended' || (ending !== null && /ended/.test(ending.unavailable))).toBe(true);
  });

  test('a set of 2,000 is shown in full, and stays the same while it is looked at', async () => {
    const child = await node(`
      const { createSocket } = require('node:dgram'); let bound = 0;
      for (let i = 0; i < 2000; i++) createSocket('udp4').bind(0, '127.0.0.1', () => ++bound === 2000 && console.log('all'));`);
    const report = look(child.pid);
    const set = report.sets.find(({ entries }) => entries.length >= 2000);
    const udp = set?.entries.filter(
      ({ file }) => file?.kind === 'socket' && valueOf(file.socket)?.protocol === 'udp',
    );
    expect(udp).toHaveLength(2000);
    expect(
      udp?.every(({ target, readiness }) => valueOf(target) === 'same' && readiness.readable === 'no'),
    ).toBe(true);
  });
});

test.runIf(linux)(
  'in random states of node, python3, asyncio and nginx it shows what strace saw registered',
  ({ skip }) => {
    if (spawnSync('strace', ['-f', '-e', 'trace=none', 'true']).status !== 0)
      skip('strace cannot be run here');
    const soak = fileURLToPath(new URL('soak.js', import.meta.url));
    const names = havePython ? 'node,python,asyncio,nginx' : 'node,nginx';
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [soak, '--states', '60', '--json', '--targets', names],
      {
        encoding: 'utf8',
        timeout: 28_000,
      },
    );
    expect(stdout, stderr).not.toBe('');
    const results = JSON.parse(stdout) as {
      states: number;
      phantoms: number;
      skipped?: string;
      mismatches: unknown[];
    }[];
    expect(results.flatMap(({ mismatches }) => mismatches)).toEqual([]);
    expect(results.filter(({ skipped, states }) => skipped === undefined && states < 15)).toEqual([]);
    expect(results.some(({ states }) => states > 0)).toBe(true);
    if (havePython) expect(results.reduce((sum, { phantoms }) => sum + phantoms, 0)).toBeGreaterThan(20);
  },
);
