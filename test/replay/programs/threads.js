// Calls on native threads, a file among them: past the reactor's kernel, and on the tape all the same.
import { Reactor } from '../../../dist/index.js';
import { run } from '../../../dist/async/index.js';
import { systemCalls } from '../../../dist/executor/index.js';

const file = process.argv[2];
const reactor = new Reactor();
await run(reactor, async () => {
  const calls = systemCalls(reactor);
  const [text, addresses] = await Promise.all([calls.readFile(file), calls.resolve('localhost')]);
  console.log(text.length, text.subarray(0, 20).toString(), addresses.length > 0);
  await calls.readFile(`${file}.none`).catch((error) => console.log(error.code));
  calls.close();
});
