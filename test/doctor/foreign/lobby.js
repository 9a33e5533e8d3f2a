import { connect as dial } from 'node:net';
import { READABLE, Reactor, adopt, nativeKernel as kernel } from 'underloop';

const SEATS = 16;
const reactor = new Reactor();
const players = [];

const door = kernel.socket(4);
kernel.bind(door, { family: 4, host: '127.0.0.1', port: 0 });
kernel.listen(door, 128);
const { port } = kernel.localAddress(door);

const table = {
  data(player, buffer, start, end) {
    const said = Buffer.from(buffer.subarray(start, end)).toString();
    for (const other of players) if (other !== player && other.writable) other.write(`> ${said}`);
  },
  close(player) {
    players.splice(players.indexOf(player), 1);
  },
};

function takeSeat() {
  const fd = kernel.accept(door);
  if (fd < 0) return;
  const player = adopt(reactor, fd, table);
  players.push(player);
  player.write(`WELCOME seat ${players.length}\n`);
}

const entrance = reactor.watch(door, READABLE, takeSeat, { trigger: 'edge' });

const guests = [];
function arrive(count) {
  for (let i = 0; i < count; i++) {
    const guest = { socket: dial(port, '127.0.0.1'), connected: false, greeted: false };
    guest.socket.on('connect', () => (guest.connected = true));
    guest.socket.on('data', (text) => {
      if (String(text).includes('WELCOME')) guest.greeted = true;
    });
    guest.socket.on('error', () => {});
    guests.push(guest);
  }
}

setTimeout(() => arrive(2), 20);
setTimeout(() => arrive(SEATS - 2), 200);
const chatter = setInterval(() => guests.find(({ greeted }) => greeted)?.socket.write('anybody here?\n'), 30);

setTimeout(() => {
  clearInterval(chatter);
  const connected = guests.filter((guest) => guest.connected).length;
  const waiting = guests.filter((guest) => guest.connected && !guest.greeted).length;
  for (const { socket } of guests) socket.destroy();
  entrance.close();
  kernel.close(door);
  console.log(JSON.stringify({ fault: waiting >= 5, evidence: { connected, waiting, waitedMs: 1600 } }));
}, 1800);

await reactor.run();
