// Handlers are shared by all connections, so they belong to no asynchronous context, whatever it was when they were given.

import { AsyncLocalStorage } from 'node:async_hooks';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { READABLE, Reactor, connect, descriptors, listen, nativeKernel } from '../../src/index.js';

const kinds = nativeKernel.pollerKinds;

test.each(kinds)(
  'AsyncLocalStorage context of shared handlers: none, in every kind of call (%s)',
  async (poller) => {
    const storage = new AsyncLocalStorage<string>();
    const seen = new Map<string, string | undefined>();
    const note = (what: string): void => void seen.set(what, storage.getStore());
    await storage.run('whoever asked', async () => {
      using reactor = new Reactor({ poller });
      const [readEnd, writeEnd] = descriptors.pipe();
      const watch = reactor.watch(readEnd, READABLE, () => {
        note('watch');
        watch.close();
      });
      descriptors.write(writeEnd, Buffer.of(1));
      reactor.setTimer(1, () => note('timer'));
      reactor.post(() => note('posted'));
      reactor.defer(() => note('deferred'));
      reactor.closing(() => note('closed callback'));
      const listener = listen(
        reactor,
        {},
        {
          open: () => note('open of a server'),
          data: (connection) => {
            note('data');
            connection.end();
          },
          close: () => {
            note('close');
            listener.close();
          },
        },
      );
      const open = (): void => note('open of a client');
      connect(reactor, { port: listener.address.port }, { open }).write('x');
      reactor.setTimer(
        2,
        AsyncLocalStorage.bind(() => note('bound')),
      );
      await reactor.run();
      for (const fd of [readEnd, writeEnd]) descriptors.close(fd);
      // Whoever awaits run() goes on where he was.
      note('after run()');
    });
    const calls = ['watch', 'timer', 'posted', 'deferred', 'closed callback'];
    calls.push('open of a server', 'data', 'close', 'open of a client');
    expect(Object.fromEntries(seen)).toEqual({
      ...Object.fromEntries(calls.map((call) => [call, undefined])),
      bound: 'whoever asked',
      'after run()': 'whoever asked',
    });
  },
);

test('with asynchronous hooks on, what the runtime calls back by itself (TLS) ends no context of its caller', async () => {
  const hook = 'import { AsyncLocalStorage } from "node:async_hooks"; new AsyncLocalStorage().enterWith(1);';
  const example = fileURLToPath(new URL('../../examples/node/tls.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [
    `--import=data:text/javascript,${encodeURIComponent(hook)}`,
    example,
  ]);
  expect(stdout).toContain('HELLO');
});
