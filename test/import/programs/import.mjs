// Imports the library by its own name, as a user does, and prints what that has opened and loaded. Argument: the subpath.

import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';

const [specifier] = process.argv.slice(2);
const files = () => (existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0);

// The loader itself opens things when it is first used.
await import('./nothing.mjs');
// So do the runtime's own streams, which newer versions of Node touch when node:util is loaded.
void [process.stdout, process.stderr];
const filesBefore = files();
const resourcesBefore = process.getActiveResourcesInfo();
const names = Object.keys(await import(specifier)).sort();
const resources = process.getActiveResourcesInfo();
const addons = Object.keys(createRequire(import.meta.url).cache).filter((path) => path.endsWith('.node'));
console.log(JSON.stringify({ names, addons, opened: files() - filesBefore, resourcesBefore, resources }));
