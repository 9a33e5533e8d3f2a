// The public Poller waits on every kind of descriptor that can be "not ready yet": each is made, made ready, and read.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { NONE, PRIORITY, READABLE, WRITABLE, descriptors, nativeKernel } from '../../src/index.js';
import type { InternetAddress } from '../../src/index.js';
import {
  LONG_MS,
  attempt,
  closes,
  kinds,
  newPoller,
  opens,
  readText,
  ready,
  runChild,
  text,
} from './tools.js';

const isLinux = process.platform === 'linux';

/** A listening socket on the loopback. */
function listener(): [number, InternetAddress] {
  const fd = opens(nativeKernel.socket(4));
  nativeKernel.bind(fd, { family: 4, host: '127.0.0.1', port: 0 });
  expect(nativeKernel.listen(fd, 8)).toBe(0);
  return [fd, nativeKernel.localAddress(fd) as InternetAddress];
}

describe.each(kinds)('%s', (kind) => {
  const told = kind !== 'select';

  test('a pipe: the read end when bytes come, the write end while there is room', () => {
    const poller = newPoller(kind);
    const [readEnd, writeEnd] = opens(descriptors.pipe());
    const reading = poller.add(readEnd, READABLE);
    const writing = poller.add(writeEnd, WRITABLE);
    expect(ready(poller, [reading, writing])).toBe('none, writable');
    const block = new Uint8Array(65_536);
    while (descriptors.write(writeEnd, block) !== null);
    expect(ready(poller, [reading, writing])).toBe('readable, none');
    while (descriptors.read(readEnd, block) !== null);
    expect(ready(poller, [reading, writing])).toBe('none, writable');
  });

  test.runIf(isLinux)('an eventfd: readable while its counter is above 0', () => {
    const poller = newPoller(kind);
    const fd = opens(descriptors.eventFd());
    const registration = poller.add(fd, READABLE | WRITABLE);
    expect(ready(poller, registration)).toBe('writable');
    const counter = new BigUint64Array([3n]);
    descriptors.write(fd, new Uint8Array(counter.buffer));
    expect(ready(poller, registration)).toBe('readable+writable');
    descriptors.read(fd, new Uint8Array(counter.buffer));
    expect(counter[0]).toBe(3n);
    expect(ready(poller, registration)).toBe('writable');
    const full = opens(descriptors.eventFd(1));
    expect(ready(poller, [registration, poller.add(full, READABLE)])).toBe('writable, readable');
  });

  test.runIf(isLinux)('a timerfd: readable when its time has come, never before, and again', () => {
    const poller = newPoller(kind);
    const startMs = nativeKernel.now();
    const fd = opens(descriptors.timerFd(7.5, 5));
    const registration = poller.add(fd, READABLE);
    expect(ready(poller, registration, LONG_MS)).toBe('readable');
    expect(nativeKernel.now() - startMs).toBeGreaterThanOrEqual(7.5);
    const expirations = new BigUint64Array(1);
    descriptors.read(fd, new Uint8Array(expirations.buffer));
    expect(expirations[0]).toBeGreaterThanOrEqual(1n);
    expect(ready(poller, registration, LONG_MS)).toBe('readable');
    expect(nativeKernel.now() - startMs).toBeGreaterThanOrEqual(12.5);
  });

  test.runIf(isLinux)('a timerfd of 0 ms is due at once, not disarmed', () => {
    const poller = newPoller(kind);
    const registration = poller.add(opens(descriptors.timerFd(0)), READABLE);
    expect(ready(poller, registration, LONG_MS)).toBe('readable');
  });

  test.runIf(isLinux)('a signalfd: readable when the signal is pending', async () => {
    // In a process of its own, for the signal stays blocked in the thread.
    const [before, after, signal] = await runChild('signalfd.js', [kind]);
    expect([before, after, signal]).toEqual(['none', 'readable', '13']);
  });

  test.runIf(isLinux)('inotify: readable when something happens in the folder', () => {
    const poller = newPoller(kind);
    const folder = mkdtempSync(join(tmpdir(), 'underloop-inotify-'));
    try {
      const fd = opens(descriptors.inotify(folder));
      const registration = poller.add(fd, READABLE);
      expect(ready(poller, registration)).toBe('none');
      writeFileSync(join(folder, 'created'), '');
      expect(ready(poller, registration)).toBe('readable');
      expect(readText(fd)).toContain('created');
      expect(ready(poller, registration)).toBe('none');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test.runIf(isLinux)('a pidfd: readable when the process has ended', async ({ skip }) => {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    const ended = once(child, 'exit');
    try {
      const fd = attempt(() => descriptors.pidFd(child.pid!));
      if (typeof fd === 'string') return skip(fd);
      const poller = newPoller(kind);
      const registration = poller.add(fd, READABLE);
      expect(ready(poller, registration)).toBe('none');
      child.kill('SIGKILL');
      expect(ready(poller, registration, LONG_MS)).toMatch(/^readable/);
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
  });

  test('a pty: each end when the other writes; the master hangs up when the slave is closed', ({ skip }) => {
    let slave = -1;
    const master = attempt(() => {
      const [first, second] = descriptors.openPty();
      slave = opens(second);
      return first;
    });
    if (typeof master === 'string') return skip(master);
    const poller = newPoller(kind);
    const atMaster = poller.add(master, READABLE);
    expect(ready(poller, atMaster)).toBe('none');
    descriptors.write(slave, text('from the slave'));
    expect(ready(poller, atMaster, LONG_MS)).toBe('readable');
    expect(readText(master)).toBe('from the slave');
    // A terminal hands on whole lines, and echoes them in its own time.
    poller.modify(atMaster, NONE);
    const atSlave = poller.add(slave, READABLE);
    descriptors.write(master, text('a line\n'));
    expect(ready(poller, [atMaster, atSlave], LONG_MS)).toBe('none, readable');
    expect(readText(slave)).toBe('a line\n');
    poller.remove(atSlave);
    poller.modify(atMaster, READABLE);
    let echo = '';
    while (!echo.endsWith('\n')) {
      expect(ready(poller, atMaster, LONG_MS)).toBe('readable');
      echo += readText(master);
    }
    expect(echo).toBe('a line\r\n');
    closes(slave);
    expect(ready(poller, atMaster, LONG_MS)).toBe(
      { epoll: 'hangup', kqueue: 'readable+read-closed', poll: 'hangup', select: 'readable' }[kind as string],
    );
  });

  test.runIf(isLinux)('netlink: readable when the kernel answers', ({ skip }) => {
    const fd = attempt(() => descriptors.netlink());
    if (typeof fd === 'string') return skip(fd);
    const poller = newPoller(kind);
    const registration = poller.add(fd, READABLE);
    expect(ready(poller, registration)).toBe('none');
    // struct nlmsghdr: 20 bytes, RTM_GETLINK (18), NLM_F_REQUEST | NLM_F_DUMP (0x301), sequence 1; struct rtgenmsg.
    const request = new DataView(new ArrayBuffer(20));
    const isLittle = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
    request.setUint32(0, 20, isLittle);
    request.setUint16(4, 18, isLittle);
    request.setUint16(6, 0x301, isLittle);
    request.setUint32(8, 1, isLittle);
    descriptors.write(fd, new Uint8Array(request.buffer));
    expect(ready(poller, registration, LONG_MS)).toBe('readable');
    expect(readText(fd)).toContain('lo');
  });

  test('another poller: readable while that one has something to report', () => {
    const inner = newPoller();
    if (!inner.capabilities.nestable)
      throw new Error(`${inner.kind} is the best poller here and does not nest`);
    const poller = newPoller(kind);
    const [readEnd, writeEnd] = opens(descriptors.pipe());
    const innermost = inner.add(readEnd, READABLE);
    const registration = poller.add(inner.fd, READABLE);
    expect(ready(poller, registration)).toBe('none');
    descriptors.write(writeEnd, text('x'));
    expect(ready(poller, registration)).toBe('readable');
    expect(ready(inner, innermost)).toBe('readable');
    readText(readEnd);
    expect(ready(inner, innermost)).toBe('none');
    expect(ready(poller, registration)).toBe('none');
  });

  test('sockets: a listener when someone connects, a connect when it is done, a connection when bytes come', () => {
    const poller = newPoller(kind);
    const [fd, address] = listener();
    const listening = poller.add(fd, READABLE);
    expect(ready(poller, listening)).toBe('none');
    const client = opens(nativeKernel.socket(4));
    nativeKernel.connect(client, address);
    expect(ready(poller, listening, LONG_MS)).toBe('readable');
    // The client knows first: the listener hears of it with the last segment of the handshake.
    const connecting = poller.add(client, WRITABLE);
    expect(ready(poller, [listening, connecting])).toBe('readable, writable');
    const server = opens(nativeKernel.accept(fd));
    poller.modify(connecting, READABLE);
    descriptors.write(server, text('hello'));
    expect(ready(poller, [listening, connecting], LONG_MS)).toBe('none, readable');
    expect(readText(client)).toBe('hello');
  });

  test('a refused connect: writable, and the error beside it where the mechanism has a word for it', () => {
    const poller = newPoller(kind);
    const [unused, address] = listener();
    closes(unused);
    const client = opens(nativeKernel.socket(4));
    nativeKernel.connect(client, address);
    const registration = poller.add(client, WRITABLE);
    expect(ready(poller, registration, LONG_MS)).toBe(told ? 'writable+hangup+error' : 'writable');
    expect(nativeKernel.getOption(client, 'error')).toBeGreaterThan(0);
  });

  // kqueue has EVFILT_EXCEPT for it on macOS and not on FreeBSD: test/native has both.
  test.runIf(kind !== 'kqueue')('urgent data is priority', async ({ skip }) => {
    const [fd, address] = listener();
    const program = `import socket, sys
s = socket.create_connection(('127.0.0.1', ${String(address.port)}))
s.send(b'!', socket.MSG_OOB)
sys.stdin.read()`;
    // Node has no call for MSG_OOB.
    const python = spawn('python3', ['-c', program], { stdio: ['pipe', 'ignore', 'inherit'] });
    const started = await new Promise((resolve) => {
      python.once('spawn', () => resolve(true)).once('error', () => resolve(false));
    });
    if (started === false) return skip('no python3, which sends the urgent byte');
    const ended = once(python, 'exit');
    try {
      const poller = newPoller(kind);
      const listening = poller.add(fd, READABLE);
      expect(ready(poller, listening, LONG_MS)).toBe('readable');
      poller.remove(listening);
      const server = opens(nativeKernel.accept(fd));
      expect(ready(poller, poller.add(server, PRIORITY), LONG_MS)).toBe('priority');
    } finally {
      python.stdin.end();
      await ended;
    }
  });

  test("a descriptor of the runtime's own: a socket of node:net", async () => {
    const [fd, address] = listener();
    const poller = newPoller(kind);
    const listening = poller.add(fd, READABLE);
    const socket = createConnection(address.port, address.host);
    await once(socket, 'connect');
    expect(ready(poller, listening, LONG_MS)).toBe('readable');
    const server = opens(nativeKernel.accept(fd));
    const { fd: theirs } = (socket as unknown as { _handle: { fd: number } })._handle;
    const registration = poller.add(theirs, READABLE);
    expect(ready(poller, registration)).toBe('none');
    descriptors.write(server, text('x'));
    // The runtime has no turn in between, in which it would read the byte itself.
    expect(ready(poller, registration, LONG_MS)).toBe('readable');
    poller.remove(registration);
    socket.destroy();
    await once(socket, 'close');
  });
});
