// Servers, as the documentation of node:net describes them: every test runs on node:net and on underloop/node.

import { AsyncLocalStorage } from 'node:async_hooks';
import { EventEmitter, once } from 'node:events';
import * as nodeNet from 'node:net';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { hasIpv6 } from '../net/ipv6.js';
import { World, closeOf, journal, nets, portOf, shape, textOf, thrown } from './nets.js';

describe.each(nets)('%s', (_name, net) => {
  const world = new World(net);

  describe('net.createServer()', () => {
    it('makes a net.Server, which is an EventEmitter', () => {
      const server = world.server();
      expect(server).toBeInstanceOf(net.Server);
      expect(server).toBeInstanceOf(EventEmitter);
    });
    it('takes a connection listener alone, or after options', async () => {
      for (const make of [
        (f: () => void) => net.createServer(f),
        (f: () => void) => net.createServer({}, f),
        (f: () => void) => new net.Server(f),
      ]) {
        const accepted = new Promise<void>((resolve) => {
          const server = world.keep(make(resolve)).listen(0, '127.0.0.1', () => {
            world.connect({ port: portOf(server), host: '127.0.0.1' });
          });
        });
        await accepted;
      }
    });
    it('can be called without new', () => {
      const make = net.Server as unknown as () => nodeNet.Server;
      expect(make()).toBeInstanceOf(net.Server);
    });
    it('refuses options that are no object', () => {
      expect(shape(thrown(() => net.createServer(5 as never)))).toMatchObject({
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_TYPE',
      });
    });
    it.each(['keepAliveInitialDelay', 'highWaterMark'])('refuses %s unless it is a number', (name) => {
      expect(shape(thrown(() => net.createServer({ [name]: 'x' })))).toMatchObject({
        code: 'ERR_INVALID_ARG_TYPE',
        message: `The "options.${name}" property must be of type number. Received type string ('x')`,
      });
    });
    it('does not listen yet', () => {
      const server = world.server();
      expect([server.listening, server.address()]).toEqual([false, null]);
    });
  });

  describe('server.listen()', () => {
    it('emits listening, and not within the call', async () => {
      const server = world.server();
      let inCall = true;
      let listenedInCall: boolean | undefined;
      server.on('listening', () => (listenedInCall = inCall));
      server.listen(0, '127.0.0.1');
      inCall = false;
      await once(server, 'listening');
      expect([listenedInCall, server.listening]).toEqual([false, true]);
    });
    it('adds the callback as a listener of listening, once', async () => {
      const server = world.server();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      expect(server.listenerCount('listening')).toBe(0);
    });
    it('returns the server', () => {
      const server = world.server();
      expect(server.listen(0, '127.0.0.1')).toBe(server);
    });
    it('lets the system choose a port without arguments', async () => {
      const server = world.server().listen();
      await once(server, 'listening');
      expect(portOf(server)).toBeGreaterThan(0);
    });
    it('lets the system choose a port by a callback alone', async () => {
      const server = world.server();
      await new Promise<void>((resolve) => server.listen(resolve));
      expect(portOf(server)).toBeGreaterThan(0);
    });
    it('listens on the unspecified address when no host is given', async () => {
      const server = world.server().listen(0);
      await once(server, 'listening');
      const { address, family } = server.address() as nodeNet.AddressInfo;
      expect([`${address} ${family}`]).toEqual([nodeNet.isIPv6(address) ? ':: IPv6' : '0.0.0.0 IPv4']);
      const socket = world.connect({ port: portOf(server), host: '127.0.0.1' });
      await once(socket, 'connect');
    });
    it('takes port, host and backlog', async () => {
      const server = world.server();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 5, resolve));
      expect(server.address()).toEqual({ address: '127.0.0.1', family: 'IPv4', port: portOf(server) });
    });
    it('takes port and backlog', async () => {
      const server = world.server();
      await new Promise<void>((resolve) => server.listen(0, 5, resolve));
      expect(portOf(server)).toBeGreaterThan(0);
    });
    it('takes options', async () => {
      const server = world.server();
      const options = { port: 0, host: '127.0.0.1', backlog: 5, exclusive: true };
      await new Promise<void>((resolve) => server.listen(options, resolve));
      expect((server.address() as nodeNet.AddressInfo).address).toBe('127.0.0.1');
    });
    it('takes a port as a string', async () => {
      const server = world.server();
      server.listen({ port: '0' as never, host: '127.0.0.1' });
      await once(server, 'listening');
      expect(portOf(server)).toBeGreaterThan(0);
    });
    it('looks a host name up', async () => {
      const server = world.server().listen(0, 'localhost');
      await once(server, 'listening');
      expect(['127.0.0.1', '::1']).toContain((server.address() as nodeNet.AddressInfo).address);
    });
    it('emits the error of the lookup', async () => {
      const [error] = await once(world.server().listen(0, 'no-such-name.invalid'), 'error');
      expect(error.syscall).toBe('getaddrinfo');
    });
    it('says EADDRINUSE with address, port and syscall', async () => {
      const { port } = await world.listening();
      const [error] = await once(world.server().listen(port, '127.0.0.1'), 'error');
      expect(shape(error)).toMatchObject({
        name: 'Error',
        code: 'EADDRINUSE',
        syscall: 'listen',
        message: `listen EADDRINUSE: address already in use 127.0.0.1:${port}`,
      });
      expect(error).toMatchObject({ address: '127.0.0.1', port });
    });
    it('can be tried again after an error', async () => {
      const { port } = await world.listening();
      const server = world.server().listen(port, '127.0.0.1');
      await once(server, 'error');
      expect(server.listening).toBe(false);
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    });
    it('says which address this machine does not have', async () => {
      const [error] = await once(world.server().listen(0, '192.0.2.1'), 'error');
      expect(shape(error)).toMatchObject({
        code: 'EADDRNOTAVAIL',
        message: 'listen EADDRNOTAVAIL: address not available 192.0.2.1',
      });
    });
    it('can be called once only', async () => {
      const { server } = await world.listening();
      expect(shape(thrown(() => server.listen(0)))).toMatchObject({
        name: 'Error',
        code: 'ERR_SERVER_ALREADY_LISTEN',
        message: 'Listen method has been called more than once without closing.',
      });
    });
    it('needs a port or a path', () => {
      expect(shape(thrown(() => world.server().listen({})))).toMatchObject({
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_VALUE',
        message: 'The argument \'options\' must have the property "port" or "path". Received {}',
      });
    });
    it('refuses a port that is none', () => {
      expect(shape(thrown(() => world.server().listen({ port: false as never })))).toMatchObject({
        code: 'ERR_INVALID_ARG_VALUE',
        message: "The argument 'options' is invalid. Received { port: false }",
      });
    });
    it.each([-1, 65_536, 1.5])('refuses port %s', (port) => {
      const error = thrown(() => world.server().listen({ port }));
      expect(shape(error)).toMatchObject({
        name: 'RangeError',
        code: 'ERR_SOCKET_BAD_PORT',
        message: `options.port should be >= 0 and < 65536. Received type number (${port}).`,
      });
    });
    it('takes port undefined and null for any port', async () => {
      for (const port of [undefined, null]) {
        const server = world.server().listen({ port: port as never, host: '127.0.0.1' });
        await once(server, 'listening');
        expect(portOf(server)).toBeGreaterThan(0);
      }
    });
    it.skipIf(!hasIpv6)('takes no IPv4 connections with ipv6Only', async () => {
      const server = world.server().listen({ port: 0, host: '::', ipv6Only: true });
      await once(server, 'listening');
      const [error] = await once(world.connect({ port: portOf(server), host: '127.0.0.1' }), 'error');
      expect(error.code).toBe('ECONNREFUSED');
    });
    it('closes when its signal is aborted', async () => {
      const controller = new AbortController();
      const server = world.server().listen({ port: 0, host: '127.0.0.1', signal: controller.signal });
      await once(server, 'listening');
      controller.abort();
      await closeOf(server);
      expect(server.listening).toBe(false);
    });
    it('closes when its signal was aborted before', async () => {
      const server = world.server().listen({ port: 0, host: '127.0.0.1', signal: AbortSignal.abort() });
      await closeOf(server);
    });
    it('refuses a signal that is none', () => {
      expect(shape(thrown(() => world.server().listen({ port: 0, signal: 5 as never })))).toMatchObject({
        code: 'ERR_INVALID_ARG_TYPE',
        message: 'The "options.signal" property must be an instance of AbortSignal. Received type number (5)',
      });
    });
    it('can be called again after close()', async () => {
      const { server } = await world.listening({}, (socket) => socket.end('again'));
      server.close();
      await closeOf(server);
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      expect(await textOf(world.connect({ port: portOf(server), host: '127.0.0.1' }))).toBe('again');
    });
  });

  describe('connections', () => {
    it('come as sockets of net.Socket, with this the server', async () => {
      const server = world.keep(net.createServer());
      const accepted = new Promise<[unknown, Socket]>((resolve) => {
        server.on('connection', function (this: unknown, socket: Socket) {
          resolve([this, world.keep(socket)]);
        });
      });
      server.listen(0, '127.0.0.1', () => world.connect({ port: portOf(server), host: '127.0.0.1' }));
      const [self, socket] = await accepted;
      expect(self).toBe(server);
      expect(socket).toBeInstanceOf(net.Socket);
      expect([socket.readyState, socket.connecting, socket.pending]).toEqual(['open', false, false]);
    });
    it('are not connected once more: no connect event', async () => {
      const { peer, client } = await world.pair();
      const seen = journal(peer, 'connect', 'ready', 'data');
      client.write('x');
      await once(peer, 'data');
      expect(seen).toEqual(['data']);
    });
    it('are half open only with allowHalfOpen', async () => {
      expect((await world.pair({ allowHalfOpen: true })).peer.allowHalfOpen).toBe(true);
      expect((await world.pair()).peer.allowHalfOpen).toBe(false);
    });
    it('are paused with pauseOnConnect until resume()', async () => {
      const { client, peer } = await world.pair({ pauseOnConnect: true });
      client.write('early');
      await new Promise((resolve) => setTimeout(resolve, 10));
      expect([peer.bytesRead, peer.readableFlowing]).toEqual([0, false]);
      peer.resume();
      const [chunk] = await once(peer, 'data');
      expect(chunk.toString()).toBe('early');
    });
    it('have the highWaterMark of the server', async () => {
      const { peer } = await world.pair({ highWaterMark: 1000 });
      expect([peer.readableHighWaterMark, peer.writableHighWaterMark]).toEqual([1000, 1000]);
    });
    it('take noDelay, keepAlive and keepAliveInitialDelay', async () => {
      const { client, peer } = await world.pair({
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: 3000,
      });
      peer.write('x');
      await once(client, 'data');
    });
    it('are many at once', async () => {
      const { port } = await world.listening({}, (socket) => socket.pipe(socket));
      const texts = await Promise.all(
        Array.from({ length: 100 }, (_, i) => {
          const socket = world.connect({ port, host: '127.0.0.1' });
          socket.end(`message ${i}`);
          return textOf(socket);
        }),
      );
      expect(texts).toEqual(Array.from({ length: 100 }, (_, i) => `message ${i}`));
    });
    it('run in the asynchronous context of listen()', async () => {
      const storage = new AsyncLocalStorage<string>();
      const server = world.server();
      const seen: (string | undefined)[] = [];
      const done = new Promise<void>((resolve) => {
        server.on('connection', (socket) => {
          seen.push(storage.getStore());
          storage.enterWith('the connection');
          socket.on('data', () => {
            seen.push(storage.getStore());
            resolve();
          });
        });
      });
      storage.run('the server', () => server.listen(0, '127.0.0.1'));
      await once(server, 'listening');
      world.connect({ port: portOf(server), host: '127.0.0.1' }).write('x');
      await done;
      expect(seen[0]).toBe('the server');
    });
    it('are counted by getConnections(), which returns the server', async () => {
      const { server } = await world.pair();
      const count = await new Promise((resolve) => {
        expect(server.getConnections((_error, connections) => resolve(connections))).toBe(server);
      });
      expect(count).toBe(1);
    });
    it('are counted no more when they have closed', async () => {
      const { server, client, peer } = await world.pair();
      client.destroy();
      peer.resume();
      await closeOf(peer);
      expect(await new Promise((resolve) => server.getConnections((_error, count) => resolve(count)))).toBe(
        0,
      );
    });
    it('beyond maxConnections are dropped, which the drop event tells', async () => {
      const { server, port } = await world.listening();
      server.maxConnections = 1;
      const first = world.connect({ port, host: '127.0.0.1' });
      await once(first, 'connect');
      const dropped = once(server, 'drop');
      const second = world.connect({ port, host: '127.0.0.1' });
      second.on('error', () => undefined).resume();
      const connected = once(second, 'connect').then(() => second.localPort);
      const [data] = await dropped;
      expect(data).toEqual({
        localAddress: '127.0.0.1',
        localPort: port,
        localFamily: 'IPv4',
        remoteAddress: '127.0.0.1',
        remotePort: await connected,
        remoteFamily: 'IPv4',
      });
      if (!second.closed) await closeOf(second);
      expect(await new Promise((resolve) => server.getConnections((_error, count) => resolve(count)))).toBe(
        1,
      );
    });
    it('are accepted again when there is room below maxConnections', async () => {
      const { server, port } = await world.listening({}, (socket) => socket.end('in'));
      server.maxConnections = 1;
      const first = world.connect({ port, host: '127.0.0.1' });
      expect(await textOf(first)).toBe('in');
      if (!first.closed) await closeOf(first);
      const gone = async (): Promise<void> => {
        for (;;) {
          const count = await new Promise((resolve) =>
            server.getConnections((_error, value) => resolve(value)),
          );
          if (count === 0) return;
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      await gone();
      expect(await textOf(world.connect({ port, host: '127.0.0.1' }))).toBe('in');
    });
  });

  describe('server.close()', () => {
    it('calls back, emits close and returns the server', async () => {
      const { server } = await world.listening();
      const seen = journal(server, 'close');
      const error = await new Promise((resolve) => expect(server.close(resolve)).toBe(server));
      expect(error).toBeUndefined();
      expect([seen, server.listening, server.address()]).toEqual([['close'], false, null]);
    });
    it('calls back with ERR_SERVER_NOT_RUNNING when it does not listen', async () => {
      const server = world.server();
      const error = await new Promise((resolve) => server.close(resolve));
      expect(shape(error)).toMatchObject({
        code: 'ERR_SERVER_NOT_RUNNING',
        message: 'Server is not running.',
      });
    });
    it('keeps the connections, and closes after the last', async () => {
      const { server, client, peer } = await world.pair();
      const seen = journal(server, 'close');
      server.close();
      peer.write('still here');
      await once(client, 'data');
      expect([seen, server.listening]).toEqual([[], false]);
      client.end();
      peer.resume();
      await closeOf(server);
    });
    it('refuses new connections', async () => {
      const { server, port } = await world.listening();
      server.close();
      await closeOf(server);
      const [error] = await once(world.connect({ port, host: '127.0.0.1' }), 'error');
      expect(error.code).toBe('ECONNREFUSED');
    });
    it('frees the port for another server', async () => {
      const { server, port } = await world.listening();
      server.close();
      await closeOf(server);
      const second = world.server().listen(port, '127.0.0.1');
      await once(second, 'listening');
    });
    it('before listening was emitted: there is no listening', async () => {
      const server = world.server();
      const seen = journal(server, 'listening', 'close');
      server.listen(0, '127.0.0.1');
      server.close();
      await closeOf(server);
      expect(seen).toEqual(['close']);
    });
    it('is done by Symbol.asyncDispose', async () => {
      const { server } = await world.listening();
      await server[Symbol.asyncDispose]();
      expect(server.listening).toBe(false);
    });
    it('closes a server that was unreferenced', async () => {
      const { server } = await world.listening();
      server.unref();
      server.close();
      await closeOf(server);
    });
  });

  describe('server.ref() and server.unref()', () => {
    it('return the server, listening or not', async () => {
      const { server } = await world.listening();
      for (const one of [server, world.server()]) {
        expect(one.unref()).toBe(one);
        expect(one.ref()).toBe(one);
      }
    });
    it('do not stop it from accepting', async () => {
      const { server, port } = await world.listening({}, (socket) => socket.end('served'));
      server.unref();
      expect(await textOf(world.connect({ port, host: '127.0.0.1' }))).toBe('served');
    });
  });
});
