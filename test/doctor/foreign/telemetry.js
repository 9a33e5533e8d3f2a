import { Reactor } from 'underloop';
import { connect, listen, run, serve, sleep } from 'underloop/async';

const reactor = new Reactor();

async function* positions(everyMs) {
  for (let number = 0; ; number++) {
    yield { number, latitude: 52.5 + number / 1e6, longitude: 13.4, track: 'x'.repeat(60_000) };
    await sleep(reactor, everyMs);
  }
}

class Vehicle {
  reports = 0;
  waiting = 0;

  constructor(link) {
    this.link = link;
  }

  async drive(signal) {
    for await (const position of positions(4)) {
      if (signal.aborted) return;
      this.link.write(`${JSON.stringify(position)}\n`).catch(() => {});
      this.reports++;
      this.waiting = Math.max(this.waiting, this.link.queuedBytes);
    }
  }
}

await run(reactor, async () => {
  const station = listen(reactor, { port: 0 });
  let received = 0;
  const stopping = new AbortController();

  const serving = serve(
    station,
    async (connection) => {
      while (!stopping.signal.aborted) {
        const line = await connection.readUntil('\n', { maxBytes: 200_000 });
        received += line.length;
        await sleep(reactor, 110);
      }
    },
    { signal: stopping.signal, lingerMs: 10 },
  ).catch(() => {});

  const link = await connect(reactor, { port: station.address.port });
  const vehicle = new Vehicle(link);
  const driving = vehicle.drive(stopping.signal);

  await sleep(reactor, 2300);
  stopping.abort();
  await driving;
  link.close();
  await serving;
  const { reports, waiting } = vehicle;
  const evidence = { reports, received, waiting };
  console.log(JSON.stringify({ fault: waiting > 4_000_000, evidence }));
});
reactor.close();
