// The clients of --clients: starts client-process.js, keeps it no longer than this process, and fetches its result.

import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** Starts `count` clients of `address` in a process of their own. `finished` settles when that process has gone. */
export function startClients(count, address) {
  const program = fileURLToPath(new URL('client-process.js', import.meta.url));
  const args = [program, String(count), address.host, String(address.port)];
  // The pipe to its stdin is a lifeline: the process ends when the pipe does, however we end. A group of its own,
  // so that Ctrl-C reaches only us, and it is we who stop it.
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  child.stdin.on('error', () => {}); // it may have gone already
  let stopped = false;
  return {
    pid: child.pid,
    stop() {
      stopped = true;
      child.stdin.end();
    },
    finished: result(child, () => stopped),
  };
}

async function result(child, wasStopped) {
  const gone = new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
  const [output] = await Promise.all([text(child.stdout), gone]);
  const done = {
    pid: child.pid,
    stopped: false,
    connections: 0,
    bytesSent: 0,
    bytesReceived: 0,
    failures: [],
  };
  if (output !== '') Object.assign(done, JSON.parse(output));
  // Without a result, it was stopped before it had one. Or it has died, and has said on stderr why.
  else if (wasStopped()) done.stopped = true;
  else done.failures.push('the process of the clients ended without a result');
  return done;
}
