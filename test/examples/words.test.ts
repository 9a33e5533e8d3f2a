// The words in which the examples narrate: each kind of socket and address has its own.

import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';

const words = (await import(pathToFileURL('examples/lib/words.js').href)) as {
  address(at: object): string;
  call(name: string, args: readonly unknown[], result: unknown): string;
};

test('addresses: a port, a path, an abstract name, none', () => {
  expect(words.address({ family: 4, host: '127.0.0.1', port: 80 })).toBe('127.0.0.1:80');
  expect(words.address({ family: 6, host: '::1', port: 80 })).toBe('[::1]:80');
  expect(words.address({ family: 'unix', path: '/tmp/s' })).toBe('/tmp/s');
  expect(words.address({ family: 'unix', path: '\0name' })).toBe('@name');
  expect(words.address({ family: 'unix', path: '' })).toBe('no name');
});

test('calls on a Unix socket are told as such', () => {
  const at = { family: 'unix', path: '/tmp/s' };
  expect(words.call('socket', [4], 5)).toBe('socket(TCP over IPv4) → fd 5');
  expect(words.call('socket', ['unix'], 5)).toBe('socket(a Unix stream) → fd 5');
  expect(words.call('socket', ['unix', 'datagram'], 5)).toBe('socket(Unix datagrams) → fd 5');
  expect(words.call('bind', [5, at], 0)).toBe('bind(fd 5, /tmp/s) → ok');
  expect(words.call('connect', [5, at], 0)).toBe('connect(fd 5, /tmp/s) → ok: connected at once');
  expect(words.call('localAddress', [5], at)).toBe('getsockname(fd 5) → /tmp/s');
});
