// Mistakes in the arguments of net/: each is refused before any system call, naming the argument and the value.

import { describe, expect, test } from 'vitest';
import { connect, listen } from '../../src/index.js';
import type { ConnectOptions, ListenOptions, Reactor } from '../../src/index.js';
import { scriptedModes, realModes, useWorld } from './world.js';

/** An ERR_ARGUMENT whose message begins with the argument's name and shows the value. */
function mistake(name: string, shown: string): unknown {
  const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return expect.objectContaining({
    name: 'UnderloopError',
    code: 'ERR_ARGUMENT',
    message: expect.stringMatching(
      new RegExp(`^${escaped(name)} .*must be .+; got ${escaped(shown)}`),
    ) as string,
  });
}

// Options of both, then of each: [options, the argument named, the value as it is shown].
type Wrong = readonly [options: Record<string, unknown>, name: string, shown: string];

const badPorts: readonly Wrong[] = [
  [{ port: -1 }, 'options.port', '-1'],
  [{ port: 65_536 }, 'options.port', '65536'],
  [{ port: 80.5 }, 'options.port', '80.5'],
  [{ port: NaN }, 'options.port', 'NaN'],
  [{ port: Infinity }, 'options.port', 'Infinity'],
  [{ port: '80' }, 'options.port', "'80'"],
  [{ port: {} }, 'options.port', '{}'],
  [{ port: 80n }, 'options.port', '80n'],
];
const badShared: readonly Wrong[] = [
  ...badPorts,
  [{ host: 7 }, 'options.host', '7'],
  [{ host: '' }, 'options.host', "''"],
  [{ host: '127.0.0.1\0.example' }, 'options.host', "'127.0.0.1\\x00.example'"],
  [{ host: {} }, 'options.host', '{}'],
  [{ host: ['127.0.0.1'] }, 'options.host', "[ '127.0.0.1' ]"],
  [{ writeQueueBytesMax: 0 }, 'options.writeQueueBytesMax', '0'],
  [{ writeQueueBytesMax: -1 }, 'options.writeQueueBytesMax', '-1'],
  [{ writeQueueBytesMax: 1.5 }, 'options.writeQueueBytesMax', '1.5'],
  [{ writeQueueBytesMax: Infinity }, 'options.writeQueueBytesMax', 'Infinity'],
  [{ writeQueueBytesMax: '1024' }, 'options.writeQueueBytesMax', "'1024'"],
  [{ writeQueueBytesMax: 2 ** 31 }, 'options.writeQueueBytesMax', '2147483648'],
  [{ trigger: 'edgy' }, 'options.trigger', "'edgy'"],
  [{ trigger: 1 }, 'options.trigger', '1'],
  [{ trigger: 'toString' }, 'options.trigger', "'toString'"],
  // What is told once and never again would leave a connection stalled.
  [{ trigger: 'oneshot' }, 'options.trigger', "'oneshot'"],
  [{ trigger: 'edge-oneshot' }, 'options.trigger', "'edge-oneshot'"],
  [{ flush: 'later' }, 'options.flush', "'later'"],
  [{ flush: true }, 'options.flush', 'true'],
  [{ flush: null }, 'options.flush', 'null'],
  [{ noDelay: 1 }, 'options.noDelay', '1'],
  [{ noDelay: 'no' }, 'options.noDelay', "'no'"],
];
const badListen: readonly Wrong[] = [
  ...badShared,
  [{ backlog: 0 }, 'options.backlog', '0'],
  [{ backlog: -1 }, 'options.backlog', '-1'],
  [{ backlog: 65_536 }, 'options.backlog', '65536'],
  [{ backlog: NaN }, 'options.backlog', 'NaN'],
  [{ backlog: '5' }, 'options.backlog', "'5'"],
  [{ reusePort: 'yes' }, 'options.reusePort', "'yes'"],
  [{ ipv6Only: 'no' }, 'options.ipv6Only', "'no'"],
  [{ ipv6Only: 0 }, 'options.ipv6Only', '0'],
];
const badConnect: readonly Wrong[] = [
  ...badShared,
  [{ port: undefined }, 'options.port', 'undefined'],
  [{ port: 0 }, 'options.port', '0'],
  [{ timeoutMs: NaN }, 'options.timeoutMs', 'NaN'],
  [{ timeoutMs: -1 }, 'options.timeoutMs', '-1'],
  [{ timeoutMs: Infinity }, 'options.timeoutMs', 'Infinity'],
  [{ timeoutMs: '10' }, 'options.timeoutMs', "'10'"],
  [{ timeoutMs: null }, 'options.timeoutMs', 'null'],
  [{ signal: 'SIGTERM' }, 'options.signal', "'SIGTERM'"],
  [{ signal: { aborted: false } }, 'options.signal', '{ aborted: false }'],
  [{ from: '127.0.0.1' }, 'options.from', "'127.0.0.1'"],
  [{ from: null }, 'options.from', 'null'],
  [{ from: {} }, 'options.from.host', 'undefined'],
  [{ from: { family: 4, host: '127.0.0.1' } }, 'options.from.port', 'undefined'],
  [{ from: { family: 4, host: '127.0.0.1', port: 65_536 } }, 'options.from.port', '65536'],
  [{ from: { family: 6, host: '::1', port: 0 } }, 'options.from.host', "'::1'"],
];
const badHandlers: readonly (readonly [unknown, string, string])[] = [
  [undefined, 'handlers', 'undefined'],
  [null, 'handlers', 'null'],
  [() => undefined, 'handlers', '[Function'],
  ...['open', 'data', 'drain', 'readClosed', 'error', 'close', 'acceptError'].flatMap((name) => [
    [{ [name]: 'log' }, `handlers.${name}`, "'log'"] as const,
    [{ [name]: null }, `handlers.${name}`, 'null'] as const,
  ]),
];

