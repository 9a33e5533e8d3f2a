// Has given stacks a form of its own, as some libraries do, and adds a descriptor to a Poller and reads a file then.
import { readFileSync } from 'node:fs';
import { Poller, READABLE, descriptors } from '../../../dist/index.js';

Error.prepareStackTrace = (_error, frames) => frames;
const poller = new Poller();
poller.add(descriptors.pipe()[0], READABLE);
poller.close();
console.log(readFileSync(new URL(import.meta.url), 'utf8').length > 0);
