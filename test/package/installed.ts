// An empty project with the package as `npm pack` makes it, installed where nothing can be compiled.

import { execFile, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { promisify } from 'node:util';

export const ROOT = path.resolve(import.meta.dirname, '../..');
const run = promisify(execFile);

/** What `npm pack --json` says of a tarball. */
export interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly size: number; readonly mode: number }[];
}

export interface Project {
  readonly folder: string;
  readonly tarball: string;
  readonly packed: Packed;
  /** The package in its node_modules. */
  readonly installed: string;
  /** Nothing but node, npm and a shell on the PATH. */
  readonly env: NodeJS.ProcessEnv;
}

/** npm's own program: a script of the runtime's, wherever its `npm` points to. */
function npmProgram(): string {
  const fromNpm = process.env['npm_execpath'];
  if (fromNpm?.endsWith('npm-cli.js')) return fromNpm;
  const found = (process.env['PATH'] ?? '')
    .split(path.delimiter)
    .map((folder) => path.join(folder, 'npm'))
    .find((file) => fs.existsSync(file));
  if (found === undefined) throw new Error('npm is not on the PATH');
  return fs.realpathSync(found);
}

/** Packs, and installs what was packed. dist/ must be there; prebuilds/ is made when it is older than its sources. */
export async function install(): Promise<Project> {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'underloop-package-')));
  await run(process.execPath, [path.join(ROOT, 'scripts/prebuild.js'), '--if-needed'], { cwd: ROOT });
  const npm = npmProgram();
  const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const { stdout } = await run(process.execPath, [npm, ...pack], { cwd: ROOT, maxBuffer: 1 << 24 });
  const [packed] = JSON.parse(stdout) as [Packed];
  const tarball = path.join(folder, packed.filename);

  const bin = path.join(folder, 'bin');
  fs.mkdirSync(bin);
  fs.symlinkSync(process.execPath, path.join(bin, 'node'));
  fs.symlinkSync(npm, path.join(bin, 'npm'));
  for (const name of ['sh', 'env']) {
    const { stdout: place } = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' });
    fs.symlinkSync(place.trim(), path.join(bin, name));
  }
  const env: NodeJS.ProcessEnv = { ...process.env, PATH: bin };
  for (const name of ['CC', 'CXX', 'MAKE', 'PYTHON', 'NODE_OPTIONS', 'npm_config_build_from_source'])
    delete env[name];

  fs.writeFileSync(
    path.join(folder, 'package.json'),
    '{ "name": "empty", "private": true, "type": "module" }\n',
  );
  const args = ['install', '--no-audit', '--no-fund', '--prefer-offline', tarball];
  await run(process.execPath, [npm, ...args], { cwd: folder, env, timeout: 120_000 });
  return { folder, tarball, packed, installed: path.join(folder, 'node_modules/underloop'), env };
}
