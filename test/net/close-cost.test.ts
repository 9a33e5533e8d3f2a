// What the end of a connection costs the server: no system call and no stack trace that nobody needs.

import { expect, test } from 'vitest';
import { EAGAIN } from '../../src/kernel/errno.js';
import { Reactor, connect, listen } from '../../src/index.js';
import type { ConnectionHandlers, SystemError } from '../../src/index.js';
import { ScriptedKernel } from '../../src/testing.js';

/** A connection of the scripted kernel, both ends on one reactor; `calls` are those of the accepted end's descriptor. */
function pair(handlers: ConnectionHandlers) {
  const kernel = new ScriptedKernel();
  const reactor = new Reactor({ kernel });
  let fd = -1;
  const listener = listen(
    reactor,
    {},
    {
      ...handlers,
      open: (connection) => {
        fd = connection.fd;
      },
    },
  );
  const client = connect(reactor, { port: listener.address.port }, {});
  const turns = () => {
    for (let i = 0; i < 10; i++) reactor.turn(0);
  };
  turns();
  kernel.record();
  const calls = () => kernel.calls.filter(({ args }) => args[0] === fd).map(({ name }) => name);
  return { reactor, kernel, client, turns, calls };
}

test('an end-of-file that nothing need be sent after is answered by close alone, which sends the FIN', () => {
  const { reactor, client, turns, calls } = pair({});
  client.end();
  turns();
  expect(calls()).toEqual(['recv', 'remove', 'close']);
  expect(client.closed).toBe(true);
  reactor.close();
});

test('what the kernel had not taken yet is sent before the end', () => {
  const { reactor, kernel, client, turns, calls } = pair({
    data: (connection) => {
      kernel.script('sendBytes', connection.fd, EAGAIN, EAGAIN); // also when the end is read
      connection.write('bye');
    },
  });
  client.write('hello');
  client.end();
  turns();
  reactor.turn(); // said to be writable, and yet nothing was taken: it is tried again when a timer says so
  turns();
  expect(calls().filter((name) => name === 'sendBytes')).toHaveLength(3);
  expect(client.bytesRead).toBe(3);
  expect(client.closed).toBe(true);
  reactor.close();
});

test('the error of a connection that its peer has reset has no stack, and later errors have theirs', () => {
  let error: SystemError | undefined;
  const { reactor, client, turns } = pair({
    error: (_connection, reason) => (error = reason as SystemError),
  });
  client.reset();
  turns();
  expect(error).toMatchObject({ name: 'SystemError', code: 'ECONNRESET', syscall: 'recv' });
  expect(error?.stack).not.toContain('\n    at ');
  expect(new Error('one of ours').stack).toContain('\n    at ');
  reactor.close();
});
