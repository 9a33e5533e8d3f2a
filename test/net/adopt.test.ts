// Streams that were open already: socketpairs, pipes, FIFOs, terminals, inherited listeners; and what is none is refused.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, constants as fileConstants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  adopt,
  connect,
  descriptors,
  inheritedListeners,
  listen,
  nativeKernel,
  pipe,
  socketPair,
} from '../../src/index.js';
import type { Connection, InternetAddress } from '../../src/index.js';
import { Logs, fill, modes, pattern, realModes, useWorld } from './world.js';

const directory = mkdtempSync(join(tmpdir(), 'underloop-adopt-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe.each(modes)('pairs and pipes, $name', (mode) => {
  const world = useWorld(mode);
  const options = { trigger: mode.trigger };

  test('a socketpair goes both ways, ends by halves, and has no names', async () => {
    const w = world();
    const logs = new Logs({ readClosed: (connection) => connection.end() });
    const [a, b] = socketPair(w.reactor, logs.handlers, undefined, options);
    a.write('to b');
    b.write('to a');
    await w.until(() => logs.of(a).length === 4 && logs.of(b).length === 4);
    expect([logs.of(a).text, logs.of(b).text]).toEqual(['to a', 'to b']);
    expect(a.peerAddress).toEqual({ family: 'unix', path: '' });
    a.end();
    await w.until(() => logs.all.every((log) => log.closed));
    expect(logs.all.map((log) => log.closeError)).toEqual([null, null]);
  });

  test('a pipe carries more than it holds, and its reader closes at the end of it', async () => {
    const w = world();
    const logs = new Logs();
    const { reader, writer } = pipe(w.reactor, logs.handlers, logs.handlers, options);
    expect([reader.writable, writer.writable]).toEqual([false, true]);
    expect(() => reader.write('x')).toThrow(expect.objectContaining({ code: 'ERR_WRITE_AFTER_END' }));
    const bytes = pattern(400_000);
    expect(writer.write(bytes)).toBe(bytes.length);
    expect(writer.queuedBytes).toBeGreaterThan(0);
    writer.end();
    await w.until(() => logs.of(reader).closed && logs.of(writer).closed);
    expect(logs.of(reader).bytes.equals(bytes)).toBe(true);
    expect([reader.bytesRead, writer.bytesWritten]).toEqual([bytes.length, bytes.length]);
    expect([logs.of(reader).closeError, logs.of(writer).closeError]).toEqual([null, null]);
    expect(reader.localAddress).toBeNull();
  });

  test('a pipe whose reader goes: EPIPE for what is queued, no SIGPIPE, and no byte claimed', async () => {
    const w = world();
    const logs = new Logs();
    const { reader, writer } = pipe(w.reactor, logs.handlers, logs.handlers, options);
    reader.pause();
    fill(writer);
    reader.close();
    await w.until(() => logs.of(writer).closed);
    expect(logs.of(writer).closeError).toMatchObject({ code: 'EPIPE', syscall: 'write' });
  });

  test.runIf(mode.poller !== 'select')(
    'a writer with nothing to write hears that its reader went',
    async () => {
      const w = world();
      const logs = new Logs();
      const { reader, writer } = pipe(w.reactor, logs.handlers, logs.handlers, options);
      await w.settle();
      expect(logs.all.every((log) => !log.closed)).toBe(true);
      reader.close();
      await w.until(() => logs.of(writer).closed);
      expect(logs.of(writer).closeError).toBeNull();
    },
  );

  test('many queued pieces leave in few calls', async () => {
    const w = world();
    if (w.scripted === null) return;
    const logs = new Logs();
    const [a, b] = socketPair(w.reactor, logs.handlers, undefined, options);
    b.pause();
    fill(a);
    const before = a.queuedBytes;
    for (let i = 0; i < 40; i++) a.write(pattern(16 * 1024, i * 16 * 1024));
    w.scripted.record();
    w.scripted.setOption(a.fd, 'sendBufferBytes', 4 * 1024 * 1024);
    b.resume();
    await w.until(() => a.queuedBytes === 0);
    const sends = w.scripted.calls.filter(({ name }) => name === 'sendPieces' || name === 'sendBytes');
    expect(before + 40 * 16 * 1024).toBeGreaterThan(600_000);
    // 256 KiB a call at most.
    expect(sends.length).toBeLessThanOrEqual(5);
    expect(sends.some(({ name, result }) => name === 'sendPieces' && Number(result) > 64 * 1024)).toBe(true);
  });

  test('pieces that are taken in part arrive whole and in order', async () => {
    const w = world();
    const logs = new Logs();
    const { reader, writer } = pipe(w.reactor, logs.handlers, logs.handlers, options);
    w.scripted?.shortWrites(10_007);
    let length = 0;
    reader.pause();
    length += fill(writer, 5_003);
    for (let i = 0; i < 100; i++) length += writer.write(pattern(3_001, length));
    reader.resume();
    writer.end();
    await w.until(() => logs.of(reader).closed);
    expect(logs.of(reader).bytes.equals(pattern(length))).toBe(true);
  });

  test('a descriptor is not taken over twice, and stays with its first owner', async () => {
    const w = world();
    const logs = new Logs({ readClosed: (connection) => connection.end() });
    const [a, b] = socketPair(w.reactor, logs.handlers, undefined, options);
    expect(() => adopt(w.reactor, a.fd, {})).toThrow(expect.objectContaining({ code: 'ERR_FD_REGISTERED' }));
    a.write('still');
    await w.until(() => logs.of(b).length === 5);
  });

  test('two descriptors are asked for and one is left: EMFILE, and none is kept', () => {
    const w = world();
    if (w.scripted === null) return;
    const before = w.scripted.openFds();
    w.scripted.settings.fdLimit = Math.max(...before) + 2;
    for (const make of [pipe, socketPair]) {
      expect(() => make(w.reactor, {})).toThrow(expect.objectContaining({ code: 'EMFILE' }));
      expect(w.scripted.openFds()).toEqual(before);
    }
    w.scripted.settings.fdLimit = 1024;
    w.scripted.script('add', null, () => undefined, -28);
    expect(() => pipe(w.reactor, {})).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
    expect(w.scripted.openFds()).toEqual(before);
    expect(w.reactor.alive).toBe(false);
  });
});

