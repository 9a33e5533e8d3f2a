import { readFileSync } from 'node:fs';
import { Reactor } from 'underloop';
import { TaskGroup, connect, listen, run, serve, sleep } from 'underloop/async';

const reactor = new Reactor();
let paid = 0;
let asked = 0;
let refused = 0;

await run(reactor, async () => {
  const listener = listen(reactor, { connectionsMax: 24, idleTimeoutMs: 1000 });
  const { port } = listener.address;
  const serving = serve(listener, async (connection) => {
    const order = String(await connection.readUntil('\n', { maxBytes: 200 }));
    await sleep(reactor, order.includes('gift') ? 12 : 2);
    await connection.write(`paid ${order}\n`);
    await connection.end();
  });

  async function shopper(name) {
    for (let i = 0; i < 18; i++) {
      asked++;
      const connection = await connect(reactor, { port });
      await connection.write(`${name}/${i}${i % 6 === 0 ? ' gift' : ''}\n`);
      const receipt = String(await connection.readUntil('\n'));
      if (receipt.startsWith(`paid ${name}/${i}`)) paid++;
      else refused++;
      connection.close();
      if (i % 5 === 0) await sleep(reactor, 10);
    }
  }
  await TaskGroup.run(async (group) => {
    for (let i = 0; i < 40; i++) group.start(() => shopper(`s${i}`));
  });
  listener.close();
  await serving;
});

const runDelayMs = Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6;
console.log(JSON.stringify({ fault: paid !== asked, evidence: { asked, paid, refused, runDelayMs } }));
