// The process lives as long as something referenced is open on the net, and no longer; and what runs the program unchanged.

import { expect, it } from 'vitest';
import { runNode } from './servers.js';

const program = 'test/node/programs/ends.mjs';

it.each([
  ['closed', 'hello\nclosed\n'],
  ['unref-server', 'hello\nleft open\n'],
  ['unref-serves', 'served\n'],
  ['unref-socket', 'left open\n'],
  ['given', 'served\nrun() has ended\n'],
  ['worker', 'hello\nhello\nclosed\nworker ended with 0\n'],
  ['throws', 'uncaught: from a listener\nx\n'],
])('a program ends by itself: %s', async (mode, stdout) => {
  expect(await runNode([program, mode])).toEqual({ code: 0, stdout, stderr: '' });
});

it('an unchanged program runs on the reactor by the loader flag, and the runtime keeps what is its own', async () => {
  const outcome = await runNode(['--import', './dist/node/register.js', 'test/node/programs/registered.mjs']);
  expect(outcome.stderr).toBe('');
  expect(outcome.stdout.trim().split('\n')).toEqual([
    'same functions in both module systems: true',
    'createConnection is connect: true',
    'connected: reactor',
    'accepted: reactor',
    'echo: hello',
    'new Socket: reactor',
    'accepted: reactor',
    'new Server: false',
    'http client: reactor',
    'http server: reactor /x',
    'fetch, which has sockets of its own: reactor /y',
    'https: secure, on the reactor',
    'tls.connect({ socket }): tls over a socket',
    'tls.connect(): tls of its own',
    'child process: through pipes',
    'an IPC path stays with the runtime: ENOENT',
  ]);
  expect(outcome.code).toBe(0);
});

it('the example of an unchanged program runs with the flag and without', async () => {
  const expected = { code: 0, stdout: 'you asked for /hello\n', stderr: '' };
  expect(await runNode(['--import', 'underloop/register', 'examples/node/unchanged.js'])).toEqual(expected);
  expect(await runNode(['examples/node/unchanged.js'])).toEqual(expected);
});

it('a cluster works under the loader flag, on the sockets of the runtime', async () => {
  const args = ['--import', './dist/node/register.js', 'test/node/programs/cluster.mjs'];
  expect(await runNode(args)).toEqual({
    code: 0,
    stdout: 'from a worker, with a handle: true\n',
    stderr: '',
  });
});
