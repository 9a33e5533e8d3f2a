// Connecting: where from and to, and every way in which it does not come about.

import { getEventListeners, once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { constants } from 'node:os';
import { isIP } from 'node:net';
import { describe, expect, test } from 'vitest';
import { nativeKernel, resolveHost } from '../../src/index.js';
import type { InternetAddress } from '../../src/index.js';
import { hasIpv6 } from './ipv6.js';
import { Logs, modes, realModes, scriptedModes, useWorld } from './world.js';
import type { World } from './world.js';

/** A port that refuses: something listened there a moment ago. */
function refusingPort(w: World): number {
  const listener = w.listen({});
  const { port } = listener.address;
  listener.close();
  return port;
}

/** A port that answers nothing: its queue of finished handshakes is full, and nobody accepts. */
async function silentPort(w: World): Promise<number> {
  if (w.scripted !== null) {
    const listener = w.listen({});
    w.scripted.settings.connectDelayMs = Infinity;
    return listener.address.port;
  }
  const fd = nativeKernel.socket(4);
  w.onEnd(() => nativeKernel.close(fd));
  expect(nativeKernel.bind(fd, { family: 4, host: '127.0.0.1', port: 0 })).toBe(0);
  expect(nativeKernel.listen(fd, 1)).toBe(0);
  const { port } = nativeKernel.localAddress(fd) as InternetAddress;
  // It holds one more than the backlog.
  const logs = new Logs();
  w.connect(port, logs.handlers);
  w.connect(port, logs.handlers);
  await w.until(() => logs.all.length === 2, 'a full queue');
  return port;
}

describe.each(modes)('$name', (mode) => {
  const world = useWorld(mode);

  test('to a numeric address: it is connecting until open is called, once, in a later turn', async () => {
    const w = world();
    const listener = w.listen({});
    const logs = new Logs();
    const client = w.connect(listener.address.port, logs.handlers);
    expect([client.connecting, client.closed, client.writable]).toEqual([true, false, true]);
    expect(logs.all).toEqual([]);
    await w.until(() => logs.all[0]?.has('open') === true);
    await w.settle();
    expect([client.connecting, client.closed]).toEqual([false, false]);
    expect(logs.all[0]!.events).toEqual(['open']);
    expect(client.peerAddress).toEqual(listener.address);
  });

  test.skipIf(!hasIpv6)('to an IPv6 address, with data both ways', async () => {
    const w = world();
    const server = new Logs({ data: (c, buffer, start, end) => void c.write(buffer, start, end) });
    const { port } = w.listen(server.handlers, { host: '::1' }).address;
    const logs = new Logs();
    const client = w.connect(port, logs.handlers, { host: '::1' });
    client.write('six');
    await w.until(() => logs.all[0]?.text === 'six');
    expect(client.peerAddress).toEqual({ family: 6, host: '::1', port });
  });

  test('from a local address that was asked for', async () => {
    const w = world();
    const logs = new Logs();
    const { port } = w.listen(logs.handlers).address;
    const from = { family: 4, host: '127.0.0.9', port: 0 } as const;
    const client = w.connect(port, {}, { from });
    await w.until(() => logs.all.length === 1 && !client.connecting);
    expect(client.localAddress).toMatchObject({ family: 4, host: '127.0.0.9' });
    expect(logs.connections[0]!.peerAddress).toEqual(client.localAddress);
    // The port of another listener of that address cannot be had.
    const taken = w.listen({}, { host: '127.0.0.9' }).address;
    expect(() => w.connect(port, {}, { from: taken })).toThrow(
      expect.objectContaining({
        code: 'EADDRINUSE',
        syscall: 'bind',
        address: '127.0.0.9',
        port: taken.port,
      }),
    );
  });

  describe('connect refused, timed out, cancelled', () => {
    test('refused: no open; error and close with ECONNREFUSED, and where', async () => {
      const w = world();
      const port = refusingPort(w);
      const logs = new Logs();
      const client = w.connect(port, logs.handlers);
      client.write('for nobody');
      await w.until(() => logs.all[0]?.closed === true);
      expect(logs.all[0]!.events).toEqual(['error ECONNREFUSED', 'close ECONNREFUSED']);
      expect(logs.all[0]!.closeError).toMatchObject({
        name: 'SystemError',
        syscall: 'connect',
        errno: -constants.errno.ECONNREFUSED,
        address: '127.0.0.1',
        port,
        message: expect.stringContaining(`127.0.0.1:${String(port)}`) as string,
      });
      expect([client.closed, client.connecting, client.fd]).toEqual([true, false, -1]);
    });

    test('timed out: ERR_CONNECT_TIMEOUT, with the address and the time', async () => {
      const w = world();
      const port = await silentPort(w);
      const logs = new Logs();
      const beganMs = w.reactor.now();
      const client = w.connect(port, logs.handlers, { timeoutMs: 40 });
      await w.until(() => logs.all[0]?.closed === true);
      expect(w.reactor.now() - beganMs).toBeGreaterThanOrEqual(40);
      expect(logs.all[0]!.events).toEqual(['error ERR_CONNECT_TIMEOUT', 'close ERR_CONNECT_TIMEOUT']);
      expect(logs.all[0]!.closeError?.message).toContain(`127.0.0.1:${String(port)}`);
      expect(logs.all[0]!.closeError?.message).toContain('40 ms');
      expect([client.closed, client.fd]).toEqual([true, -1]);
    });

    test('cancelled by close() while it goes on: close alone, without an error, and never open', async () => {
      const w = world();
      const { port } = w.listen({}).address;
      const logs = new Logs();
      const client = w.connect(port, logs.handlers);
      client.write('never sent');
      client.close();
      await w.until(() => logs.all[0]?.closed === true);
      await w.settle();
      expect(logs.all[0]!.events).toEqual(['close']);
    });

    test('cancelled by a signal while it goes on: its reason', async () => {
      const w = world();
      const port = await silentPort(w);
      const logs = new Logs();
      const abort = new AbortController();
      const client = w.connect(port, logs.handlers, { signal: abort.signal, timeoutMs: 5000 });
      w.reactor.turn(0);
      abort.abort();
      expect(client.closed).toBe(true);
      await w.until(() => logs.all[0]?.closed === true);
      expect(logs.all[0]!.events).toHaveLength(2);
      expect(logs.all[0]!.closeError).toMatchObject({ name: 'AbortError' });
      expect(logs.all[0]!.closeError).toBe(abort.signal.reason);
      expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
    });

    test('a signal aborted before: its reason is thrown, and no socket is made', () => {
      const w = world();
      const { port } = w.listen({}).address;
      const reason = new Error('changed my mind');
      w.scripted?.record();
      expect(() => w.connect(port, {}, { signal: AbortSignal.abort(reason) })).toThrow(reason);
      expect(w.scripted?.calls ?? []).toEqual([]);
    });

    test('a signal aborted later closes the connection with its reason, whatever the reason is', async () => {
      const w = world();
      const logs = new Logs();
      const { port } = w.listen({}).address;
      const abort = new AbortController();
      w.connect(port, logs.handlers, { signal: abort.signal });
      await w.until(() => logs.all[0]?.has('open') === true);
      abort.abort('not an Error');
      await w.until(() => logs.all[0]!.closed);
      expect(logs.all[0]!.closeError).toBeInstanceOf(Error);
      expect(logs.all[0]!.closeError?.cause).toBe('not an Error');
      expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
    });

    test('a signal aborted after the close changes nothing and is no longer listened to', async () => {
      const w = world();
      const logs = new Logs();
      const { port } = w.listen({}).address;
      const abort = new AbortController();
      const client = w.connect(port, logs.handlers, { signal: abort.signal });
      expect(getEventListeners(abort.signal, 'abort')).toHaveLength(1);
      await w.until(() => logs.all[0]?.has('open') === true);
      client.close();
      await w.until(() => logs.all[0]!.closed);
      expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
      abort.abort();
      await w.settle();
      expect(logs.all[0]!.events).toEqual(['open', 'close']);
    });

    test('a timeout that is over after the connection stands closes nothing, and does not hold up run()', async () => {
      const w = world();
      const logs = new Logs();
      const listener = w.listen({});
      const client = w.connect(listener.address.port, logs.handlers, { timeoutMs: 20 });
      await w.until(() => logs.all[0]?.has('open') === true);
      let later = false;
      w.reactor.setTimer(25, () => (later = true));
      await w.until(() => later);
      expect(client.closed).toBe(false);
      const patient = w.connect(listener.address.port, logs.handlers, { timeoutMs: 3_600_000 });
      await w.until(() => logs.all[1]?.has('open') === true);
      client.close();
      patient.close();
      listener.close();
      await w.until(() => listener.connections === 0);
      await w.until(() => !w.reactor.alive, 'an end, with an hour left of the timeout');
    });
  });

  test('a timeout keeps run() going no longer than its connection does', async () => {
    const w = world();
    const logs = new Logs({ open: (connection) => void connection.unref() });
    const listener = w.listen(logs.handlers).unref();
    const client = w.connect(listener.address.port, logs.handlers, { timeoutMs: 3_600_000 });
    expect(w.reactor.alive).toBe(true);
    await w.until(() => logs.all.length === 2 && !client.connecting);
    expect([client.closed, w.reactor.alive]).toEqual([false, false]);
  });

  test('a host name is refused with the remedy, and nothing is looked up behind the back', () => {
    const w = world();
    for (const host of ['localhost', 'example.test', '127.0.0.1.example', '1.2.3', ' 127.0.0.1']) {
      const refused = expect.objectContaining({
        name: 'UnderloopError',
        code: 'ERR_HOST_NAME',
        message: expect.stringMatching(/options\.host.*resolveHost/s) as string,
      }) as Error;
      expect(() => w.connect(80, {}, { host })).toThrow(refused);
      expect(() => w.listen({}, { host })).toThrow(refused);
    }
  });
});

describe.each(scriptedModes)('$name', (mode) => {
  const world = useWorld(mode);

  test('the timeout is exact, and the connect that comes a moment earlier stands', async () => {
    const w = world();
    const { port } = w.listen({}).address;
    for (const [connectDelayMs, expected] of [
      [9.75, 'open'],
      [10.25, 'error ERR_CONNECT_TIMEOUT'],
    ] as const) {
      w.scripted!.settings.connectDelayMs = connectDelayMs;
      const logs = new Logs();
      const beganMs = w.reactor.now();
      const client = w.connect(port, logs.handlers, { timeoutMs: 10 });
      await w.until(() => logs.all.length > 0);
      expect(logs.all[0]!.events[0]).toBe(expected);
      expect(w.reactor.now() - beganMs).toBeCloseTo(Math.min(connectDelayMs, 10), 6);
      client.close();
    }
  });

  test("without a timeout the kernel's own counts: ETIMEDOUT, after two minutes", async () => {
    const w = world();
    w.scripted!.settings.connectDelayMs = Infinity;
    const logs = new Logs();
    w.connect(9, logs.handlers);
    await w.until(() => logs.all[0]?.closed === true);
    expect(logs.all[0]!.closeError).toMatchObject({ code: 'ETIMEDOUT', syscall: 'connect', port: 9 });
    expect(w.reactor.now()).toBe(127_000);
  });

  test('unconnected socket reporting HUP: it is registered only after connect() was called, and nothing comes early', async () => {
    const w = world();
    const { port } = w.listen({}).address;
    w.scripted!.settings.connectDelayMs = 5;
    w.scripted!.record();
    const logs = new Logs();
    w.connect(port, logs.handlers);
    expect(w.scripted!.calls.map(({ name }) => name)).toEqual(['socket', 'connect', 'add']);
    w.reactor.turn(0);
    w.reactor.turn(0);
    expect(logs.all).toEqual([]);
    await w.until(() => logs.all[0]?.has('open') === true);
    expect(w.reactor.now()).toBe(5);
  });

  test('a system that answers at once: the calls come in a later turn nevertheless', async () => {
    const w = world();
    w.scripted!.settings.connectsAtOnce = true;
    const { port } = w.listen({}).address;
    const logs = new Logs();
    w.connect(port, logs.handlers);
    w.connect(port + 1, logs.handlers);
    expect(logs.all).toEqual([]);
    await w.until(() => logs.all.length === 2);
    expect(logs.all.map(({ events }) => events)).toEqual([
      ['open'],
      ['error ECONNREFUSED', 'close ECONNREFUSED'],
    ]);
    expect(logs.all[1]!.closeError).toMatchObject({ address: '127.0.0.1', port: port + 1 });
  });

  test.each([
    ['ENETUNREACH', constants.errno.ENETUNREACH],
    ['EADDRNOTAVAIL', constants.errno.EADDRNOTAVAIL],
  ])('%s from connect(2) itself comes by the handlers, not as an exception', async (code, errno) => {
    const w = world();
    w.scripted!.script('connect', null, -errno);
    const logs = new Logs();
    const client = w.connect(80, logs.handlers, { host: '192.0.2.1' });
    expect(client.closed).toBe(true);
    await w.until(() => logs.all[0]?.closed === true);
    expect(logs.all[0]!.events).toEqual([`error ${code}`, `close ${code}`]);
    expect(logs.all[0]!.closeError).toMatchObject({
      code,
      syscall: 'connect',
      address: '192.0.2.1',
      port: 80,
    });
  });

  test('no descriptor left: EMFILE is thrown, and nothing leaks', () => {
    const w = world();
    const before = w.scripted!.openFds();
    w.scripted!.settings.fdLimit = before.length + 3;
    expect(() => w.connect(80, {})).toThrow(expect.objectContaining({ code: 'EMFILE', syscall: 'socket' }));
    w.scripted!.settings.fdLimit = 1024;
    expect(w.scripted!.openFds()).toEqual(before);
    expect(w.reactor.alive).toBe(false);
  });

  test('a poller that refuses: the error is thrown, and the socket is closed', () => {
    const w = world();
    const before = w.scripted!.openFds();
    w.scripted!.script('add', null, -constants.errno.ENOSPC);
    expect(() => w.connect(80, {})).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
    expect(w.scripted!.openFds()).toEqual(before);
  });

  test('on a closed reactor: a coded error, and no descriptor is left', () => {
    const w = world();
    w.reactor.close();
    expect(() => w.connect(80, {})).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
    expect(w.scripted!.openFds()).toEqual([]);
  });

  test('noDelay is set before the connect, so that it holds from the first byte', () => {
    const w = world();
    w.scripted!.record();
    w.connect(80, {}, { noDelay: true });
    expect(w.scripted!.calls.map(({ name, args }) => (name === 'setOption' ? args[1] : name))).toEqual([
      'socket',
      'noDelay',
      'connect',
      'add',
    ]);
  });
});

describe.each(realModes)("against Node's servers, $name", (mode) => {
  const world = useWorld(mode);

  test("a Node server is reached by a name that the runtime's resolver knows", async () => {
    const w = world();
    const server = createServer((socket: Socket) => socket.end('hello'));
    w.onEnd(() => server.close());
    const { host } = await resolveHost('localhost');
    server.listen(0, host);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const logs = new Logs();
    w.connect(port, logs.handlers, { host });
    w.start();
    await w.until(() => logs.all[0]?.closed === true);
    expect(logs.all[0]!.text).toBe('hello');
    expect(logs.all[0]!.events).toEqual(['open', 'data', 'close']);
  });
});

describe('resolveHost', () => {
  test('gives the first address of a name, and numeric addresses as they are', async () => {
    const { family, host } = await resolveHost('localhost');
    expect(isIP(host)).toBe(family);
    expect(await resolveHost('127.0.0.5')).toEqual({ family: 4, host: '127.0.0.5' });
    expect(await resolveHost('::1')).toEqual({ family: 6, host: '::1' });
  });

  test('a name that does not exist: a coded system error that names it, with the cause', async () => {
    // A label may have 63 letters (RFC 1035): this one is refused before any server is asked.
    const name = `${'x'.repeat(64)}.invalid`;
    await expect(resolveHost(name)).rejects.toMatchObject({
      name: 'SystemError',
      code: 'EAI_NONAME',
      syscall: 'getaddrinfo',
      message: expect.stringContaining(name) as string,
      cause: { code: 'ENOTFOUND' },
    });
  });

  test.each([undefined, null, '', 7, 'a\0b', {}])('refuses %j, naming argument and value', async (host) => {
    await expect(resolveHost(host as string)).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/^host must be .*; got /) as string,
    });
  });
});
