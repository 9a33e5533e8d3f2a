// Makes short waits with nothing ready, and says how long each took.
import { Poller, READABLE, descriptors, nativeKernel } from '../../../dist/index.js';

const [kind, timeoutMs, count] = process.argv.slice(2);
const poller = new Poller({ kind });
poller.add(descriptors.pipe()[0], READABLE);
const events = new Int32Array(3);
const waitedMs = [];
for (let i = 0; i < Number(count); i++) {
  const startMs = nativeKernel.now();
  poller.wait(events, Number(timeoutMs));
  waitedMs.push(nativeKernel.now() - startMs);
}
console.log(JSON.stringify({ waitedMs, resolutionMs: poller.capabilities.resolutionMs }));
