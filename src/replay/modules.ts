// Which files a program was made of, by their hashes: asked of the runtime's debugger, which knows every script.

import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { Session } from 'node:inspector';
import { fileURLToPath } from 'node:url';
import type { ModuleHash } from './format.js';

const { readFileSync } = fs;
const OWN_FOLDER = new URL('../', import.meta.url).href;

/** SHA-256 of a file's bytes in hexadecimal digits; null when it cannot be read. */
export function hashOf(path: string): string | null {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch {
    return null;
  }
}

/** Files loaded so far, but for this package's own and those in `known`, which get what is found. */
export function loadedModules(known: Set<string>): ModuleHash[] {
  const paths: string[] = [];
  const session = new Session();
  session.connect();
  session.on('Debugger.scriptParsed', ({ params: { url } }) => {
    if (url.startsWith('file:') && !url.startsWith(OWN_FOLDER)) paths.push(fileURLToPath(url));
    else if (url.startsWith('/')) paths.push(url);
  });
  session.post('Debugger.enable');
  session.post('Debugger.disable');
  session.disconnect();
  const modules: ModuleHash[] = [];
  for (const path of paths) {
    if (known.has(path)) continue;
    known.add(path);
    const hash = hashOf(path);
    if (hash !== null) modules.push({ path, hash });
  }
  return modules;
}
