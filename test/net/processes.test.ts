// What only whole processes show: signals, two processes on one port, and running out of descriptors for real.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect as nodeConnect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EchoServer, path } from './child.js';
import { expectNoLeaks, realDescriptors, realModes } from './world.js';

const peers: Socket[] = [];
const servers: EchoServer[] = [];
let before: string[];
beforeEach(() => {
  before = realDescriptors();
});
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.destroy();
  for (const server of servers.splice(0)) expect(await server.stop()).toBe(0);
  await expectNoLeaks(before);
});

async function start(options: object, fdLimit?: number): Promise<EchoServer> {
  const server = await EchoServer.start(options, fdLimit);
  servers.push(server);
  return server;
}

/** Connects and says something: what comes back, or '' when the connection is ended instead. */
async function ask(port: number): Promise<{ peer: Socket; answer: string }> {
  const peer = nodeConnect(port, '127.0.0.1');
  peers.push(peer);
  peer.on('error', () => undefined);
  peer.write('hello');
  const answer = await new Promise<string>((resolve) => {
    peer.once('data', (bytes) => resolve(String(bytes)));
    peer.once('close', () => resolve(''));
  });
  return { peer, answer };
}

describe('SIGPIPE', () => {
  test('a write to a connection that the peer has left is an error, and the process lives', () => {
    const { stdout, signal, status } = spawnSync(process.execPath, [path('broken-pipe.js')], {
      encoding: 'utf8',
    });
    expect([signal, status]).toEqual([null, 0]);
    const events = JSON.parse(stdout) as string[];
    expect(events.slice(0, 2)).toEqual(['readClosed', 'wrote 1']);
    expect(events.slice(-3)).toEqual(['wrote 0', 'error EPIPE send', 'close']);
  });
  test('control: in that process a write to a pipe without a reader is death', () => {
    const { stdout, signal } = spawnSync(process.execPath, [path('broken-pipe.js'), 'control'], {
      encoding: 'utf8',
    });
    expect([signal, stdout]).toEqual(['SIGPIPE', '']);
  });
});

test('accept herd across processes: two processes share a port, both serve, and neither sees an error', async () => {
  const first = await start({ reusePort: true });
  const second = await start({ reusePort: true, port: first.port });
  const answers = await Promise.all(Array.from({ length: 100 }, () => ask(first.port)));
  expect(answers.filter(({ answer }) => answer === 'hello')).toHaveLength(100);
  const reports = [await first.report(), await second.report()];
  expect(reports.map(({ accepted }) => accepted).reduce((a, b) => a + b)).toBe(100);
  for (const { accepted, refused, acceptErrors } of reports) {
    // The kernel spreads by hash: that one of two gets none of 100 has a chance of 2^-99.
    expect(accepted).toBeGreaterThan(0);
    expect([refused, acceptErrors]).toEqual([0, {}]);
  }
});

describe.each([...new Set(realModes.map(({ poller }) => poller))])(
  'accept at EMFILE (reserve fd and back-off), %s',
  (poller) => {
    test('clients beyond the limit are turned away, nothing spins, and serving resumes when there is room', async () => {
      process.env['UNDERLOOP_POLLER'] = poller;
      let server: EchoServer;
      try {
        server = await start({}, 64);
      } finally {
        delete process.env['UNDERLOOP_POLLER'];
      }
      const all = await Promise.all(Array.from({ length: 100 }, () => ask(server.port)));
      const served = all.filter(({ answer }) => answer === 'hello').map(({ peer }) => peer);
      expect(served.length).toBeGreaterThan(5);
      expect(served.length).toBeLessThan(64);
      const full = await server.report();
      expect(full).toMatchObject({ connections: served.length, refused: 100 - served.length });
      expect(full.acceptErrors).toEqual({ EMFILE: expect.any(Number) as number });

      // While it is full: who comes is turned away, at the price of a few turns per rest of 100 ms.
      const beganMs = performance.now();
      while (performance.now() - beganMs < 500) {
        expect((await ask(server.port)).answer).toBe('');
        await sleep(5);
      }
      const elapsedMs = performance.now() - beganMs;
      const later = await server.report();
      expect(later.turns - full.turns).toBeLessThan(elapsedMs);
      expect(later.cpuMs - full.cpuMs).toBeLessThan(elapsedMs / 2);

      // Those that it has are served all the time.
      served[0]!.write('you too?');
      expect(String(((await once(served[0]!, 'data')) as [Buffer])[0])).toBe('you too?');

      // Room again: it resumes by itself, after a rest at most.
      for (const peer of served.slice(0, 5)) {
        const closed = once(peer, 'close');
        peer.destroy();
        await closed;
      }
      let again = '';
      for (let tries = 0; tries < 50 && again === ''; tries++) again = (await ask(server.port)).answer;
      expect(again).toBe('hello');
    });
  },
);
