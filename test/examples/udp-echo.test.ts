// examples/udp-echo.js as its user meets it: echoes to Node's own sockets, counts, and ends at Ctrl-C.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { runProgram, startProgram } from '../lifecycle/child.js';

const program = '../examples/udp-echo.js';

test('echoes each datagram to whoever sent it, and ends at Ctrl-C with its counters', async () => {
  const running = startProgram(program, ['--port', '0']);
  const port = Number.parseInt(await running.line('listening on 127.0.0.1:'), 10);
  for (const text of ['one', 'two']) {
    const client = createSocket('udp4');
    try {
      const answer = once(client, 'message');
      client.send(text, port, '127.0.0.1');
      expect(String((await answer)[0])).toBe(text);
    } finally {
      client.close();
    }
  }
  running.child.kill('SIGINT');
  const { stdout, stderr, code } = await running.outcome;
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/closed: 2 received, 2 sent, 0 dropped, 0 cut off/);
});

test('--help, a wrong port, and a port that is in use, each said plainly', async () => {
  const help = await runProgram(program, ['--help']);
  expect([help.code, help.stdout]).toEqual([0, expect.stringContaining('--unix NAME')]);
  const wrong = await runProgram(program, ['--port', '70000']);
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('--port')]);
  const taken = createSocket('udp4');
  try {
    taken.bind(0, '127.0.0.1');
    await once(taken, 'listening');
    const refused = await runProgram(program, ['--port', String(taken.address().port)]);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('EADDRINUSE')]);
  } finally {
    taken.close();
  }
});