describe.each(scriptedModes.slice(0, 1))('$name', (mode) => {
  const world = useWorld(mode);

  /** Calls it with a recording kernel: it must throw before the kernel hears anything. */
  function refused(call: (reactor: Reactor) => unknown, name: string, shown: string): void {
    const w = world();
    w.scripted!.record();
    expect(() => call(w.reactor)).toThrow(mistake(name, shown) as Error);
    expect(w.scripted!.calls).toEqual([]);
  }

  test.each(badListen)('listen(%o) names %s', (options, name, shown) => {
    refused((reactor) => listen(reactor, options as ListenOptions, {}), name, shown);
  });
  test.each(badConnect)('connect(%o) names %s', (options, name, shown) => {
    const all = { port: 80, ...options } as ConnectOptions;
    refused((reactor) => connect(reactor, all, {}), name, shown);
  });
  test.each(badHandlers)('handlers %o: %s', (handlers, name, shown) => {
    refused((reactor) => listen(reactor, {}, handlers as object), name, shown);
    refused((reactor) => connect(reactor, { port: 80 }, handlers as object), name, shown);
  });
  test.each([
    [undefined, 'undefined'],
    [null, 'null'],
    [8080, '8080'],
  ])('options that are %s', (options, shown) => {
    refused((reactor) => listen(reactor, options as unknown as ListenOptions, {}), 'options', shown);
    refused((reactor) => connect(reactor, options as unknown as ConnectOptions, {}), 'options', shown);
  });
  test.each([undefined, null, {}, 'reactor'])('a reactor that is none: %o', (reactor) => {
    const wrong = expect.objectContaining({
      code: 'ERR_ARGUMENT',
      message: expect.stringContaining('reactor must be a Reactor') as string,
    }) as Error;
    expect(() => listen(reactor as unknown as Reactor, {}, {})).toThrow(wrong);
    expect(() => connect(reactor as unknown as Reactor, { port: 80 }, {})).toThrow(wrong);
  });

  test("from's name must be a numeric address too", () => {
    const from = { family: 4, host: 'localhost', port: 0 } as const;
    expect(() => connect(world().reactor, { port: 80, from }, {})).toThrow(
      expect.objectContaining({
        code: 'ERR_HOST_NAME',
        message: expect.stringContaining('options.from.host') as string,
      }),
    );
  });

  describe('write', () => {
    test.each([
      [undefined, 'undefined'],
      [null, 'null'],
      [42, '42'],
      [{}, '{}'],
      [['a'], "[ 'a' ]"],
      [new ArrayBuffer(2), 'ArrayBuffer'],
      [new DataView(new ArrayBuffer(2)), 'DataView'],
      [new Uint16Array(1), 'Uint16Array'],
      [new Int8Array(1), 'Int8Array'],
      [new Uint8ClampedArray(1), 'Uint8ClampedArray'],
    ])('%o is not bytes', async (bytes, shown) => {
      const { client } = await world().pair();
      expect(() => client.write(bytes as unknown as Uint8Array)).toThrow(mistake('bytes', shown) as Error);
      expect([client.closed, client.queuedBytes, client.bytesWritten]).toEqual([false, 0, 0]);
    });

    const ten = Buffer.from('0123456789');
    test.each([
      [[ten, -1], 'start', '-1'],
      [[ten, 11], 'start', '11'],
      [[ten, 0.5], 'start', '0.5'],
      [[ten, NaN], 'start', 'NaN'],
      [[ten, '1'], 'start', "'1'"],
      [[ten, null], 'start', 'null'],
      [[ten, 0, 11], 'end', '11'],
      [[ten, 0, -1], 'end', '-1'],
      [[ten, 5, 4], 'end', '4'],
      [[ten, 0, 2.5], 'end', '2.5'],
      [[ten, 0, NaN], 'end', 'NaN'],
      [[ten, 0, Infinity], 'end', 'Infinity'],
      [[ten, 0, '4'], 'end', "'4'"],
      // A range of a string counts the bytes of its UTF-8.
      [['€', 0, 4], 'end', '4'],
    ])('a range outside, write(%o), names %s', async (args, name, shown) => {
      const { client, serverLog } = await world().pair();
      expect(() => client.write(...(args as unknown as [Uint8Array]))).toThrow(mistake(name, shown) as Error);
      // The connection is as it was.
      client.write('good');
      await world().until(() => serverLog.text === 'good');
    });

    test('a range of a buffer that was detached meanwhile', async () => {
      const { client } = await world().pair();
      const bytes = new Uint8Array(10);
      structuredClone(bytes, { transfer: [bytes.buffer] });
      expect(() => client.write(bytes, 0, 10)).toThrow(mistake('end', '10') as Error);
      expect(client.closed).toBe(false);
    });
  });

  test.each([0, -1, 1.5, NaN, '60', 32_768, Infinity])('keepAlive(true, %o)', async (idleS) => {
    const { client } = await world().pair();
    world().scripted!.record();
    expect(() => client.keepAlive(true, idleS as number)).toThrow(
      mistake('idleS', typeof idleS === 'string' ? `'${idleS}'` : String(idleS)) as Error,
    );
    expect(world().scripted!.calls).toEqual([]);
  });
  test('noDelay and keepAlive take true or false', async () => {
    const { client } = await world().pair();
    for (const wrong of [0, 'yes', null]) {
      const shown = typeof wrong === 'string' ? `'${wrong}'` : String(wrong);
      expect(() => client.noDelay(wrong as unknown as boolean)).toThrow(mistake('on', shown) as Error);
      expect(() => client.keepAlive(wrong as unknown as boolean)).toThrow(mistake('on', shown) as Error);
    }
  });
});

describe.each(realModes.filter(({ poller }) => poller === 'poll' || poller === 'select'))('$name', (mode) => {
  const world = useWorld(mode);

  test('edge is refused by a poller that is level-triggered only, with the pollers that can', () => {
    const { reactor } = world();
    const unsupported = expect.objectContaining({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringMatching(
        /options\.trigger 'edge'.*level-triggered only; use epoll or kqueue/,
      ) as string,
    }) as Error;
    expect(() => listen(reactor, { trigger: 'edge' }, {})).toThrow(unsupported);
    expect(() => connect(reactor, { port: 80, trigger: 'edge' }, {})).toThrow(unsupported);
  });
});
