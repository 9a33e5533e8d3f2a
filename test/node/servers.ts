// What the tests of libraries start beside themselves: programs, and real servers.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import * as nodeNet from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const HANG_MS = 15_000;

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a command to its end; one that hangs is killed, which its code (null) tells. */
export async function run(
  file: string,
  args: string[],
  options: { env?: Record<string, string>; input?: Buffer } = {},
): Promise<Outcome> {
  const child = spawn(file, args, {
    cwd: ROOT,
    env: { ...process.env, ...options.env },
    timeout: HANG_MS,
    killSignal: 'SIGKILL',
  });
  child.stdin.on('error', () => undefined).end(options.input);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code: code as number | null, stdout, stderr };
}

/** An example, or another program of this repository. */
export function runNode(args: string[], env: Record<string, string> = {}): Promise<Outcome> {
  return run(process.execPath, args, { env });
}

/** Starts a program that prints where it listens. */
export async function startNode(
  args: string[],
): Promise<{ url: string; child: ChildProcess; stop(): Promise<number | null> }> {
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    timeout: 2 * HANG_MS,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const closed = once(child, 'close');
  return {
    url: String(line).trim(),
    child,
    stop: async () => {
      child.kill('SIGTERM');
      const [code] = await closed;
      return code as number | null;
    },
  };
}

const version = (command: string): boolean => spawnSync(command, ['--version']).status === 0;
export const hasRedis = version('redis-server');
export const hasCurl = version('curl');

export interface RedisServer {
  port: number;
  stop(): Promise<void>;
}

/** Debian's redis-server, without persistence, on a port of its own. */
export async function startRedis(): Promise<RedisServer> {
  const probe = nodeNet.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as nodeNet.AddressInfo;
  probe.close();
  await once(probe, 'close');
  const folder = mkdtempSync(join(tmpdir(), 'underloop-redis-'));
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder];
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      said += String(chunk);
      if (/ready to accept connections/i.test(said)) resolve();
    });
    child.once('close', () => reject(new Error(`redis-server ended: ${said}`)));
  });
  return {
    port,
    stop: async () => {
      const closed = once(child, 'close');
      child.kill('SIGTERM');
      await closed;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
