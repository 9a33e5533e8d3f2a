// A copy of dist/ without the lines that tell an observer: what bench/trace.js holds the unobserved reactor against.
// strip-observer.js FOLDER makes it in FOLDER/dist, with links to what the addon is found by.
import * as fs from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Each hook is a statement on a line of its own, or one of these conditions. */
const HOOK = /^(\s*)[\w.]+\.observer\?\.\w+\(.*\);$/gm;
const CONDITIONS = [
  [' || this.observer !== null', ''],
  ['if (this.observer !== null)', 'if (false)'],
  ['if (this.observer === null)', 'if (true)'],
];

/** They look at the observer once, or only for a stepper. */
const WITHOUT_HOOKS = ['options.js', 'inject.js'];

/** @param {string} folder It must not exist, or be empty. @returns {number} How many hooks were taken out. */
export function stripObserver(folder) {
  const out = path.join(folder, 'dist');
  fs.cpSync(path.join(ROOT, 'dist'), out, { recursive: true });
  for (const name of ['build', 'prebuilds', 'node_modules', 'package.json']) {
    if (fs.existsSync(path.join(ROOT, name))) fs.symlinkSync(path.join(ROOT, name), path.join(folder, name));
  }
  let hooks = 0;
  const reactor = path.join(out, 'reactor');
  for (const name of fs.readdirSync(reactor).filter((file) => file.endsWith('.js'))) {
    const file = path.join(reactor, name);
    let text = fs.readFileSync(file, 'utf8').replace(HOOK, (_line, indent) => {
      hooks++;
      return `${indent};`;
    });
    for (const [condition, replacement] of CONDITIONS) {
      hooks += text.split(condition).length - 1;
      text = text.replaceAll(condition, replacement);
    }
    const rest = text.replaceAll('observer === null ? null', '');
    const left = WITHOUT_HOOKS.includes(name) ? null : /observer\?\.|observer [!=]== null/.exec(rest);
    if (left !== null) throw new Error(`${name} has a hook that is in no form known here: ${left[0]}`);
    fs.writeFileSync(file, text);
  }
  return hooks;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2];
  if (folder === undefined) throw new Error('usage: strip-observer.js FOLDER');
  fs.mkdirSync(folder, { recursive: true });
  console.log(`${stripObserver(folder)} hooks taken out; the copy is ${path.join(folder, 'dist')}`);
}
