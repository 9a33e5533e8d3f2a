// Streams that give less than there is, though more is there: urgent data of TCP, descriptors passed over a Unix socket.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { listen } from '../../src/index.js';
import type { InternetAddress } from '../../src/index.js';
import { Logs, realModes, useWorld } from './world.js';

// Node has no call for MSG_OOB, and none for SCM_RIGHTS with bytes of one's own.
const urgent = (port: number): string => `
s = socket.create_connection(('127.0.0.1', ${String(port)}))
s.sendall(b'before'); s.send(b'!', socket.MSG_OOB); s.sendall(b'after')`;
const passed = (name: string): string => `
s = socket.socket(socket.AF_UNIX)
s.connect('\\0${name.slice(1)}')
socket.send_fds(s, [b'before'], [0]); s.sendall(b'after')`;

const linux = process.platform === 'linux';

describe.each(realModes)('$name', (mode) => {
  const world = useWorld(mode);

  test.runIf(linux).each(['urgent data of TCP', 'a descriptor passed over a Unix socket'])(
    '%s cuts a read short: what lies behind it is read as well',
    async (kind) => {
      const w = world();
      const logs = new Logs({ open: (connection) => connection.pause() });
      const name = `\0underloop short ${String(process.pid)} ${mode.name}`;
      const where = kind.startsWith('urgent') ? {} : { path: name };
      const listener = listen(w.reactor, { trigger: mode.trigger, ...where }, logs.handlers);
      const program = 'path' in where ? passed(name) : urgent((listener.address as InternetAddress).port);
      const python = spawn(
        'python3',
        ['-c', `import socket, sys${program}\nprint('sent', flush=True)\nsys.stdin.read()`],
        {
          stdio: ['pipe', 'pipe', 'inherit'],
        },
      );
      const started = await new Promise((resolve) => {
        python.once('spawn', () => resolve(true)).once('error', () => resolve(false));
      });
      if (started === false) return;
      const ended = once(python, 'exit');
      w.onEnd(async () => {
        python.stdin.end();
        await ended;
      });
      await once(python.stdout, 'data');
      await w.until(() => logs.all.length === 1);
      logs.connections[0]!.resume();
      await w.until(() => logs.all[0]!.text === 'beforeafter');
      expect(logs.all[0]!.sizes).toEqual([6, 5]);
    },
  );
});
