// Waits once, with a handler for SIGUSR2 installed, and says how long the wait took and how many signals came meanwhile.
import { writeSync } from 'node:fs';
import { setImmediate as nextPass } from 'node:timers/promises';
import { Poller, READABLE, descriptors, nativeKernel } from '../../../dist/index.js';

const [kind, timeoutMs] = process.argv.slice(2);
const poller = new Poller({ kind });
poller.add(descriptors.pipe()[0], READABLE);
let signals = 0;
process.on('SIGUSR2', () => signals++);

writeSync(1, 'waiting\n');
const startMs = nativeKernel.now();
const count = poller.wait(new Int32Array(3), Number(timeoutMs));
const waitedMs = nativeKernel.now() - startMs;
// The runtime counts them in its own loop, which could not run before.
await nextPass();
await nextPass();
writeSync(1, `${JSON.stringify({ count, waitedMs, signals })}\n`);
// What is still on its way is not to end the process before that has been read.
process.exit();
