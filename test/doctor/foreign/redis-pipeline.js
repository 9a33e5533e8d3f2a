import { createConnection } from 'node:net';
import { Reactor } from 'underloop';
import { listen, run, serve, sleep } from 'underloop/async';

const reactor = new Reactor();
const database = new Map();
const ranks = new Float64Array(256);
let commands = 0;

function zadd(key, score) {
  const untilMs = performance.now() + 0.5;
  while (performance.now() < untilMs) {
    for (let i = 1; i < ranks.length; i++) ranks[i] = (ranks[i - 1] + score) % 1000;
  }
  database.set(key, score);
  return ':1\r\n';
}

const table = {
  PING: () => '+PONG\r\n',
  ZADD: (key, score) => zadd(key, Number(score)),
  GET: (key) => `:${database.get(key) ?? 0}\r\n`,
};

async function session(connection) {
  let replies = '';
  for (;;) {
    const line = await connection.readUntil('\r\n');
    const [verb, ...args] = line.toString('latin1').split(' ');
    replies += (table[verb] ?? (() => '-ERR\r\n'))(...args);
    commands++;
    if (connection.bufferedBytes === 0) {
      await connection.write(replies);
      replies = '';
    }
  }
}

const delays = { latestMs: 0, most: 0 };
async function metronome() {
  let before = commands;
  for (;;) {
    const startMs = performance.now();
    await sleep(reactor, 25);
    delays.latestMs = Math.max(delays.latestMs, performance.now() - startMs - 25);
    delays.most = Math.max(delays.most, commands - before);
    before = commands;
  }
}

await run(reactor, async (signal) => {
  const server = listen(reactor, { port: 0 });
  const serving = serve(server, session, { signal, lingerMs: 10 }).catch(() => {});
  const { port } = server.address;
  metronome().catch(() => {});

  const importer = createConnection(port, '127.0.0.1');
  const pinger = createConnection(port, '127.0.0.1');
  importer.resume();
  pinger.resume();
  const pinging = setInterval(() => pinger.write('PING\r\n'), 30);
  for (const ms of [400, 700]) {
    await sleep(reactor, ms);
    importer.write(Array.from({ length: 620 }, (_, i) => `ZADD user:${i} ${i}`).join('\r\n') + '\r\n');
  }
  await sleep(reactor, 900);
  clearInterval(pinging);
  importer.destroy();
  pinger.destroy();
  server.close();
  await serving;
  const inARowMs = delays.most * 0.5;
  const evidence = { commands, ...delays, inARowMs };
  console.log(JSON.stringify({ fault: inARowMs >= 110 && delays.latestMs >= 100, evidence }));
});
reactor.close();
