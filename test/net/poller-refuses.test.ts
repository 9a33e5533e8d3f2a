// A poller that refuses another interest (epoll_ctl(2): ENOMEM, ENOSPC), and a socket said to be writable that takes nothing.

import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import { datagram } from '../../src/index.js';
import { Logs, pattern, scriptedModes, useWorld } from './world.js';

const E = constants.errno;

describe.each(scriptedModes)('$name', (mode) => {
  const world = useWorld(mode, { socketBufferBytes: 2000 });

  test('refused while bytes are queued: write() does not throw, and the connection fails with the reason', async () => {
    const w = world();
    const { client, clientLog, serverLog } = await w.pair();
    w.scripted!.script('modify', client.fd, -E.ENOMEM);
    expect(client.write(pattern(10_000))).toBe(10_000);
    expect(client.closed).toBe(true);
    await w.until(() => clientLog.closed && serverLog.closed);
    expect(clientLog.events).toEqual(['open', 'error ENOMEM', 'close ENOMEM']);
  });

  test('refused when a paused connection is taken up again (the limit of epoll watches): it fails with ENOSPC', async () => {
    const w = world();
    const { client, clientLog } = await w.pair();
    client.pause();
    w.scripted!.script('add', client.fd, -E.ENOSPC);
    client.resume();
    await w.until(() => clientLog.closed);
    expect(clientLog.events).toEqual(['open', 'error ENOSPC', 'close ENOSPC']);
  });

  test('refused at the end of a connect: close follows, and open does not come', async () => {
    const w = world();
    const logs = new Logs();
    const listener = w.listen({});
    const client = w.connect(listener.address.port, logs.handlers);
    w.scripted!.script('modify', client.fd, -E.ENOMEM);
    await w.until(() => logs.all[0]?.closed === true);
    expect(logs.all[0]!.events).toEqual(['error ENOMEM', 'close ENOMEM']);
  });

  test('refused when a full listener would accept again: acceptError tells, close is told, and 100 ms later it accepts', async () => {
    const w = world();
    const logs = new Logs();
    const listener = w.listen(logs.handlers, { connectionsMax: 1 });
    const clients = new Logs();
    const first = w.connect(listener.address.port, clients.handlers);
    w.connect(listener.address.port, clients.handlers);
    await w.until(() => listener.connections === 1);
    w.scripted!.script('add', listener.fd, -E.ENOSPC);
    first.close();
    const beganMs = w.reactor.now();
    await w.until(() => logs.all[0]?.closed === true);
    expect(logs.acceptErrors).toMatchObject([{ code: 'ENOSPC' }]);
    await w.until(() => listener.accepted === 2);
    expect(w.reactor.now() - beganMs).toBe(100);
  });

  test('a connection that is said to be writable and takes nothing does not spin, and goes on when it takes again', async () => {
    const w = world();
    const { client, serverLog } = await w.pair();
    let sends = 0;
    let refuses = true;
    const refuse = (): number | undefined => {
      if (!refuses) return undefined;
      sends++;
      w.scripted!.script('sendBytes', client.fd, refuse);
      return -E.EAGAIN;
    };
    w.scripted!.script('sendBytes', client.fd, refuse);
    client.write('here');
    w.reactor.setTimer(1000, () => (refuses = false));
    await w.until(() => serverLog.text === 'here');
    expect(sends).toBeGreaterThan(100);
    expect(sends).toBeLessThanOrEqual(502);
  });

  test('a datagram socket is told of the refusal, and asks again', async () => {
    const w = world();
    const errors: string[] = [];
    const got: string[] = [];
    const options = { trigger: mode.trigger } as const;
    using socket = datagram(w.reactor, options, {
      message: (_, bytes, start, end) => void got.push(Buffer.from(bytes.subarray(start, end)).toString()),
      error: (_, { code }) => void errors.push(code),
    });
    using sender = datagram(w.reactor, options, {});
    socket.pause();
    w.scripted!.script('add', socket.fd, -E.ENOSPC);
    socket.resume();
    sender.send('here', { host: '127.0.0.1', port: socket.address.port! });
    await w.until(() => got.length > 0);
    expect([errors, got]).toEqual([['ENOSPC'], ['here']]);
  });
});
