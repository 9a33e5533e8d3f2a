// `npm run prebuild`: compiles the addon for the machines of others into prebuilds/, where install.js and node-gyp-build
// find it. In a copy of the sources, so that this checkout's own build stays as it is. Downloads nothing: the headers are
// those that install.js finds. --if-needed: only if there is none, or one that is older than its sources.
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import * as os from 'node:os';
import * as path from 'node:path';
import { checkImports } from './imports.js';
import { findNodeDir, ROOT } from './install.js';

/** The oldest Node.js that the addon is for. Its Node-API is that of all later ones. */
const TARGET = '20.19.0';

/** Whether install.js would take the prebuild that is there. */
function isCurrent() {
  if (!fs.existsSync(path.join(ROOT, 'prebuilds'))) return false;
  const script =
    "import('./scripts/install.js').then(({ prebuildFits }) => process.exit(prebuildFits() ? 0 : 1))";
  return spawnSync(process.execPath, ['-e', script], { cwd: ROOT }).status === 0;
}

function compile() {
  const prebuildify = createRequire(import.meta.url).resolve('prebuildify/bin.js');
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'underloop-prebuild-'));
  try {
    for (const name of ['package.json', 'binding.gyp', 'native']) {
      fs.cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true });
    }
    fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
    const args = ['-t', TARGET, '--napi', '--strip', '--tag-libc', `--cwd=${folder}`, `--out=${ROOT}`];
    // node-gyp lets npm_config_* override its arguments, and asks the network without a nodedir.
    const env = { ...process.env, npm_config_nodedir: findNodeDir(), UNDERLOOP_PREBUILD: '1' };
    delete env['UNDERLOOP_KQUEUE_PREFIX'];
    const { status } = spawnSync(process.execPath, [prebuildify, ...args, '--quiet'], {
      cwd: folder,
      env: { npm_config_loglevel: 'error', ...env },
      stdio: 'inherit',
    });
    if (status !== 0) throw new Error('prebuildify failed: run `npm run build:native` to see why');
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

if (!process.argv.includes('--if-needed') || !isCurrent()) compile();

const prebuilds = path.join(ROOT, 'prebuilds', `${process.platform}-${process.arch}`);
for (const name of fs.readdirSync(prebuilds)) {
  const file = path.join(prebuilds, name);
  const { complaints, summary } = checkImports(file);
  console.log(`${path.relative(ROOT, file)}: ${fs.statSync(file).size} bytes; ${summary}`);
  for (const complaint of complaints) console.error(complaint);
  if (complaints.length > 0) process.exitCode = 1;
}
