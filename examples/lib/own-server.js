// Starts a database server that lives no longer than this process: the parent's side of server-process.js.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('server-process.js', import.meta.url));

/**
 * Starts the server that the export `prepare` of the module describes. `started` resolves to its URL; `stop()` ends it, also
 * before that, and resolves when server and folder have gone.
 */
export function startOwnServer(moduleUrl) {
  // Its stdin is a lifeline: it ends the server when the pipe ends. A session of its own, so that Ctrl-C reaches only us.
  const child = spawn(process.execPath, [program, moduleUrl], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  child.stdin.on('error', () => {});
  let output = '';
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (errors = (errors + text).slice(-10_000)));
  const ended = once(child, 'close');
  const started = new Promise((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
      if (output.includes('\n')) resolve(output.trim());
    });
    ended.then(() => reject(new Error(errors.trim() || 'the server has ended')), reject);
  });
  started.catch(() => {});
  return {
    started,
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}

/** A port that is free now. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
