// A copy of dist/ in which one check is missing: a run on it shows that the oracle sees what the check is there for.

import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The generation check, as it stands in dist/reactor/registry.js. */
const CHECK = ' && this.generations[slot] === generation';

/**
 * Makes the copy, with everything that it needs beside it. Returns where its dist/ is; `remove` deletes it.
 * @param {string} root the package
 */
export function withoutGenerations(root) {
  const folder = mkdtempSync(join(tmpdir(), 'underloop-soak-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    cpSync(join(root, 'dist'), join(folder, 'dist'), {
      recursive: true,
      filter: (path) => !/\.(d\.ts|map)$/.test(path),
    });
    for (const name of ['package.json', 'build', 'prebuilds', 'node_modules'])
      symlinkSync(join(root, name), join(folder, name));
    const file = join(folder, 'dist/reactor/registry.js');
    const text = readFileSync(file, 'utf8');
    const parts = text.split(CHECK);
    if (parts.length !== 2) throw new Error(`the generation check is not where it was in ${file}`);
    writeFileSync(file, parts.join(''));
  } catch (error) {
    remove();
    throw error;
  }
  return { dist: join(folder, 'dist'), remove };
}