describe.each(realModes)('descriptors from elsewhere, $name', (mode) => {
  const world = useWorld(mode);
  const options = { trigger: mode.trigger };

  test('a blocking FIFO is read to its end, and becomes non-blocking', async () => {
    const w = world();
    const path = join(directory, `fifo ${mode.name}`);
    execFileSync('mkfifo', [path]);
    const writer = spawn('sh', ['-c', `printf hello > "${path}"`]);
    const fd = openSync(path, fileConstants.O_RDONLY);
    const logs = new Logs();
    const connection = adopt(w.reactor, fd, logs.handlers, options);
    await w.until(() => logs.of(connection).closed);
    expect(logs.of(connection).text).toBe('hello');
    expect(writer.pid).toBeGreaterThan(0);
  });

  test('a terminal goes both ways, and ends when its other side has gone', async () => {
    const w = world();
    const [master, slave] = descriptors.openPty();
    const logs = new Logs();
    const connection = adopt(w.reactor, master, logs.handlers, options);
    expect(descriptors.write(slave, Buffer.from('out'))).toBe(3);
    await w.until(() => logs.of(connection).text === 'out');
    expect(() => connection.option('noDelay')).toThrow(/ENOTSOCK.*noDelay/);
    connection.write('in\n');
    const line = Buffer.alloc(10);
    await w.until(() => (descriptors.read(slave, line) ?? 0) > 0);
    expect(line.toString('latin1', 0, 3)).toBe('in\n');
    descriptors.close(slave);
    await w.until(() => logs.of(connection).closed);
    expect(logs.of(connection).closeError).toBeNull();
  });

  test('a terminal gives one line for each read, and all that were typed come', async () => {
    const w = world();
    const [master, slave] = descriptors.openPty();
    descriptors.write(master, Buffer.from('one\ntwo\nthree\n'));
    const logs = new Logs();
    const connection = adopt(w.reactor, slave, logs.handlers, options);
    await w.until(() => logs.of(connection).text === 'one\ntwo\nthree\n');
    expect(logs.of(connection).sizes).toEqual([4, 4, 6]);
    connection.close();
    descriptors.close(master);
  });

  test('what is no stream is refused with a reason, and stays open', () => {
    const w = world();
    const refusedWith = (fd: number, text: string): void => {
      expect(() => adopt(w.reactor, fd, {})).toThrow(
        expect.objectContaining({ code: 'ERR_FD_REFUSED', message: expect.stringContaining(text) as string }),
      );
      closeSync(fd);
    };
    refusedWith(openSync(import.meta.filename, 'r'), 'regular file');
    refusedWith(openSync(directory, 'r'), 'directory');
    refusedWith(openSync('/dev/null', 'r+'), 'waited on');
    const listening = nativeKernel.socket(4);
    nativeKernel.listen(listening, 1);
    expect(() => adopt(w.reactor, listening, {})).toThrow('listen(reactor, { fd })');
    nativeKernel.close(listening);
    if (process.platform === 'linux') {
      const event = descriptors.eventFd();
      expect(() => adopt(w.reactor, event, {})).toThrow('reactor.watch()');
      descriptors.close(event);
    }
    const fresh = nativeKernel.socket(4);
    expect(() => adopt(w.reactor, fresh, {})).toThrow(expect.objectContaining({ code: 'ENOTCONN' }));
    nativeKernel.close(fresh);
    expect(() => adopt(w.reactor, fresh, {})).toThrow(expect.objectContaining({ code: 'EBADF' }));
  });

  test('a listening descriptor is taken over, and one that does not listen is not', async () => {
    const w = world();
    const fd = nativeKernel.socket(4);
    nativeKernel.bind(fd, { family: 4, host: '127.0.0.1', port: 0 });
    expect(() => listen(w.reactor, { fd }, {})).toThrow(
      expect.objectContaining({
        code: 'ERR_FD_REFUSED',
        message: expect.stringContaining('SO_ACCEPTCONN') as string,
      }),
    );
    nativeKernel.listen(fd, 5);
    const logs = new Logs();
    const listener = listen(w.reactor, { fd, ...options }, logs.handlers);
    const { port } = listener.address as InternetAddress;
    const client: Connection = connect(w.reactor, { port, ...options }, logs.handlers);
    client.write('through');
    await w.until(() => listener.accepted === 1 && logs.all.some((log) => log.text === 'through'));
    listener.close();
    expect(nativeKernel.localAddress(fd)).toBeLessThan(0);
    expect(() => listen(w.reactor, { fd }, {})).toThrow(expect.objectContaining({ code: 'EBADF' }));
  });
});

