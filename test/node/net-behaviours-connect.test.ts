// Connecting, as the documentation of node:net describes it: every test runs on node:net and on underloop/node.

import { AsyncLocalStorage } from 'node:async_hooks';
import { EventEmitter, once } from 'node:events';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { hasIpv6 } from '../net/ipv6.js';
import { World, closeOf, journal, nets, portOf, shape, textOf, thrown } from './nets.js';

const REFUSED = -constants.errno.ECONNREFUSED;

describe.each(nets)('%s', (_name, net) => {
  const world = new World(net);

  describe('new net.Socket()', () => {
    it('is a stream.Duplex and an EventEmitter', () => {
      const socket = world.socket();
      expect(socket).toBeInstanceOf(Duplex);
      expect(socket).toBeInstanceOf(EventEmitter);
      expect(socket).toBeInstanceOf(net.Socket);
    });
    it('can be called without new', () => {
      const make = net.Socket as unknown as () => Socket;
      expect(world.keep(make())).toBeInstanceOf(net.Socket);
    });
    it('is pending, and not connecting', () => {
      const socket = world.socket();
      expect([socket.pending, socket.connecting, socket.destroyed]).toEqual([true, false, false]);
    });
    it('has counted no bytes', () => {
      const socket = world.socket();
      expect([socket.bytesRead, socket.bytesWritten]).toEqual([0, 0]);
    });
    it('has no addresses', () => {
      const socket = world.socket();
      expect(socket.address()).toEqual({});
      expect([socket.localAddress, socket.localPort, socket.localFamily]).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
      expect([socket.remoteAddress, socket.remotePort, socket.remoteFamily]).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
    });
    it('has timeout undefined until setTimeout() is called', () => {
      expect(world.socket().timeout).toBeUndefined();
    });
    it('has allowHalfOpen false unless asked for', () => {
      expect(world.socket().allowHalfOpen).toBe(false);
      expect(world.socket({ allowHalfOpen: true }).allowHalfOpen).toBe(true);
    });
    it('refuses objectMode', () => {
      const error = thrown(() => new net.Socket({ objectMode: true } as object));
      expect(shape(error)).toMatchObject({
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_VALUE',
        message: "The property 'options.objectMode' is not supported. Received true",
      });
    });
    it('is destroyed by its signal, with an AbortError', async () => {
      const controller = new AbortController();
      const socket = world.socket({ signal: controller.signal });
      controller.abort();
      const [error] = await once(socket, 'error');
      expect(shape(error)).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR' });
      expect(socket.destroyed).toBe(true);
    });
    it('is destroyed by a signal that was aborted before', async () => {
      const socket = world.socket({ signal: AbortSignal.abort() });
      const [error] = await once(socket, 'error');
      expect(error.name).toBe('AbortError');
    });
    it('refuses a signal that is none', () => {
      const error = thrown(() => new net.Socket({ signal: 5 } as never));
      expect(shape(error)).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
    });
    it('refuses a keepAliveInitialDelay that is no number', () => {
      expect(shape(thrown(() => new net.Socket({ keepAliveInitialDelay: 'x' } as never)))).toMatchObject({
        code: 'ERR_INVALID_ARG_TYPE',
        message:
          'The "options.keepAliveInitialDelay" property must be of type number. Received type string (\'x\')',
      });
    });
  });

  describe('socket.connect()', () => {
    it('connects by port and host and calls back', async () => {
      const { port } = await world.listening();
      const socket = world.socket();
      await new Promise<void>((resolve) => socket.connect(port, '127.0.0.1', resolve));
      expect(socket.remotePort).toBe(port);
    });
    it('connects by options', async () => {
      const { port } = await world.listening();
      const socket = world.socket();
      await new Promise<void>((resolve) => socket.connect({ port, host: '127.0.0.1' }, resolve));
      expect(socket.remoteAddress).toBe('127.0.0.1');
    });
    it('goes to localhost when no host is given', async () => {
      const { port } = await world.listening();
      const socket = world.socket().connect(port);
      await once(socket, 'connect');
      expect(socket.remotePort).toBe(port);
    });
    it('takes a port as a string', async () => {
      const { port } = await world.listening();
      const socket = world.connect({ port: String(port) as never, host: '127.0.0.1' });
      await once(socket, 'connect');
      expect(socket.remotePort).toBe(port);
    });
    it('returns the socket', async () => {
      const { port } = await world.listening();
      const socket = world.socket();
      expect(socket.connect(port, '127.0.0.1')).toBe(socket);
    });
    it('is connecting and pending until connect is emitted', async () => {
      const { port } = await world.listening();
      const socket = world.connect({ port, host: '127.0.0.1' });
      expect([socket.connecting, socket.pending, socket.readyState]).toEqual([true, true, 'opening']);
      await once(socket, 'connect');
      expect([socket.connecting, socket.pending, socket.readyState]).toEqual([false, false, 'open']);
    });
    it('emits connect and then ready', async () => {
      const { port } = await world.listening();
      const socket = world.connect({ port, host: '127.0.0.1' });
      const seen = journal(socket, 'connect', 'ready');
      await once(socket, 'ready');
      expect(seen).toEqual(['connect', 'ready']);
    });
    it('never connects within the call', async () => {
      const { port } = await world.listening();
      let inCall = true;
      const socket = world.connect({ port, host: '127.0.0.1' }, () => expect(inCall).toBe(false));
      inCall = false;
      await once(socket, 'connect');
    });
    it('adds the callback as a listener of connect, once', async () => {
      const { port } = await world.listening();
      const socket = world.socket().connect(port, '127.0.0.1', () => undefined);
      expect(socket.listenerCount('connect')).toBe(1);
      await once(socket, 'ready');
      expect(socket.listenerCount('connect')).toBe(0);
    });
    it('gives addresses and ports of both ends', async () => {
      const { client, peer, port } = await world.pair();
      expect([client.remoteAddress, client.remotePort, client.remoteFamily]).toEqual([
        '127.0.0.1',
        port,
        'IPv4',
      ]);
      expect([peer.localAddress, peer.localPort, peer.localFamily]).toEqual(['127.0.0.1', port, 'IPv4']);
      expect(peer.remotePort).toBe(client.localPort);
      expect(client.address()).toEqual({ address: '127.0.0.1', family: 'IPv4', port: client.localPort });
    });
    it('connects from localAddress', async () => {
      const { client, peer } = await world.pair({}, { localAddress: '127.0.0.2' });
      expect(client.localAddress).toBe('127.0.0.2');
      expect(peer.remoteAddress).toBe('127.0.0.2');
    });
    it('connects from localPort', async () => {
      let localPort = await world.closedPort();
      const inUse = async (error: unknown): ReturnType<typeof world.pair> => {
        if ((error as { code?: string }).code !== 'EADDRINUSE') throw error;
        localPort = await world.closedPort(); // somebody else on this machine was given it meanwhile
        return world.pair({}, { localPort });
      };
      const { peer } = await world.pair({}, { localPort }).catch(inUse);
      expect(peer.remotePort).toBe(localPort);
    });
    it('tells that a local address cannot be had', async () => {
      const { port } = await world.listening();
      const [error] = await once(
        world.connect({ port, host: '127.0.0.1', localAddress: '192.0.2.1' }),
        'error',
      );
      expect(shape(error)).toMatchObject({
        code: 'EADDRNOTAVAIL',
        syscall: 'bind',
        message: 'bind EADDRNOTAVAIL 192.0.2.1',
      });
    });
    it('looks a name up and emits lookup', async () => {
      const { port } = await world.listening();
      const socket = world.connect({ port, host: 'localhost', family: 4 });
      const [error, address, family, host] = await once(socket, 'lookup');
      expect([error, address, family, host]).toEqual([null, '127.0.0.1', 4, 'localhost']);
    });
    it('asks the lookup function of the options', async () => {
      const { port } = await world.listening();
      const asked: unknown[] = [];
      const socket = world.connect({
        port,
        host: 'somewhere.example',
        family: 4,
        hints: 0,
        lookup: (host, options, callback) => {
          asked.push(host, options.family, options.hints);
          callback(null, '127.0.0.1', 4);
        },
      });
      await once(socket, 'connect');
      expect(asked).toEqual(['somewhere.example', 4, 0]);
    });
    it('asks for all addresses when it may select the family', async () => {
      const { port } = await world.listening();
      let all: unknown;
      const socket = world.connect({
        port,
        host: 'somewhere.example',
        autoSelectFamily: true,
        lookup: (_host, options, callback) => {
          all = options.all;
          callback(null, [{ address: '127.0.0.1', family: 4 }]);
        },
      });
      await once(socket, 'connect');
      expect(all).toBe(true);
    });
    it('does not look a numeric address up', async () => {
      const { port } = await world.listening();
      let asked = 0;
      const lookup = (): void => void asked++;
      await once(world.connect({ port, host: '127.0.0.1', lookup: lookup as never }), 'connect');
      expect(asked).toBe(0);
    });
    it('fails with the error of the lookup', async () => {
      const failure = Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
      const lookup = (_host: string, _options: object, callback: (error: Error) => void): void =>
        callback(failure);
      const socket = world.connect({ port: 1, host: 'somewhere.example', lookup: lookup as never });
      const closed = closeOf(socket);
      const [error] = await once(socket, 'error');
      expect(error).toBe(failure);
      expect(await closed).toEqual([true]);
    });
    it('refuses what a lookup gives that is no address', async () => {
      const lookup = (_host: string, _options: object, callback: (...args: unknown[]) => void): void =>
        callback(null, 'nonsense', 4);
      const socket = world.connect({
        port: 1,
        host: 'a.example',
        autoSelectFamily: false,
        lookup: lookup as never,
      });
      const [error] = await once(socket, 'error');
      expect(shape(error)).toMatchObject({
        code: 'ERR_INVALID_IP_ADDRESS',
        message: 'Invalid IP address: nonsense',
      });
    });
    it('refuses what a lookup gives that is no family', async () => {
      const lookup = (_host: string, _options: object, callback: (...args: unknown[]) => void): void =>
        callback(null, '127.0.0.1', 9);
      const socket = world.connect({
        port: 1,
        host: 'a.example',
        autoSelectFamily: false,
        lookup: lookup as never,
      });
      const [error] = await once(socket, 'error');
      expect(shape(error)).toMatchObject({
        code: 'ERR_INVALID_ADDRESS_FAMILY',
        message: 'Invalid address family: 9 a.example:1',
      });
    });
    it('says ECONNREFUSED with address, port, errno and syscall', async () => {
      const port = await world.closedPort();
      const [error] = await once(world.connect({ port, host: '127.0.0.1' }), 'error');
      expect(shape(error)).toEqual({
        name: 'Error',
        message: `connect ECONNREFUSED 127.0.0.1:${port}`,
        code: 'ECONNREFUSED',
        errno: REFUSED,
        syscall: 'connect',
      });
      expect(error).toMatchObject({ address: '127.0.0.1', port });
    });
    it('emits close with hadError after a connect that failed', async () => {
      const socket = world.connect({ port: await world.closedPort(), host: '127.0.0.1' });
      const seen = journal(socket, 'error', 'close', 'connect');
      socket.on('error', () => undefined);
      expect(await closeOf(socket)).toEqual([true]);
      expect(seen).toEqual(['error', 'close']);
      expect(socket.destroyed).toBe(true);
    });
    it('needs a port or a path', () => {
      expect(shape(thrown(() => world.socket().connect({} as never)))).toMatchObject({
        name: 'TypeError',
        code: 'ERR_MISSING_ARGS',
        message: 'The "options" or "port" or "path" argument must be specified',
      });
    });
    it.each([70_000, -1, 1.5, Number.NaN, '70000'])('refuses port %s', (port) => {
      const error = thrown(() => world.socket().connect({ port: port as number, host: '127.0.0.1' }));
      expect(shape(error)).toMatchObject({ name: 'RangeError', code: 'ERR_SOCKET_BAD_PORT' });
      expect(error.message).toMatch(/^Port should be >= 0 and < 65536\. Received type /);
    });
    it.each([[true], [{}], [[]]])('refuses a port of another type: %j', (port) => {
      const error = thrown(() => world.socket().connect({ port: port as never }));
      expect(shape(error)).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
      expect(error.message).toContain('The "options.port" property must be one of type number or string.');
    });
    it('refuses a localAddress that is no address', () => {
      const error = thrown(() => world.socket().connect({ port: 1, localAddress: 'x' }));
      expect(shape(error)).toMatchObject({
        code: 'ERR_INVALID_IP_ADDRESS',
        message: 'Invalid IP address: x',
      });
    });
    it('refuses a localPort that is no number', () => {
      const error = thrown(() => world.socket().connect({ port: 1, localPort: 'x' as never }));
      expect(shape(error)).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    });
    it('refuses a lookup that is no function', () => {
      const error = thrown(() => world.socket().connect({ port: 1, host: 'localhost', lookup: 1 as never }));
      expect(shape(error)).toMatchObject({
        code: 'ERR_INVALID_ARG_TYPE',
        message: 'The "options.lookup" property must be of type function. Received type number (1)',
      });
    });
    it('refuses an autoSelectFamily that is no boolean', () => {
      const error = thrown(() =>
        world.socket().connect({ port: 1, host: 'localhost', autoSelectFamily: 5 as never }),
      );
      expect(shape(error)).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    });
    it('sends what was written before it was connected', async () => {
      const { port } = await world.listening({}, (socket) => socket.pipe(socket));
      const socket = world.connect({ port, host: '127.0.0.1' });
      socket.write('early ');
      socket.write('bird');
      socket.end();
      expect(await textOf(socket)).toBe('early bird');
    });
    it('counts what waits for the connection in bytesWritten', async () => {
      const { port } = await world.listening();
      const socket = world.connect({ port, host: '127.0.0.1' });
      socket.write('12345');
      socket.write('678');
      expect(socket.bytesWritten).toBe(8);
      await once(socket, 'connect');
    });
    it('can be destroyed while connecting: close, and no connect', async () => {
      const { port } = await world.listening();
      const socket = world.connect({ port, host: '127.0.0.1' });
      const seen = journal(socket, 'connect', 'ready', 'error', 'close');
      socket.destroy();
      expect(await once(socket, 'close')).toEqual([false]);
      expect(seen).toEqual(['close']);
      expect(socket.connecting).toBe(false);
    });
    it('fails a write that waited when it is destroyed while connecting', async () => {
      const { port } = await world.listening();
      const socket = world.connect({ port, host: '127.0.0.1' });
      const written = new Promise<Error | null | undefined>((resolve) => socket.write('x', resolve));
      socket.destroy();
      expect(await written).toMatchObject({ code: 'ERR_SOCKET_CLOSED_BEFORE_CONNECTION' });
    });
    it('can be used for another connection after close', async () => {
      const { port } = await world.listening({}, (socket) => socket.end('again'));
      const socket = world.socket();
      socket.connect(port, '127.0.0.1');
      expect(await textOf(socket)).toBe('again');
      if (!socket.closed) await once(socket, 'close');
      socket.removeAllListeners('data');
      socket.connect(port, '127.0.0.1');
      expect(await textOf(socket)).toBe('again');
    });
    it('can be tried again after a refusal', async () => {
      const socket = world.socket();
      socket.connect(await world.closedPort(), '127.0.0.1');
      await once(socket, 'error');
      await once(socket, 'close');
      const { port } = await world.listening();
      socket.connect(port, '127.0.0.1');
      await once(socket, 'connect');
      expect([socket.destroyed, socket.readyState]).toEqual([false, 'open']);
    });
    it('keeps the context of AsyncLocalStorage', async () => {
      const storage = new AsyncLocalStorage<string>();
      const { port } = await world.listening({}, (socket) => socket.end('x'));
      const seen: (string | undefined)[] = [];
      const socket = storage.run('the client', () => world.connect({ port, host: '127.0.0.1' }));
      for (const name of ['connect', 'data', 'end', 'close'])
        socket.on(name, () => seen.push(storage.getStore()));
      await once(socket, 'close');
      expect(seen).toEqual(['the client', 'the client', 'the client', 'the client']);
    });
    it.skipIf(!hasIpv6)('reaches an IPv6 address', async () => {
      const server = world.server({}, (socket) => socket.end('six'));
      server.listen(0, '::1');
      await once(server, 'listening');
      const socket = world.connect({ port: portOf(server), host: '::1' });
      await once(socket, 'connect');
      expect([socket.remoteAddress, socket.remoteFamily, socket.localFamily]).toEqual([
        '::1',
        'IPv6',
        'IPv6',
      ]);
    });
  });

  describe('autoSelectFamily', () => {
    const addresses = [
      { address: '::1', family: 6 },
      { address: '127.0.0.1', family: 4 },
    ];
    const both = (_host: string, _options: object, callback: (...args: unknown[]) => void): void => {
      setImmediate(callback, null, addresses);
    };
    const options = (port: number) => ({
      port,
      host: 'both.example',
      lookup: both as never,
      autoSelectFamily: true,
    });

    it('tries the next address when one refuses', async () => {
      const { port } = await world.listening();
      const socket = world.connect(options(port));
      await once(socket, 'connect');
      expect(socket.remoteAddress).toBe('127.0.0.1');
      expect(socket.autoSelectFamilyAttemptedAddresses).toEqual([`::1:${port}`, `127.0.0.1:${port}`]);
    });
    it('emits connectionAttempt and connectionAttemptFailed', async () => {
      const { port } = await world.listening();
      const socket = world.connect(options(port));
      const seen: unknown[] = [];
      socket.on('connectionAttempt', (ip, to, family) => seen.push(['attempt', ip, to, family]));
      socket.on('connectionAttemptFailed', (ip, to, family) => seen.push(['failed', ip, to, family]));
      await once(socket, 'connect');
      expect(seen).toEqual([
        ['attempt', '::1', port, 6],
        ['failed', '::1', port, 6],
        ['attempt', '127.0.0.1', port, 4],
      ]);
    });
    it.skipIf(!hasIpv6)('gives an AggregateError with all errors when every address fails', async () => {
      const [error] = await once(world.connect(options(await world.closedPort())), 'error');
      expect(error).toBeInstanceOf(AggregateError);
      expect(error.code).toBe('ECONNREFUSED');
      expect(error.errors.map((one: NodeJS.ErrnoException) => one.code)).toEqual([
        'ECONNREFUSED',
        'ECONNREFUSED',
      ]);
    });
    it('emits one lookup for each address', async () => {
      const { port } = await world.listening();
      const socket = world.connect(options(port));
      const seen: unknown[] = [];
      socket.on('lookup', (_error, address) => seen.push(address));
      await once(socket, 'connect');
      expect(seen).toEqual(['::1', '127.0.0.1']);
    });
  });

  describe('net.connect() and net.createConnection()', () => {
    it('are the same', () => {
      expect(net.createConnection).toBe(net.connect);
    });
    it('make a socket that connects', async () => {
      const { port } = await world.listening();
      const socket = world.keep(net.createConnection(port, '127.0.0.1'));
      expect(socket).toBeInstanceOf(net.Socket);
      await once(socket, 'connect');
    });
    it('set the timeout of the options', async () => {
      const { client } = await world.pair({}, { timeout: 5000 });
      expect(client.timeout).toBe(5000);
    });
    it('hand the signal on to the socket', async () => {
      const { port } = await world.listening();
      const controller = new AbortController();
      const socket = world.connect({ port, host: '127.0.0.1', signal: controller.signal } as never);
      await once(socket, 'connect');
      controller.abort();
      const [error] = await once(socket, 'error');
      expect(error.name).toBe('AbortError');
    });
    it('read into the buffer of onread', async () => {
      const { port } = await world.listening({}, (socket) => socket.end('abcdefgh'));
      const buffer = Buffer.alloc(3);
      const pieces: string[] = [];
      const callback = (count: number, given: Uint8Array): boolean => {
        expect(given).toBe(buffer);
        pieces.push(Buffer.from(given).toString('latin1', 0, count));
        return true;
      };
      const socket = world.connect({ port, host: '127.0.0.1', onread: { buffer, callback } });
      await once(socket, 'end');
      expect(pieces.join('')).toBe('abcdefgh');
      expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThanOrEqual(3);
    });
    it('emit no data with onread', async () => {
      const { port } = await world.listening({}, (socket) => socket.end('abc'));
      const onread = { buffer: Buffer.alloc(10), callback: () => true };
      const socket = world.connect({ port, host: '127.0.0.1', onread });
      let data = 0;
      socket.on('data', () => data++);
      await once(socket, 'end');
      expect(data).toBe(0);
    });
  });

  describe('net.isIP() and its like', () => {
    it('tells the family', () => {
      expect([net.isIP('::1'), net.isIP('127.0.0.1'), net.isIP('127.000.000.001'), net.isIP('x')]).toEqual([
        6, 4, 0, 0,
      ]);
      expect([net.isIPv4('127.0.0.1'), net.isIPv4('::1')]).toEqual([true, false]);
      expect([net.isIPv6('127.0.0.1'), net.isIPv6('::1')]).toEqual([false, true]);
    });
    it('have BlockList and SocketAddress beside them', () => {
      const list = new net.BlockList();
      list.addAddress('123.123.123.123');
      expect(list.check('123.123.123.123')).toBe(true);
      expect(new net.SocketAddress({ address: '127.0.0.1' }).family).toBe('ipv4');
    });
    it('keep the default of autoSelectFamily', () => {
      const before = net.getDefaultAutoSelectFamily();
      net.setDefaultAutoSelectFamily(!before);
      expect(net.getDefaultAutoSelectFamily()).toBe(!before);
      net.setDefaultAutoSelectFamily(before);
    });
  });
});
