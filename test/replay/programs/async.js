// Promises over the reactor: connections to await, groups of tasks, limits of time.
import { Reactor } from '../../../dist/index.js';
import { TaskGroup, connect, listen, run, sleep, timeout } from '../../../dist/async/index.js';

const reactor = new Reactor();
await run(reactor, async () => {
  const listener = listen(reactor, { port: 0 });
  const serving = (async () => {
    for await (const connection of listener) {
      void (async () => {
        for await (const bytes of connection) await connection.write(bytes);
        await connection.end?.();
      })().catch(() => undefined);
    }
  })();
  await TaskGroup.run(async (group) => {
    for (let i = 0; i < 4; i++) {
      group.start(async () => {
        await sleep(reactor, Math.random() * 5);
        const connection = await connect(reactor, { port: listener.address.port });
        await connection.write(Buffer.from(`task ${i} at ${Date.now()}\n`));
        for await (const bytes of connection) {
          process.stdout.write(bytes);
          break;
        }
        connection.close();
      });
    }
  });
  await timeout(reactor, 5, (signal) => sleep(reactor, 10_000, { signal })).catch((error) =>
    console.log(error.code),
  );
  listener.close();
  await serving;
});
console.log('end');
