// Listening: where, shared with whom, refused when, and what a listener's own life has to do with its connections.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as nodeConnect } from 'node:net';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { Listener } from '../../src/index.js';
import { hasIpv6 } from './ipv6.js';
import { Logs, modes, realModes, scriptedModes, useWorld } from './world.js';

describe.each(modes)('$name', (mode) => {
  const world = useWorld(mode);

  test('without options: on the loopback only, at a port that the system chose and the address tells', async () => {
    const w = world();
    const logs = new Logs();
    const listener = w.listen(logs.handlers);
    expect(listener.address).toEqual({ family: 4, host: '127.0.0.1', port: expect.any(Number) as number });
    expect(listener.address.port).toBeGreaterThan(1023);
    w.connect(listener.address.port, {});
    await w.until(() => logs.all.length === 1);
    expect(logs.connections[0]!.localAddress).toEqual(listener.address);
  });

  test('another loopback address, and a port that was asked for', async () => {
    const w = world();
    const { port } = w.listen({}, { host: '127.0.0.2' }).address;
    const logs = new Logs();
    const listener = w.listen(logs.handlers, { host: '127.0.0.3', port });
    expect(listener.address).toEqual({ family: 4, host: '127.0.0.3', port });
    w.connect(port, {}, { host: '127.0.0.3' });
    await w.until(() => logs.all.length === 1);
  });

  test.skipIf(!hasIpv6)('IPv6 on ::1', async () => {
    const w = world();
    const logs = new Logs();
    const listener = w.listen(logs.handlers, { host: '::1' });
    expect(listener.address).toMatchObject({ family: 6, host: '::1' });
    const client = w.connect(listener.address.port, {}, { host: '::1' });
    await w.until(() => logs.all.length === 1 && !client.connecting);
    expect(client.peerAddress).toEqual(listener.address);
    expect(logs.connections[0]!.peerAddress).toEqual(client.localAddress);
  });

  test('an address in use is EADDRINUSE, named with address and remedy, and leaves no descriptor behind', () => {
    const w = world();
    const { port } = w.listen({}).address;
    for (const reusePort of [undefined, true]) {
      expect(() => w.listen({}, { port, ...(reusePort && { reusePort }) })).toThrow(
        expect.objectContaining({
          name: 'SystemError',
          code: 'EADDRINUSE',
          errno: -constants.errno.EADDRINUSE,
          address: '127.0.0.1',
          port,
          message: expect.stringContaining('Choose another port') as string,
        }),
      );
    }
  });

  test('reusePort: two listeners share a port, and both get connections', async () => {
    const w = world();
    const logs = [new Logs(), new Logs()];
    const first = w.listen(logs[0]!.handlers, { reusePort: true });
    const { port } = first.address;
    const second = w.listen(logs[1]!.handlers, { reusePort: true, port });
    expect(second.address).toEqual(first.address);
    const clients = Array.from({ length: 64 }, () => w.connect(port, {}));
    await w.until(() => first.accepted + second.accepted === clients.length);
    // By hash on Linux: that one of two gets none of 64 has a chance of 2^-63.
    expect(Math.min(first.accepted, second.accepted)).toBeGreaterThan(0);
  });

  test('close accepts no more, keeps its connections, and frees the port at once', async () => {
    const w = world();
    const { client, clientLog, server, serverLog, listener } = await w.pair();
    const { port } = listener.address;
    listener.close();
    listener.close();
    expect([listener.closed, listener.fd, listener.connections]).toEqual([true, -1, 1]);
    client.write('to the server');
    server.write('to the client');
    await w.until(() => serverLog.text === 'to the server' && clientLog.text === 'to the client');
    const refused = new Logs();
    w.connect(port, refused.handlers);
    await w.until(() => refused.all[0]?.closed === true);
    expect(refused.all[0]!.closeError).toMatchObject({ code: 'ECONNREFUSED' });
    // Its connections stand still, and yet the port can be listened on again (SO_REUSEADDR).
    const again = w.listen({}, { port });
    expect(again.address.port).toBe(port);
    client.end();
    await w.until(() => serverLog.closed);
    expect(listener.connections).toBe(0);
  });

  test('connections and accepted count', async () => {
    const w = world();
    const logs = new Logs();
    const listener = w.listen(logs.handlers);
    const clients = Array.from({ length: 5 }, () => w.connect(listener.address.port, {}));
    await w.until(() => listener.accepted === 5);
    expect([listener.connections, listener.refused]).toEqual([5, 0]);
    clients[0]!.close();
    logs.connections[1]!.close();
    await w.until(() => listener.connections === 3);
    expect(listener.accepted).toBe(5);
  });

  test('a listener is disposable', () => {
    const w = world();
    const port = ((): number => {
      using listener = w.listen({});
      return listener.address.port;
    })();
    expect(w.listen({}, { port }).address.port).toBe(port);
  });

  test('closing the listener inside open stops accepting at once', async () => {
    const w = world();
    const logs = new Logs({ open: () => listener.close() });
    const listener = w.listen(logs.handlers);
    const clients = Array.from({ length: 3 }, () => w.connect(listener.address.port, new Logs().handlers));
    await w.until(() => logs.all.length === 1 && clients.every((client) => !client.connecting));
    await w.settle();
    expect([listener.accepted, logs.all.length]).toEqual([1, 1]);
  });

  test('an unreferenced listener does not keep the reactor alive; a referenced one does, and so do connections', async () => {
    const w = world();
    const listener = w.listen({});
    expect(w.reactor.alive).toBe(true);
    expect(listener.unref().unref()).toBe(listener);
    expect(w.reactor.alive).toBe(false);
    listener.ref().ref();
    expect(w.reactor.alive).toBe(true);
    listener.unref();
    const log = new Logs();
    const client = w.connect(listener.address.port, log.handlers);
    expect(w.reactor.alive).toBe(true);
    await w.until(() => log.all[0]?.has('open') === true);
    client.close();
    // run() ends by itself when the last connection has called its close.
    await w.reactor.run();
    expect(log.all[0]!.closed).toBe(true);
    expect(listener.closed).toBe(false);
    listener.close();
    listener.ref();
    expect(w.reactor.alive).toBe(false);
  });

  test('a connection that is reset before it is accepted harms no other', async () => {
    const w = world();
    const logs = new Logs({ data: (c, buffer, start, end) => void c.write(buffer, start, end) });
    const listener = w.listen(logs.handlers);
    const rude = new Logs();
    const kind = new Logs();
    // Without a turn in between: all of them stand in the kernel's queue when the first is accepted.
    const clients = Array.from({ length: 10 }, (_, i) =>
      w.connect(listener.address.port, i % 2 === 0 ? rude.handlers : kind.handlers),
    );
    clients.forEach((client, i) => {
      if (i % 2 === 0) client.reset();
      else client.write('hello');
    });
    await w.until(() => kind.all.length === 5 && kind.all.every((log) => log.text === 'hello'));
    await w.until(
      () => rude.all.length === 5 && logs.all.filter((log) => log.closed).length === listener.accepted - 5,
    );
    for (const log of logs.all) {
      if (log.closed) expect(log.events.at(-1)).toBe('close ECONNRESET');
      else expect(log.events).toEqual(['open', 'data']);
    }
    expect(listener.connections).toBe(5);
  });
});

