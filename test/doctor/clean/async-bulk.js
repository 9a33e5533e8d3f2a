// Bulk by awaited writes through an echo, for a second.
import { connect, listen, run, serve } from '../../../dist/async/index.js';
import { Reactor } from '../../../dist/index.js';

const reactor = new Reactor();
await run(reactor, async () => {
  const listener = listen(reactor, { port: 0 });
  const serving = serve(listener, async (connection) => {
    for await (const chunk of connection) await connection.write(chunk);
  });
  const connection = await connect(reactor, { port: listener.address.port });
  let got = 0;
  const reading = (async () => {
    for await (const chunk of connection) got += chunk.length;
  })();
  const block = new Uint8Array(100_000);
  const endMs = performance.now() + 1000;
  while (performance.now() < endMs) await connection.write(block);
  await connection.end();
  await reading;
  listener.close();
  await serving;
  console.log(got > 0);
});
