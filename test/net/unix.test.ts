// Unix sockets: listened at and connected to by path or abstract name, with the file that a path leaves.

import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { connect, listen, nativeKernel } from '../../src/index.js';
import type { Connection, SystemError, UnixAddress } from '../../src/index.js';
import { Logs, modes, pattern, realModes, scriptedModes, useWorld } from './world.js';

const onLinux = process.platform === 'linux';
const directory = mkdtempSync(join(tmpdir(), 'underloop-net-'));
afterAll(() => rmSync(directory, { recursive: true }));
let names = 0;
const newPath = (): string => join(directory, `s${String(names++)}`);
const newName = (): string => `\0underloop net ${String(process.pid)} ${String(names++)}`;
const newNameWithNuls = (): string => `${newName()}\0\0.\0`; // they are part of an abstract name, unix(7)

describe.each(modes)('Unix sockets, $name', (mode) => {
  const world = useWorld(mode);

  test.each(onLinux ? [newPath, newName, newNameWithNuls] : [newPath])(
    'bytes go both ways, and halves end one by one',
    async (make) => {
      const w = world();
      const path = make();
      const servers = new Logs({
        data: (connection, buffer, start, end) => void connection.write(buffer, start, end),
        readClosed: (connection) => {
          connection.write('bye');
          connection.end();
        },
      });
      const clients = new Logs({ readClosed: (connection) => connection.end() });
      const listener = listen(w.reactor, { path, trigger: mode.trigger }, servers.handlers);
      const address: UnixAddress = listener.address;
      expect(address).toEqual({ family: 'unix', path });
      const client = connect(w.reactor, { path, trigger: mode.trigger }, clients.handlers);
      const bytes = pattern(300_000);
      let sent = client.write(bytes);
      const log = clients.of(client);
      await w.until(() => {
        if (client.writable && sent < bytes.length) sent += client.write(bytes, sent);
        return log.length === bytes.length;
      });
      expect(client.peerAddress).toEqual({ family: 'unix', path });
      expect(servers.connections[0]!.localAddress).toEqual({ family: 'unix', path });
      client.end();
      await w.until(() => log.closed && servers.all[0]!.closed);
      expect(log.bytes.equals(Buffer.concat([bytes, Buffer.from('bye')]))).toBe(true);
      expect([log.closeError, servers.all[0]!.closeError]).toEqual([null, null]);
      listener.close();
    },
  );

  test('a peer that goes with bytes unread resets, and one that goes cleanly ends', async () => {
    const w = world();
    const path = newPath();
    const servers = new Logs({ open: (connection) => connection.pause() });
    const clients = new Logs();
    const listener = listen(w.reactor, { path, trigger: mode.trigger }, servers.handlers);
    const [first, second] = [0, 1].map(() =>
      connect(w.reactor, { path, trigger: mode.trigger }, clients.handlers),
    ) as [Connection, Connection];
    first.write('never read');
    await w.until(() => servers.all.length === 2 && !first.connecting && !second.connecting);
    await w.settle();
    for (const server of servers.connections) server.close();
    await w.until(() => clients.all.every((log) => log.closed) && clients.all.length === 2);
    expect(clients.of(first).events.at(-1)).toBe('close ECONNRESET');
    expect(clients.of(second).events.at(-1)).toBe('close');
    listener.close();
  });

  test('nobody at the path: ENOENT or ECONNREFUSED, with the path in the message', async () => {
    const w = world();
    const clients = new Logs();
    const path = newPath();
    const client = connect(w.reactor, { path }, clients.handlers);
    const log = clients.of(client);
    await w.until(() => log.closed);
    expect(log.events).toEqual(['error ENOENT', 'close ENOENT']);
    expect(log.closeError!.message).toContain(path);
    expect((log.closeError as SystemError).port).toBeUndefined();
  });

  test('a file left behind: EADDRINUSE says what to do, and replaceStale does it', () => {
    const w = world();
    const path = newPath();
    const kernel = w.reactor.kernel;
    const dead = kernel.socket('unix');
    expect(kernel.bind(dead, { family: 'unix', path })).toBe(0);
    kernel.close(dead);
    const refused = (options: object, code: string, text: string): void =>
      expect(() => listen(w.reactor, { path, ...options }, {})).toThrow(
        expect.objectContaining({ code, message: expect.stringContaining(text) as string }),
      );
    refused({}, 'EADDRINUSE', 'replaceStale');
    const listener = listen(w.reactor, { path, replaceStale: true }, {});
    refused({ replaceStale: true }, 'EADDRINUSE', 'Another process listens there');
    listener.close();
    expect(kernel.socketFile(path)).toBeLessThan(0);
    if (w.scripted !== null) return;
    writeFileSync(path, 'precious');
    refused({ replaceStale: true }, 'EADDRINUSE', 'no socket');
    expect(readFileSync(path, 'utf8')).toBe('precious');
  });

  test('closing removes the file: unless it shall stay, or is not the one that was made', () => {
    const w = world();
    const { kernel } = w.reactor;
    const path = newPath();
    const there = (): boolean => typeof kernel.socketFile(path) === 'string';
    const first = listen(w.reactor, { path }, {});
    expect(there()).toBe(true);
    first.close();
    expect(there()).toBe(false);
    listen(w.reactor, { path, keepFile: true }, {}).close();
    expect(there()).toBe(true);
    const second = listen(w.reactor, { path, replaceStale: true }, {});
    if (w.scripted === null) renameSync(path, `${path}.old`);
    else kernel.unlink(path, kernel.socketFile(path) as string);
    const third = listen(w.reactor, { path }, {});
    second.close();
    expect(there()).toBe(true);
    third.close();
    expect(there()).toBe(false);
  });

  test('a listener that the poller refuses leaves neither file nor descriptor', () => {
    const w = world();
    if (w.scripted === null) return;
    const path = newPath();
    w.scripted.script('add', null, -28);
    expect(() => listen(w.reactor, { path }, {})).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
    expect(w.scripted.socketFile(path)).toBeLessThan(0);
  });
});