describe.each(scriptedModes)('$name', (mode) => {
  const world = useWorld(mode);

  test('EAGAIN from accept is no error: another process of the herd was quicker', async () => {
    const w = world();
    const logs = new Logs();
    const listener = w.listen(logs.handlers);
    w.scripted!.script('accept', listener.fd, -constants.errno.EAGAIN);
    w.connect(listener.address.port, {});
    w.reactor.turn(0);
    expect([listener.accepted, logs.acceptErrors]).toEqual([0, []]);
    await w.until(() => listener.accepted === 1);
    expect(logs.acceptErrors).toEqual([]);
  });

  test('the kernel is asked in the right order, and for the backlog that was given', () => {
    const w = world();
    w.scripted!.record();
    const first = w.listen({});
    w.listen({}, { backlog: 7, reusePort: true, noDelay: true });
    w.listen({}, { host: '::1', ipv6Only: true });
    const calls = w.scripted!.calls.map(({ name, args }) =>
      name === 'setOption' ? String(args[1]) : name === 'listen' ? `listen ${String(args[1])}` : name,
    );
    const wait = ['localAddress', 'add', 'openReserve'];
    expect(calls).toEqual([
      ...['socket', 'reuseAddress', 'bind', 'listen 511', ...wait],
      ...['socket', 'reuseAddress', 'reusePort', 'noDelay', 'bind', 'listen 7', ...wait],
      ...['socket', 'reuseAddress', 'ipv6Only', 'bind', 'listen 511', ...wait],
    ]);
    expect(w.scripted!.getOption(first.fd, 'reuseAddress')).toBe(1);
  });

  test.each(['setOption', 'bind', 'listen', 'localAddress', 'add'] as const)(
    'a refusal by %s is thrown with its code, and leaves no descriptor behind',
    (call) => {
      const w = world();
      const before = w.scripted!.openFds();
      w.scripted!.script(call, null, -constants.errno.ENOMEM);
      expect(() => w.listen({}, { port: 80 })).toThrow(
        expect.objectContaining({ name: 'SystemError', code: 'ENOMEM' }),
      );
      expect(w.scripted!.openFds()).toEqual(before);
      expect(w.reactor.alive).toBe(false);
    },
  );

  test('EADDRNOTAVAIL speaks of the address, not of the port', () => {
    const w = world();
    w.scripted!.script('bind', null, -constants.errno.EADDRNOTAVAIL);
    expect(() => w.listen({}, { host: '203.0.113.1', port: 8080 })).toThrow(/address.*0\.0\.0\.0/);
  });

  test('EACCES at a port below 1024 says what such ports need', () => {
    const w = world();
    w.scripted!.script('bind', null, -constants.errno.EACCES);
    expect(() => w.listen({}, { port: 80 })).toThrow(
      expect.objectContaining({
        code: 'EACCES',
        syscall: 'bind',
        port: 80,
        message: expect.stringContaining('Ports below 1024 need privileges') as string,
      }),
    );
  });

  test('EMFILE is thrown by listen itself', () => {
    const w = world();
    w.scripted!.settings.fdLimit = 4;
    expect(() => w.listen({})).toThrow(expect.objectContaining({ code: 'EMFILE', syscall: 'socket' }));
    w.scripted!.settings.fdLimit = 1024;
  });

  test('on a closed reactor: a coded error, and no descriptor is left', () => {
    const w = world();
    w.reactor.close();
    expect(() => w.listen({})).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
    expect(w.scripted!.openFds()).toEqual([]);
  });
});

