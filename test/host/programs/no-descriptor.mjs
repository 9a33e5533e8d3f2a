// A second reactor is run while the process has no descriptor left for the wait that both would share.

import { Reactor, descriptors } from '../../../dist/index.js';

const first = new Reactor();
const second = new Reactor();
const keeper = first.setTimer(60_000, () => {});
const firstEnded = first.run();

const held = [];
try {
  for (;;) held.push(...descriptors.pipe());
} catch {
  // All taken.
}
await second.run().catch((error) => console.log(`second: ${error.code}`));
for (const fd of held) descriptors.close(fd);

first.setTimer(10, () => {
  console.log('timer of the first');
  setTimeout(() => {
    console.log('timeout of the runtime');
    second.post(() => {
      console.log('second runs');
      keeper.cancel();
    });
    Promise.all([second.run(), firstEnded]).then(() => console.log('both have ended'));
  }, 10);
});