test('descriptors of systemd are for the process that they name', () => {
  const pid = String(process.pid);
  expect(inheritedListeners({})).toEqual([]);
  expect(inheritedListeners({ LISTEN_PID: '1', LISTEN_FDS: '2' })).toEqual([]);
  expect(inheritedListeners({ LISTEN_PID: pid })).toEqual([]);
  expect(inheritedListeners({ LISTEN_PID: pid, LISTEN_FDS: '2', LISTEN_FDNAMES: 'web' })).toEqual([
    { fd: 3, name: 'web' },
    { fd: 4, name: '' },
  ]);
  expect(() => inheritedListeners({ LISTEN_PID: pid, LISTEN_FDS: 'x' })).toThrow('LISTEN_FDS');
});

test.runIf(process.platform === 'linux')(
  'a listener for whole messages (SOCK_SEQPACKET) is refused: they would be taken for a stream',
  ({ skip }) => {
    // Node makes no such socket: python3 makes it, and becomes Node.
    const program = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind('\\0underloop seqpacket %d' % os.getpid())
s.listen()
s.set_inheritable(True)
os.environ['LISTENER'] = str(s.fileno())
os.execv(sys.argv[1], sys.argv[1:])`;
    const inNode = `
      const { Reactor, listen } = await import(${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)});
      try { listen(new Reactor(), { fd: Number(process.env.LISTENER) }, {}); }
      catch (error) { console.log(error.message); }
    `;
    const { error, stdout } = spawnSync(
      'python3',
      ['-c', program, process.execPath, '--input-type=module', '-e', inNode],
      { timeout: 20_000 },
    );
    if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') return skip('no python3');
    expect(String(stdout)).toMatch(/^fd \d+ is no listening .*SO_ACCEPTCONN/);
  },
);

test('a write to a broken pipe does not kill, even when the default for SIGPIPE was restored', () => {
  const program = `
    process.on('SIGPIPE', () => {});
    process.removeAllListeners('SIGPIPE'); // libuv restores the default with the last of them
    const { Reactor, pipe, descriptors } = await import(${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)});
    const reactor = new Reactor();
    const { reader, writer } = pipe(reactor, {}, { close: (_, error) => console.log('survived', error?.code ?? 'null') });
    reader.close();
    writer.write('into the void');
    await reactor.run();
    reactor.close();
  `;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], { timeout: 20_000 });
  expect(output.toString()).toMatch(/^survived EPIPE/);
});
