// A handler that never returns.
import { Reactor } from '../../../dist/index.js';

const reactor = new Reactor();
reactor.post(function forEver() {
  for (;;);
});
await reactor.run();
