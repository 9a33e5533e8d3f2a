// deferAcceptS: what is accepted has sent something, and is read at once.

import { describe, expect, test } from 'vitest';
import { listen } from '../../src/index.js';
import { Logs, modes, realModes, useWorld } from './world.js';

const onLinux = process.platform === 'linux';

describe.runIf(onLinux).each(modes)('deferred accept, $name', (mode) => {
  const world = useWorld(mode);

  test('open and the first data come in one turn', async () => {
    const w = world();
    const turns: [string, number][] = [];
    const note = (what: string): void => {
      turns.push([what, w.reactor.turnNumber]);
    };
    const listener = w.listen({ open: () => note('open'), data: () => note('data') }, { deferAcceptS: 5 });
    // Connected before the listener accepts: it writes at once.
    const client = w.connect(listener.address.port, { open: (end) => void end.write('first') });
    listener.pause();
    await w.until(() => !client.connecting && client.bytesWritten === 5);
    await w.settle();
    listener.resume();
    await w.until(() => turns.length === 2);
    const [[opened, openTurn], [read, readTurn]] = turns as [[string, number], [string, number]];
    expect([opened, read]).toEqual(['open', 'data']);
    expect(readTurn).toBe(openTurn);
    client.write('second');
    await w.until(() => turns.length === 3);
    expect(turns[2]![1]).toBeGreaterThan(openTurn);
  });

  test('a connection that its own open handler closes or pauses is not read', async () => {
    const w = world();
    const read: string[] = [];
    let opened = 0;
    const listener = w.listen(
      {
        open: (connection) => (opened++ === 0 ? connection.close() : connection.pause()),
        data: (_connection, buffer, start, end) => {
          read.push(String.fromCharCode(...buffer.subarray(start, end)));
        },
      },
      { deferAcceptS: 5 },
    );
    listener.pause();
    const clients = ['a', 'b'].map((text) =>
      w.connect(listener.address.port, { open: (end) => void end.write(text) }),
    );
    await w.until(() => clients.every(({ bytesWritten }) => bytesWritten === 1));
    await w.settle();
    listener.resume();
    await w.until(() => opened === 2);
    await w.settle();
    expect(read).toEqual([]);
  });

  test('whoever is accepted without data is read when data comes', async () => {
    const w = world();
    const logs = new Logs();
    const listener = w.listen(logs.handlers, { deferAcceptS: 5 });
    // As the kernel does when the time is over: there is a connection, and nothing to read. On a real one it sends late.
    const client = w.connect(listener.address.port, {});
    await w.until(() => !client.connecting);
    await w.settle();
    client.write('late');
    await w.until(() => logs.all.length === 1 && logs.all[0]!.text === 'late');
  });
});

describe.runIf(onLinux).each([realModes[0]!])('deferred accept, $name', (mode) => {
  const world = useWorld(mode);

  test('a silent client is not accepted yet', async () => {
    const w = world();
    const listener = w.listen({}, { deferAcceptS: 30 });
    const silent = w.connect(listener.address.port, {});
    const speaking = w.connect(listener.address.port, { open: (end) => void end.write('x') });
    await w.until(() => !silent.connecting && !speaking.connecting && listener.accepted === 1);
    await w.settle();
    expect(listener.accepted).toBe(1);
    silent.write('y');
    await w.until(() => listener.accepted === 2);
  });

  test('a Unix listener has no such option, and 0 seconds are refused', () => {
    const w = world();
    const code = (text: string): Error => expect.objectContaining({ code: text }) as Error;
    expect(() => listen(w.reactor, { path: '\0underloop-defer', deferAcceptS: 1 }, {})).toThrow(
      code('ERR_UNSUPPORTED'),
    );
    for (const deferAcceptS of [0, 1.5, 40_000])
      expect(() => listen(w.reactor, { deferAcceptS }, {})).toThrow(code('ERR_ARGUMENT'));
  });
});
