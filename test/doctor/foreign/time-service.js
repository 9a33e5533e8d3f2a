import { READABLE, Reactor, datagram, descriptors } from 'underloop';

const reactor = new Reactor({ poller: 'select' });
let served = 0;
let asked = 0;
let answers = 0;
let ticks = 0;

const server = datagram(
  reactor,
  { port: 0 },
  {
    message(socket, buffer, start, end, sender) {
      served++;
      const reply = Buffer.alloc(12);
      reply.set(buffer.subarray(start, start + 4));
      reply.writeDoubleBE(Date.now(), 4);
      socket.send(reply, sender);
    },
  },
);

const clients = Array.from({ length: 5 }, () =>
  datagram(
    reactor,
    { to: { host: '127.0.0.1', port: server.address.port } },
    {
      message: () => void answers++,
    },
  ),
);

const clock = descriptors.timerFd(10, 10);
const expirations = Buffer.alloc(8);
const watch = reactor.watch(clock, READABLE, function onTick() {
  if (descriptors.read(clock, expirations) === null) return;
  ticks += Number(expirations.readBigUInt64LE());
  const question = Buffer.alloc(4);
  question.writeUInt32BE(ticks);
  for (const client of clients) {
    client.send(question);
    asked++;
  }
});

reactor.setTimer(1700, () => {
  watch.close();
  descriptors.close(clock);
  reactor.setTimer(200, () => {
    const evidence = { ticks, asked, served, answers };
    console.log(JSON.stringify({ fault: answers < asked * 0.9, evidence }));
    for (const socket of [...clients, server]) socket.close();
    reactor.close();
  });
});
await reactor.run();
