// The mutants of the hard problems: one-line changes of the source, each of which must make exactly its tests fail.

import { readFileSync, readdirSync, statSync } from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { mutants as host } from './entries/host.js';
import { mutants as kqueue } from './entries/kqueue.js';
import { mutants as net } from './entries/net.js';
import { mutants as pollers } from './entries/pollers.js';
import { mutants as reactor } from './entries/reactor.js';
import { mutants as threads } from './entries/threads.js';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export const mutants = [...pollers, ...reactor, ...host, ...net, ...kqueue, ...threads];

/** The files that a mutant's source may be: itself, or all of a folder. */
function candidates(mutant, root) {
  if (!statSync(path.join(root, mutant.source)).isDirectory()) return [mutant.source];
  return readdirSync(path.join(root, mutant.source)).map((name) => `${mutant.source}/${name}`);
}

/** The file to change, and its text with the mutant's in place of its own. Throws when that does not stand there once. */
export function mutated(mutant, root = ROOT) {
  const texts = candidates(mutant, root).map((file) => [file, readFileSync(path.join(root, file), 'utf8')]);
  const count = texts.reduce((sum, [, text]) => sum + text.split(mutant.from).length - 1, 0);
  if (count !== 1) {
    throw new Error(
      `${mutant.name}: ${mutant.source} has the text to change ${count} times, not once: ${mutant.from}`,
    );
  }
  const [file, before] = texts.find(([, text]) => text.includes(mutant.from));
  return { file, before, after: before.split(mutant.from).join(mutant.to) };
}
