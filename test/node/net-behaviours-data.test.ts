// Reading, writing and closing, as the documentation of node:net describes it: on node:net and on underloop/node.

import { once } from 'node:events';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { Readable, Writable, finished, pipeline } from 'node:stream';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { World, bytesOf, closeOf, journal, nets, shape, textOf, thrown } from './nets.js';

const MEGABYTE = Buffer.alloc(1024 * 1024, 'underloop');

describe.each(nets)('%s', (_name, net) => {
  const world = new World(net);

  describe('reading', () => {
    it('gives Buffers', async () => {
      const { client, peer } = await world.pair();
      peer.write('hello');
      const [chunk] = await once(client, 'data');
      expect(Buffer.isBuffer(chunk)).toBe(true);
      expect(chunk.toString()).toBe('hello');
    });
    it('gives strings after setEncoding()', async () => {
      const { client, peer } = await world.pair();
      expect(client.setEncoding('hex')).toBe(client);
      peer.write('hello');
      expect(await once(client, 'data')).toEqual([Buffer.from('hello').toString('hex')]);
    });
    it('keeps what a chunk holds while further ones come', async () => {
      const { client, peer } = await world.pair();
      peer.write('first');
      const [first] = await once(client, 'data');
      peer.write('other');
      await once(client, 'data');
      expect(first.toString()).toBe('first');
    });
    it('does not cut a character in two', async () => {
      const { client, peer } = await world.pair();
      client.setEncoding('utf8');
      let text = '';
      client.on('data', (chunk: string) => (text += chunk));
      const bytes = Buffer.from('€');
      peer.write(bytes.subarray(0, 1));
      await new Promise((resolve) => setTimeout(resolve, 5));
      peer.end(bytes.subarray(1));
      await once(client, 'end');
      expect(text).toBe('€');
    });
    it('stops by pause(), which returns the socket, and goes on by resume()', async () => {
      const { client, peer } = await world.pair();
      let bytes = 0;
      client.on('data', (chunk: Buffer) => (bytes += chunk.length));
      expect(client.pause()).toBe(client);
      expect(client.isPaused()).toBe(true);
      await new Promise((resolve) => peer.write('hello', resolve));
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect(bytes).toBe(0);
      expect(client.resume()).toBe(client);
      await once(client, 'data');
      expect(bytes).toBe(5);
    });
    it('makes the sender wait when nobody reads', async () => {
      const { client, peer } = await world.pair();
      let taken = 0;
      for (let i = 0; i < 64; i++) peer.write(MEGABYTE, () => taken++);
      await new Promise((resolve) => setTimeout(resolve, 30));
      expect(taken).toBeLessThan(64);
      expect(client.readableLength).toBeLessThan(1024 * 1024);
      let read = 0;
      client.on('data', (chunk: Buffer) => (read += chunk.length));
      peer.end();
      await once(client, 'end');
      expect(read).toBe(64 * MEGABYTE.length);
    });
    it('can be done by read() on readable', async () => {
      const { client, peer } = await world.pair();
      peer.end('abcdef');
      let text = '';
      client.on('readable', () => {
        for (let chunk = client.read(2); chunk !== null; chunk = client.read(2)) text += chunk.toString();
      });
      await once(client, 'end');
      expect(text).toBe('abcdef');
    });
    it('can be done by for await', async () => {
      const { client, peer } = await world.pair();
      peer.end(MEGABYTE);
      let bytes = 0;
      for await (const chunk of client) bytes += chunk.length;
      expect(bytes).toBe(MEGABYTE.length);
    });
    it('counts bytesRead, which stays after the socket was destroyed', async () => {
      const { client, peer } = await world.pair();
      peer.write('12345');
      await once(client, 'data');
      expect(client.bytesRead).toBe(5);
      client.destroy();
      expect(client.bytesRead).toBe(5);
      await closeOf(client);
      expect(client.bytesRead).toBe(5);
    });
    it('buffers as much as highWaterMark says', async () => {
      const { client, peer } = await world.pair({}, { readableHighWaterMark: 10 } as object);
      expect(client.readableHighWaterMark).toBe(10);
      peer.write('hello');
      expect(await once(client, 'data')).toEqual([Buffer.from('hello')]);
    });
    it('emits end when the peer has ended, and not before all was read', async () => {
      const { client, peer } = await world.pair();
      peer.end('rest');
      const seen = journal(client, 'data', 'end');
      await once(client, 'end');
      expect(seen).toEqual(['data', 'end']);
      expect(client.readableEnded).toBe(true);
    });
    it('takes back by unshift()', async () => {
      const { client, peer } = await world.pair();
      peer.write('b');
      const [chunk] = await once(client, 'data');
      client.pause();
      client.unshift(Buffer.concat([Buffer.from('a'), chunk]));
      client.resume();
      expect(await once(client, 'data')).toEqual([Buffer.from('ab')]);
    });
    it('survives a listener that throws nothing away: two connections are apart', async () => {
      const first = await world.pair();
      const second = await world.pair();
      first.peer.end('one');
      second.peer.end('two');
      expect(await Promise.all([textOf(first.client), textOf(second.client)])).toEqual(['one', 'two']);
    });
  });

  describe('writing', () => {
    it.each([
      ['utf8', 'grüße €'],
      ['latin1', 'gr\xfc\xdfe'],
      ['hex', '00ff7f'],
      ['base64', 'aGVsbG8='],
      ['base64url', '_-8'],
      ['ucs2', 'wide €'],
      ['ascii', 'plain'],
    ] as [BufferEncoding, string][])('takes strings in %s', async (encoding, text) => {
      const { client, peer } = await world.pair();
      peer.end(text, encoding);
      expect(await bytesOf(client)).toEqual(Buffer.from(text, encoding));
    });
    it('takes utf8 unless told otherwise', async () => {
      const { client, peer } = await world.pair();
      peer.end('€');
      expect(await bytesOf(client)).toEqual(Buffer.from('€'));
    });
    it('follows setDefaultEncoding()', async () => {
      const { client, peer } = await world.pair();
      peer.setDefaultEncoding('hex');
      peer.end('414243');
      expect(await textOf(client)).toBe('ABC');
    });
    it('takes a Uint8Array', async () => {
      const { client, peer } = await world.pair();
      peer.end(new Uint8Array([65, 66]));
      expect(await textOf(client)).toBe('AB');
    });
    it('refuses null', async () => {
      const { client } = await world.pair();
      expect(shape(thrown(() => client.write(null as never)))).toMatchObject({
        code: 'ERR_STREAM_NULL_VALUES',
      });
    });
    it('refuses what is neither text nor bytes', async () => {
      const { client } = await world.pair();
      expect(shape(thrown(() => client.write(5 as never)))).toMatchObject({
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_TYPE',
      });
    });
    it('calls back when the bytes have left', async () => {
      const { client } = await world.pair();
      const error = await new Promise((resolve) => client.write('x', resolve));
      expect(error ?? null).toBeNull();
    });
    it('never calls back within write()', async () => {
      const { client } = await world.pair();
      let inCall = true;
      const done = new Promise<boolean>((resolve) => client.write('x', () => resolve(inCall)));
      inCall = false;
      expect(await done).toBe(false);
    });
    it('keeps the order of many small writes', async () => {
      const { client, peer } = await world.pair();
      let text = '';
      for (let i = 0; i < 5000; i++) {
        peer.write(`${i},`);
        text += `${i},`;
      }
      peer.end();
      expect(await textOf(client)).toBe(text);
    });
    it('keeps the order of text and bytes under cork()', async () => {
      const { client, peer } = await world.pair();
      peer.cork();
      peer.write('a');
      peer.write(Buffer.from('b'));
      peer.write('c', 'latin1');
      peer.write(MEGABYTE);
      peer.write('d');
      peer.uncork();
      peer.end();
      const bytes = await bytesOf(client);
      expect(bytes.subarray(0, 3).toString()).toBe('abc');
      expect(bytes.length).toBe(MEGABYTE.length + 4);
      expect(bytes.at(-1)).toBe('d'.charCodeAt(0));
    });
    it('keeps small text and bytes apart under cork()', async () => {
      const { client, peer } = await world.pair();
      peer.cork();
      for (const piece of ['a', Buffer.from('bcd'), 'é', new Uint8Array([0x65, 0x66])]) peer.write(piece);
      peer.uncork();
      peer.end();
      expect(await textOf(client)).toBe('abcdéef');
    });
    it('sends nothing before uncork()', async () => {
      const { client, peer } = await world.pair();
      peer.cork();
      peer.write('held');
      expect(peer.writableLength).toBe(4);
      let data = 0;
      client.on('data', () => data++);
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect(data).toBe(0);
      peer.uncork();
      await once(client, 'data');
    });
    it('sends large strings whole', async () => {
      const { client, peer } = await world.pair();
      const text = 'é'.repeat(300_000);
      peer.end(text);
      expect(await textOf(client)).toBe(text);
    });
    it('returns false beyond highWaterMark and emits drain', async () => {
      const { client, peer } = await world.pair();
      expect(peer.write('small')).toBe(true);
      expect(peer.write(Buffer.alloc(32 * MEGABYTE.length))).toBe(false);
      const drained = once(peer, 'drain');
      client.resume();
      await drained;
      expect(peer.writableLength).toBe(0);
    });
    it('counts bytesWritten, what waits included', async () => {
      const { client, peer } = await world.pair();
      client.pause();
      for (let i = 0; i < 20; i++) peer.write(MEGABYTE);
      peer.write('€');
      expect(peer.bytesWritten).toBe(20 * MEGABYTE.length + 3);
    });
    it('keeps bytesWritten after the socket was destroyed', async () => {
      const { client } = await world.pair();
      await new Promise((resolve) => client.write('12345', resolve));
      client.destroy();
      expect(client.bytesWritten).toBe(5);
      await closeOf(client);
      expect(client.bytesWritten).toBe(5);
    });
    it('echoes by pipe()', async () => {
      const { client, peer } = await world.pair();
      peer.pipe(peer);
      client.end(MEGABYTE);
      expect((await bytesOf(client)).equals(MEGABYTE)).toBe(true);
    });
    it('works in a pipeline', async () => {
      const { client, peer } = await world.pair();
      const received = bytesOf(peer);
      await promisify(pipeline)(Readable.from([MEGABYTE, MEGABYTE]), client);
      expect((await received).length).toBe(2 * MEGABYTE.length);
    });
    it('is a source in a pipeline, too', async () => {
      const { client, peer } = await world.pair();
      peer.end(MEGABYTE);
      let bytes = 0;
      const sink = new Writable({
        write(chunk, _encoding, done) {
          bytes += chunk.length;
          setImmediate(done);
        },
      });
      await promisify(pipeline)(client, sink);
      expect(bytes).toBe(MEGABYTE.length);
    });
  });

  describe('ending', () => {
    it('sends the last chunk of end(), calls back, and returns the socket', async () => {
      const { client, peer } = await world.pair();
      const ended = new Promise<void>((resolve) => expect(peer.end('last', resolve)).toBe(peer));
      expect(await textOf(client)).toBe('last');
      await ended;
    });
    it('emits finish', async () => {
      const { client, peer } = await world.pair();
      client.resume();
      peer.end();
      await once(peer, 'finish');
      expect([peer.writableEnded, peer.writableFinished]).toEqual([true, true]);
    });
    it('ends its own half when the peer has ended: both close', async () => {
      const { client, peer } = await world.pair();
      client.resume();
      peer.resume();
      const closed = Promise.all([closeOf(client), closeOf(peer)]);
      peer.end();
      expect(await closed).toEqual([[false], [false]]);
    });
    it('emits end, then close, once each', async () => {
      const { client, peer } = await world.pair();
      const seen = journal(client, 'end', 'close', 'error');
      client.resume();
      peer.end();
      await closeOf(client);
      await new Promise((resolve) => setImmediate(resolve));
      expect(seen).toEqual(['end', 'close']);
    });
    it('writes on after end with allowHalfOpen', async () => {
      const { client, peer } = await world.pair({ allowHalfOpen: true });
      peer.on('end', () => peer.end('answer')).resume();
      client.end();
      expect(await textOf(client)).toBe('answer');
    });
    it('closes with allowHalfOpen only after its own end()', async () => {
      const { client, peer } = await world.pair({}, { allowHalfOpen: true });
      peer.end();
      client.resume();
      await once(client, 'end');
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect([client.destroyed, client.writable]).toEqual([false, true]);
      client.end();
      expect(await closeOf(client)).toEqual([false]);
    });
    it('reads on after its own end()', async () => {
      const { client, peer } = await world.pair({ allowHalfOpen: true });
      client.end('question');
      expect(await textOf(peer)).toBe('question');
      peer.end(MEGABYTE);
      expect((await bytesOf(client)).length).toBe(MEGABYTE.length);
    });
    it('refuses write() after end()', async () => {
      const { client } = await world.pair();
      client.end();
      const failed = once(client, 'error');
      const called = new Promise((resolve) => client.write('x', resolve));
      expect(shape((await failed)[0])).toMatchObject({
        code: 'ERR_STREAM_WRITE_AFTER_END',
        message: 'write after end',
      });
      expect(await called).toMatchObject({ code: 'ERR_STREAM_WRITE_AFTER_END' });
    });
    it('refuses write() after the peer has ended and it has followed, with EPIPE', async () => {
      const { client, peer } = await world.pair();
      client.resume();
      peer.end();
      await once(client, 'end');
      await new Promise((resolve) => setImmediate(resolve));
      const error = await new Promise((resolve) => client.write('x', resolve));
      expect(shape(error)).toMatchObject({
        code: 'EPIPE',
        message: 'This socket has been ended by the other party',
      });
    });
    it('still writes in a listener of end', async () => {
      const { client, peer } = await world.pair();
      client.on('end', () => client.write('goodbye')).resume();
      peer.end();
      expect(await textOf(peer)).toBe('goodbye');
    });
    it('tells readyState', async () => {
      const { client, peer } = await world.pair({ allowHalfOpen: true }, { allowHalfOpen: true });
      expect(client.readyState).toBe('open');
      peer.resume();
      client.end();
      expect(client.readyState).toBe('readOnly');
      await once(peer, 'end');
      expect(peer.readyState).toBe('writeOnly');
      peer.end();
      client.resume();
      await closeOf(client);
      expect(client.readyState).toBe('closed');
    });
    it('sends what was written before destroySoon()', async () => {
      const { client, peer } = await world.pair();
      peer.write(MEGABYTE);
      peer.destroySoon();
      expect((await bytesOf(client)).length).toBe(MEGABYTE.length);
    });
    it('is heard of by stream.finished()', async () => {
      const { client, peer } = await world.pair();
      client.resume();
      peer.end();
      await promisify(finished)(client);
    });
  });

  describe('destroying', () => {
    it('emits close with hadError false, and returns the socket', async () => {
      const { client } = await world.pair();
      expect(client.destroy()).toBe(client);
      expect([client.destroyed, client.writable, client.readable]).toEqual([true, false, false]);
      expect(await closeOf(client)).toEqual([false]);
    });
    it('emits the error given, then close with hadError true', async () => {
      const { client } = await world.pair();
      const seen = journal(client, 'error', 'close');
      const failure = new Error('enough');
      const closed = closeOf(client);
      const failed = once(client, 'error');
      client.destroy(failure);
      expect(await failed).toEqual([failure]);
      expect(await closed).toEqual([true]);
      expect(seen).toEqual(['error', 'close']);
    });
    it('closes once however often it is called', async () => {
      const { client } = await world.pair();
      const seen = journal(client, 'close');
      client.destroy();
      client.destroy();
      await closeOf(client);
      client.destroy();
      await new Promise((resolve) => setImmediate(resolve));
      expect(seen).toEqual(['close']);
    });
    it('gives the peer its end', async () => {
      const { client, peer } = await world.pair();
      client.destroy();
      peer.resume();
      await once(peer, 'end');
    });
    it('emits no data any more', async () => {
      const { client, peer } = await world.pair();
      let bytes = 0;
      client.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        client.destroy();
      });
      peer.on('error', () => undefined);
      peer.write(MEGABYTE);
      peer.write(MEGABYTE);
      await closeOf(client);
      expect(bytes).toBeLessThanOrEqual(64 * 1024);
    });
    it('takes the local address away', async () => {
      const { client } = await world.pair();
      expect(client.localPort).toBeGreaterThan(0);
      client.destroy();
      expect([client.localAddress, client.localPort]).toEqual([undefined, undefined]);
    });
    it('gives no remote address that nobody has asked for before', async () => {
      const { client } = await world.pair();
      client.destroy();
      expect(client.remoteAddress).toBeUndefined();
    });
    it('refuses write() afterwards', async () => {
      const { client } = await world.pair();
      client.destroy();
      const error = await new Promise((resolve) => client.write('x', resolve));
      expect(error).toMatchObject({ code: 'ERR_STREAM_DESTROYED' });
    });
    it('resets by resetAndDestroy(): the peer reads ECONNRESET', async () => {
      const { client, peer } = await world.pair();
      const failed = once(peer, 'error');
      const closed = closeOf(peer);
      expect(client.resetAndDestroy()).toBe(client);
      expect(shape((await failed)[0])).toEqual({
        name: 'Error',
        message: 'read ECONNRESET',
        code: 'ECONNRESET',
        errno: -constants.errno.ECONNRESET,
        syscall: 'read',
      });
      expect(await closed).toEqual([true]);
      expect(client.destroyed).toBe(true);
    });
    it('resets as soon as it is connected when it is connecting', async () => {
      const { server, port } = await world.listening();
      const accepted = once(server, 'connection') as Promise<[Socket]>;
      const client = world.connect({ port, host: '127.0.0.1' });
      client.resetAndDestroy();
      const [peer] = await accepted;
      const [error] = await once(peer, 'error');
      expect(error.code).toBe('ECONNRESET');
    });
    it('tells ERR_SOCKET_CLOSED when there is nothing to reset', async () => {
      const socket = world.socket();
      const failed = once(socket, 'error');
      socket.resetAndDestroy();
      expect(shape((await failed)[0])).toMatchObject({
        code: 'ERR_SOCKET_CLOSED',
        message: 'Socket is closed',
      });
    });
    it('fails a write when the peer has reset', async () => {
      const { client, peer } = await world.pair();
      const failed = once(client, 'error');
      client.pause();
      peer.resetAndDestroy();
      await closeOf(peer);
      const timer = setInterval(() => client.write('x'), 1);
      const [error] = await failed;
      clearInterval(timer);
      expect(['ECONNRESET', 'EPIPE']).toContain(error.code);
      expect(['read', 'write']).toContain(error.syscall);
    });
    it('closes a socket that was never connected', async () => {
      const socket = world.socket();
      socket.destroy();
      await closeOf(socket);
      expect(socket.destroyed).toBe(true);
    });
    it('is done by await using, or its method', async () => {
      const { client } = await world.pair();
      await client[Symbol.asyncDispose]().catch(() => undefined);
      expect(client.destroyed).toBe(true);
    });
  });

  describe('socket.setTimeout()', () => {
    it('emits timeout and leaves the socket open', async () => {
      const { client } = await world.pair();
      expect(client.setTimeout(10)).toBe(client);
      await once(client, 'timeout');
      expect([client.destroyed, client.timeout]).toEqual([false, 10]);
    });
    it('adds the callback as a listener of timeout, once', async () => {
      const { client } = await world.pair();
      await new Promise<void>((resolve) => client.setTimeout(5, resolve));
      expect(client.listenerCount('timeout')).toBe(0);
    });
    it('is switched off by 0, which takes the callback away', async () => {
      const { client } = await world.pair();
      let fired = 0;
      const callback = (): void => void fired++;
      client.setTimeout(5, callback);
      client.setTimeout(0, callback);
      expect(client.listenerCount('timeout')).toBe(0);
      client.on('timeout', callback);
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect([fired, client.timeout]).toEqual([0, 0]);
    });
    it('does not fire after destroy()', async () => {
      const { client } = await world.pair();
      let fired = 0;
      client.setTimeout(5, () => fired++);
      client.destroy();
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(fired).toBe(0);
    });
    it('works before the socket is connected', async () => {
      const socket = world.socket();
      socket.setTimeout(5);
      await once(socket, 'timeout');
      expect(socket.destroyed).toBe(false);
    });
    it('is put off by bytes that come', async () => {
      const { client, peer } = await world.pair();
      client.resume();
      let lastMs = performance.now();
      const quietMs: number[] = [];
      client.on('data', () => (lastMs = performance.now()));
      // Without bytes it would come 200 ms after its beginning, which is 40 ms after the fourth of them.
      client.setTimeout(200).on('timeout', () => quietMs.push(performance.now() - lastMs));
      for (let i = 0; i < 6; i++) {
        await new Promise((resolve) => setTimeout(resolve, 40));
        peer.write('x');
      }
      if (quietMs.length === 0) await once(client, 'timeout');
      // On a machine that stands still it may come more than once, but never so soon behind a byte. The runtime's own
      // clock is that of its last pass, and so a little behind.
      expect(Math.min(...quietMs)).toBeGreaterThan(100);
    });
    it('refuses what is no number', async () => {
      expect(shape(thrown(() => world.socket().setTimeout('x' as never)))).toMatchObject({
        code: 'ERR_INVALID_ARG_TYPE',
        message: 'The "msecs" argument must be of type number. Received type string (\'x\')',
      });
    });
    it.each([-1, Infinity, Number.NaN])('refuses %s', (delay) => {
      const error = thrown(() => world.socket().setTimeout(delay));
      expect(shape(error)).toMatchObject({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
      expect(error.message).toMatch(
        /^The value of "msecs" is out of range\. It must be a non-negative finite number\./,
      );
    });
    it('refuses a callback that is no function', () => {
      expect(shape(thrown(() => world.socket().setTimeout(1, 5 as never)))).toMatchObject({
        code: 'ERR_INVALID_ARG_TYPE',
      });
    });
  });

  describe('options of a socket', () => {
    it('setNoDelay() and setKeepAlive() return the socket, connected or not', async () => {
      const { client } = await world.pair();
      for (const socket of [client, world.socket()]) {
        expect(socket.setNoDelay()).toBe(socket);
        expect(socket.setNoDelay(false)).toBe(socket);
        expect(socket.setKeepAlive(true, 5000)).toBe(socket);
        expect(socket.setKeepAlive(false)).toBe(socket);
      }
    });
    it('noDelay, keepAlive and keepAliveInitialDelay are taken when connecting', async () => {
      const { client, peer } = await world.pair(
        {},
        { noDelay: true, keepAlive: true, keepAliveInitialDelay: 2000 },
      );
      peer.write('x');
      await once(client, 'data');
    });
    it('ref() and unref() return the socket', async () => {
      const { client } = await world.pair();
      for (const socket of [client, world.socket()]) {
        expect(socket.unref()).toBe(socket);
        expect(socket.ref()).toBe(socket);
      }
    });
  });
});