describe.each([realModes[0]!, scriptedModes[0]!])('what is refused before a system call, $name', (mode) => {
  const world = useWorld(mode);

  test.each([
    [{ path: '' }, 'ERR_ARGUMENT', 'options.path'],
    [{ path: '\0' }, 'ERR_ARGUMENT', 'options.path'],
    [{ path: 'a\0b' }, 'ERR_ARGUMENT', 'options.path'],
    [{ path: 'x'.repeat(200) }, 'ERR_ARGUMENT', 'sun_path'],
    [{ path: '/x', port: 1 }, 'ERR_ARGUMENT', 'exclude one another'],
    [{ path: '/x', fd: 1 }, 'ERR_ARGUMENT', 'exclude one another'],
    [{ path: '\0x', replaceStale: true }, 'ERR_ARGUMENT', 'replaceStale'],
    [{ path: '/tmp/x', noDelay: true }, 'ERR_UNSUPPORTED', 'noDelay'],
    [{ path: '/x', keepFile: 1 }, 'ERR_ARGUMENT', 'keepFile'],
  ] as const)('%j', (options, code, text) => {
    const w = world();
    const open = w.scripted?.openFds();
    expect(() => listen(w.reactor, options as object, {})).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(text) as string }),
    );
    expect(w.scripted?.openFds()).toEqual(open);
  });

  test('a connect to nowhere, or from an internet address to a path', () => {
    const w = world();
    const attempt = (options: object) => () => connect(w.reactor, options, {});
    expect(attempt({})).toThrow('options.port');
    expect(attempt({ path: '/x', host: '::1' })).toThrow('exclude one another');
    const from = { family: 4, host: '127.0.0.1', port: 0 };
    expect(attempt({ path: '/x', from })).toThrow('options.from');
  });
});

test.runIf(onLinux)('a full queue is EAGAIN with a remedy, and no hang', async () => {
  const { World } = await import('./world.js');
  const w = new World(scriptedModes[0]!);
  const path = '\0full';
  const listener = listen(w.reactor, { path, backlog: 1 }, {});
  listener.pause();
  const logs = new Logs();
  const clients = [0, 1, 2].map(() => connect(w.reactor, { path }, logs.handlers));
  await w.until(() => logs.of(clients[2]!).closed);
  expect(logs.of(clients[2]!).closeError!.message).toContain('queue is full');
  await w.finish();
});

test('a relative path: the file is removed from where it was made, whatever the working directory is by then', async () => {
  const { World } = await import('./world.js');
  const w = new World(realModes[0]!);
  const before = process.cwd();
  process.chdir(directory);
  let listener;
  try {
    listener = listen(w.reactor, { path: 'relative' }, {});
  } finally {
    process.chdir(before);
  }
  expect(existsSync(join(directory, 'relative'))).toBe(true);
  listener.close();
  expect(existsSync(join(directory, 'relative'))).toBe(false);
  await w.finish();
});

test('a client of node:net is served at a path', async () => {
  const { World } = await import('./world.js');
  const w = new World(realModes[0]!);
  const path = newPath();
  listen(w.reactor, { path }, { data: (c, buffer, start, end) => void c.write(buffer, start, end) });
  w.start();
  const peer = createConnection(path);
  peer.end('hello');
  let text = '';
  for await (const chunk of peer) text += String(chunk);
  expect(text).toBe('hello');
  await w.finish();
  expect(existsSync(path)).toBe(false);
  expect(nativeKernel.socketFile(path)).toBeLessThan(0);
});
