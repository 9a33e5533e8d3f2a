// Runs the tests in other runtimes, which come from the package registry into a temporary folder:
//   npm run test:node -- 22 24     all the tests, on the newest Node.js of each of these lines
//   npm run test:runtimes          the tests in test/runtimes with Bun and Deno
// What follows `--` goes on to vitest: npm run test:node -- 24 -- test/reactor
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import * as os from 'node:os';
import * as path from 'node:path';
import { ROOT } from './install.js';

/** Those that docs/runtimes.md tells of. */
const BUN = '1.4.5';
const DENO = '2.9.6';

const vitest = path.join(
  path.dirname(createRequire(import.meta.url).resolve('vitest/package.json')),
  'vitest.mjs',
);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'underloop-runtimes-'));

/** Installs one package in a folder of its own, and gives that folder. */
function fetch(name, version) {
  const prefix = path.join(folder, `${name}-${version}`);
  fs.mkdirSync(prefix);
  fs.writeFileSync(path.join(prefix, 'package.json'), '{ "private": true }\n');
  const args = ['install', '--no-audit', '--no-fund', '--no-package-lock', `${name}@${version}`];
  const { status } = spawnSync('npm', args, { cwd: prefix, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`npm install ${name}@${version} failed`);
  return prefix;
}

function test(node, env, args) {
  const { status } = spawnSync(node, [vitest, 'run', ...args], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}

const [kind, ...rest] = process.argv.slice(2);
const split = rest.includes('--') ? rest.indexOf('--') : rest.length;
const versions = rest.slice(0, split);
const forVitest = rest.slice(split + 1);
try {
  if (kind === 'others') {
    const env = {
      UNDERLOOP_BUN: path.join(fetch('bun', BUN), 'node_modules/.bin/bun'),
      UNDERLOOP_DENO: path.join(fetch('deno', DENO), 'node_modules/.bin/deno'),
    };
    test(process.execPath, env, ['test/runtimes', ...forVitest]);
  } else if (
    kind === 'node' &&
    versions.length > 0 &&
    versions.every((version) => /^[\d.]+$/.test(version))
  ) {
    for (const version of versions) {
      const bin = path.join(fetch('node', version), 'node_modules/node/bin');
      const node = path.join(bin, 'node');
      console.log(`Node.js ${spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()}`);
      test(node, { PATH: `${bin}${path.delimiter}${process.env['PATH'] ?? ''}` }, forVitest);
    }
  } else {
    console.error('usage: npm run test:node -- VERSION... [-- vitest arguments], or npm run test:runtimes');
    process.exitCode = 2;
  }
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
