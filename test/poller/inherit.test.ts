// fork/exec leaving no fd open: a child program finds none of the descriptors that this package makes.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { READABLE, descriptors, nativeKernel } from '../../src/index.js';
import type { InternetAddress } from '../../src/index.js';
import { LONG_MS, attempt, kinds, newPoller, opens, ready } from './tools.js';

/** The descriptors that a program finds open when it starts; `extra` is handed to it on purpose, as number 3. */
function inherited(extra: number[] = []): number[] {
  // `ls` opens nothing but the folder that it lists, which has the lowest free number.
  const { stdout, status } = spawnSync('ls', ['/proc/self/fd'], {
    stdio: ['ignore', 'pipe', 'inherit', ...extra],
    encoding: 'utf8',
  });
  expect(status).toBe(0);
  return stdout.trim().split('\n').map(Number);
}

const ownFds = (): number => readdirSync('/proc/self/fd').length;

/** One of each kind that the package can make, in use; descriptors that the system refuses are left out. */
function makeOneOfEach(): number {
  const before = ownFds();
  for (const kind of kinds) newPoller(kind);
  for (const fd of opens([...descriptors.pipe(), ...descriptors.socketPair()]))
    opens(descriptors.duplicate(fd));
  const [first] = opens(descriptors.pipe());
  newPoller().add(first!, READABLE);

  const listening = opens(nativeKernel.socket(4));
  nativeKernel.bind(listening, { family: 4, host: '127.0.0.1', port: 0 });
  nativeKernel.listen(listening, 1);
  const client = opens(nativeKernel.socket(4));
  nativeKernel.connect(client, nativeKernel.localAddress(listening) as InternetAddress);
  const poller = newPoller();
  ready(poller, poller.add(listening, READABLE), LONG_MS);
  const accepted = nativeKernel.accept(listening);
  expect(accepted).toBeGreaterThan(0);
  opens(accepted);
  attempt(() => nativeKernel.socket(6));
  opens(nativeKernel.openReserve());

  attempt(() => descriptors.eventFd());
  attempt(() => descriptors.timerFd(1000));
  attempt(() => descriptors.inotify(tmpdir()));
  attempt(() => descriptors.pidFd(process.pid));
  attempt(() => descriptors.netlink());
  attempt(() => {
    const [master, slave] = descriptors.openPty();
    opens(slave);
    return master;
  });
  return ownFds() - before;
}

test.runIf(process.platform === 'linux')('fork/exec leaving no fd open', () => {
  // Whoever runs the tests may hand something on himself.
  const before = inherited();
  expect(makeOneOfEach()).toBeGreaterThan(25);
  expect(inherited()).toEqual(before);
  // It would be seen: one that is handed on is there.
  expect(inherited([opens(descriptors.eventFd())])).toHaveLength(before.length + 1);
});
