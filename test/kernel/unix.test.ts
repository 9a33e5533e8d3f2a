// Unix stream sockets at the kernel seam: the scripted kernel answers as the real one does.

import { mkdtempSync, rmSync, unlinkSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nativeKernel } from '../../src/index.js';
import type { Kernel, SocketAddress, UnixAddress } from '../../src/index.js';
import { UNIX_PATH_BYTES_MAX } from '../../src/kernel/kernel.js';
import { ScriptedKernel } from '../../src/testing.js';

const E = constants.errno;
const onLinux = process.platform === 'linux';
const directory = mkdtempSync(join(tmpdir(), 'underloop-'));
afterAll(() => rmSync(directory, { recursive: true }));

let names = 0;
const filePath = (): UnixAddress => ({ family: 'unix', path: join(directory, `s${String(names++)}`) });
const abstract = (): UnixAddress => ({
  family: 'unix',
  path: `\0underloop ${String(process.pid)} ${String(names++)} é`,
});

describe.each(['native', 'scripted'])('Unix sockets of the %s kernel', (name) => {
  let kernel: Kernel;
  let fds: number[];
  beforeEach(() => {
    kernel = name === 'native' ? nativeKernel : new ScriptedKernel();
    fds = [];
  });
  afterEach(() => {
    for (const fd of fds) kernel.close(fd);
  });

  function opened(fd: number): number {
    expect(fd).toBeGreaterThanOrEqual(0);
    fds.push(fd);
    return fd;
  }
  const socket = (): number => opened(kernel.socket('unix'));
  function listening(address: SocketAddress, backlog = 5): number {
    const fd = socket();
    expect(kernel.bind(fd, address)).toBe(0);
    expect(kernel.listen(fd, backlog)).toBe(0);
    return fd;
  }

  it.each(onLinux ? ['a path', 'an abstract name'] : ['a path'])(
    'connect by %s at once, and know both names',
    (kind) => {
      const address = kind === 'a path' ? filePath() : abstract();
      const listener = listening(address);
      const client = socket();
      expect(kernel.connect(client, address)).toBe(0);
      const server = opened(kernel.accept(listener));
      expect(kernel.localAddress(server)).toEqual(address);
      expect(kernel.peerAddress(server)).toEqual({ family: 'unix', path: '' });
      expect(kernel.peerAddress(client)).toEqual(address);
      expect(kernel.localAddress(client)).toEqual({ family: 'unix', path: '' });
      kernel.buffer.set([1, 2, 3]);
      expect(kernel.send(client, 0, 3)).toBe(3);
      expect(kernel.recv(server, 10, 10)).toBe(3);
      expect([...kernel.buffer.subarray(10, 13)]).toEqual([1, 2, 3]);
    },
  );

  it('know the name of a client that was bound', () => {
    const [here, there] = [filePath(), filePath()];
    const listener = listening(there);
    const client = socket();
    expect(kernel.bind(client, here)).toBe(0);
    expect(kernel.connect(client, there)).toBe(0);
    expect(kernel.peerAddress(opened(kernel.accept(listener)))).toEqual(here);
  });

  it('say the addresses of a pair: none', () => {
    const pair = new Int32Array(2);
    expect(kernel.socketPair(pair)).toBe(0);
    for (const fd of pair) {
      opened(fd);
      expect(kernel.localAddress(fd)).toEqual({ family: 'unix', path: '' });
      expect(kernel.peerAddress(fd)).toEqual({ family: 'unix', path: '' });
    }
    expect(kernel.peerAddress(socket())).toBe(-E.ENOTCONN);
  });

  it('refuse: no such file, a file that nobody listens at, a socket that does not listen', () => {
    const address = filePath();
    expect(kernel.connect(socket(), address)).toBe(-E.ENOENT);
    const bound = socket();
    expect(kernel.bind(bound, address)).toBe(0);
    expect(kernel.connect(socket(), address)).toBe(-E.ECONNREFUSED);
    kernel.close(fds.splice(fds.indexOf(bound), 1)[0]!);
    expect(kernel.connect(socket(), address)).toBe(-E.ECONNREFUSED);
    expect(kernel.bind(socket(), address)).toBe(-E.EADDRINUSE);
    if (name === 'native') unlinkSync(address.path);
  });

  it('refuse an address of another family', () => {
    expect(kernel.connect(socket(), { family: 4, host: '127.0.0.1', port: 1 })).toBeLessThan(0);
    expect(kernel.bind(opened(kernel.socket(4)), filePath())).toBeLessThan(0);
  });

  it.runIf(onLinux)('say EAGAIN when the queue of a listener is full', () => {
    const address = abstract();
    listening(address, 1);
    const results = Array.from({ length: 3 }, () => kernel.connect(socket(), address));
    expect(results).toEqual([0, 0, -E.EAGAIN]);
  });

  it('bound the path: a file leaves room for the NUL, an abstract name takes all', () => {
    const longest = join(directory, 'x'.repeat(UNIX_PATH_BYTES_MAX - 2 - directory.length));
    expect(kernel.bind(socket(), { family: 'unix', path: `${longest}y` })).toBe(-E.ENAMETOOLONG);
    expect(kernel.connect(socket(), { family: 'unix', path: 'x'.repeat(4096) })).toBe(-E.ENAMETOOLONG);
    const fd = listening({ family: 'unix', path: longest });
    expect(kernel.localAddress(fd)).toEqual({ family: 'unix', path: longest });
    expect(kernel.connect(socket(), { family: 'unix', path: longest })).toBe(0);
    if (!onLinux) return;
    const abstractName = `\0${'a'.repeat(UNIX_PATH_BYTES_MAX - 1)}`;
    expect(kernel.bind(socket(), { family: 'unix', path: `${abstractName}a` })).toBe(-E.ENAMETOOLONG);
    expect(kernel.localAddress(listening({ family: 'unix', path: abstractName }))).toMatchObject({
      path: abstractName,
    });
  });

  it('free an abstract name with its last descriptor', () => {
    if (!onLinux) return;
    const address = abstract();
    const fd = listening(address);
    expect(kernel.bind(socket(), address)).toBe(-E.EADDRINUSE);
    kernel.close(fds.splice(fds.indexOf(fd), 1)[0]!);
    expect(kernel.connect(socket(), address)).toBe(-E.ECONNREFUSED);
    listening(address);
  });

  it('tell those that nobody accepted that the listener has gone', () => {
    const address = filePath();
    const listener = listening(address);
    const client = socket();
    expect(kernel.connect(client, address)).toBe(0);
    kernel.close(fds.splice(fds.indexOf(listener), 1)[0]!);
    expect(kernel.recv(client, 0, 1)).toBe(-E.ECONNRESET);
  });
});