describe.each(realModes)("against Node's clients, $name", (mode) => {
  const world = useWorld(mode);

  test('a Node client is served', async () => {
    const w = world();
    const logs = new Logs({ data: (c, buffer, start, end) => void c.write(buffer, start, end) });
    const listener = w.listen(logs.handlers);
    w.start();
    const peer = nodeConnect(listener.address.port, '127.0.0.1');
    peer.write('ping');
    expect(String(((await once(peer, 'data')) as [Buffer])[0])).toBe('ping');
    expect(logs.connections[0]!.peerAddress).toEqual({ family: 4, host: '127.0.0.1', port: peer.localPort });
    await ended(peer);
  });

  test.skipIf(!hasIpv6 || process.platform !== 'linux')(
    'ipv6Only decides whether an IPv6 socket takes IPv4 connections',
    async () => {
      const w = world();
      // The mapped form of the IPv4 loopback: an IPv6 socket that listens no further than this machine.
      const host = '::ffff:127.0.0.1';
      const logs = new Logs();
      const listener = w.listen(logs.handlers, { host, ipv6Only: false });
      w.start();
      const peer = nodeConnect(listener.address.port, '127.0.0.1');
      await once(peer, 'connect');
      await w.until(() => logs.all.length === 1);
      expect(logs.connections[0]!.peerAddress).toEqual({ family: 6, host, port: peer.localPort });
      await ended(peer);
      expect(() => w.listen({}, { host, ipv6Only: true })).toThrow(
        expect.objectContaining({ code: 'EINVAL', syscall: 'bind' }),
      );
      const only = w.listen({}, { host: '::1', ipv6Only: true });
      expect(w.reactor.kernel.getOption(only.fd, 'ipv6Only')).toBe(1);
    },
  );

  test('noDelay of the listener holds for every connection accepted', async () => {
    const w = world();
    for (const noDelay of [true, false]) {
      const { server, listener } = await w.pair({}, {});
      listener.close();
      expect(w.reactor.kernel.getOption(server.fd, 'noDelay')).toBe(0);
      const logs = new Logs();
      w.connect(w.listen(logs.handlers, { noDelay }).address.port, {});
      await w.until(() => logs.all.length === 1);
      expect(w.reactor.kernel.getOption(logs.connections[0]!.fd, 'noDelay')).toBe(noDelay ? 1 : 0);
    }
  });

  test('reactor.run() goes on while a listener is referenced, and ends at once when none is', async () => {
    const w = world();
    const listener: Listener = w.listen({});
    let over = false;
    const running = w.reactor.run().then(() => (over = true));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(over).toBe(false);
    listener.unref();
    await running;
    expect(listener.closed).toBe(false);
  });
});

const lowPortsAreFree = ((): boolean => {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8')) <= 1;
  } catch {
    return true; // not Linux: macOS gives low ports to everybody on the wildcard, and the rules differ elsewhere
  }
})();

test.skipIf(lowPortsAreFree)(
  'a low port without the privilege is EACCES, in a process that has none',
  async () => {
    const child = fileURLToPath(new URL('children/low-port.js', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [child]);
    expect(JSON.parse(stdout)).toEqual({
      name: 'SystemError',
      code: 'EACCES',
      syscall: 'bind',
      address: '127.0.0.1',
      port: 1,
      message: expect.stringContaining('Ports below 1024 need privileges') as string,
    });
  },
);

async function ended(peer: Socket): Promise<void> {
  peer.resume();
  peer.end();
  await once(peer, 'close');
}
