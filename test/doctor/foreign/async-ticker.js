import { Reactor } from 'underloop';
import { connect, gather, listen, run, serve, sleep, timeout } from 'underloop/async';

const reactor = new Reactor();
const prices = new Map([
  ['ACME', 100],
  ['INIT', 50],
  ['HOOL', 75],
]);

async function market(signal) {
  for (let tick = 1; !signal.aborted; tick++) {
    for (const [symbol, price] of prices) prices.set(symbol, price + (tick % 3) - 1);
    await sleep(reactor, 5, { signal });
  }
}

async function subscriber(connection) {
  const wanted = String(await connection.readUntil('\n', { maxBytes: 200 })).split(' ');
  for (let i = 0; i < 60; i++) {
    const quotes = wanted.map((symbol) => `${symbol}=${prices.get(symbol)}`).join(' ');
    await connection.write(`${quotes}\n`);
    await sleep(reactor, 12);
  }
}

async function follow(port, symbols) {
  const connection = await connect(reactor, { port });
  await connection.write(`${symbols}\n`);
  let lines = 0;
  try {
    for (;;) {
      await connection.readUntil('\n');
      lines++;
    }
  } catch (error) {
    if (error.code !== 'ERR_END_OF_DATA') throw error;
  }
  connection.close();
  return lines;
}

const counts = await run(reactor, async () => {
  const server = listen(reactor, { port: 0 });
  const stop = new AbortController();
  const moving = market(stop.signal).catch(() => {});
  const serving = serve(server, subscriber);
  const { port } = server.address;
  const lists = ['ACME', 'INIT HOOL', 'ACME INIT HOOL', 'HOOL'];
  const lines = await timeout(reactor, 20_000, () => gather(lists.map((list) => () => follow(port, list))));
  stop.abort();
  await moving;
  server.close();
  await serving;
  return lines;
});
reactor.close();
console.log(JSON.stringify({ fault: counts.some((count) => count !== 60), evidence: { counts } }));
