// Two reactors in one thread: one is stopped and run again, one is closed, and a third stopped within its batch, a fourth turned by hand.
import { Reactor, connect, listen } from '../../../dist/index.js';

const server = new Reactor();
const client = new Reactor();
const listener = listen(
  server,
  { port: 0 },
  { data: (connection, buffer, start, end) => void connection.write(buffer, start, end) },
);
let rounds = 0;
const talk = () =>
  connect(
    client,
    { port: listener.address.port },
    {
      open: (connection) => void connection.write(`round ${rounds}`),
      data(connection, buffer, start, end) {
        console.log(Buffer.from(buffer.subarray(start, end)).toString());
        connection.close();
      },
      close() {
        rounds++;
        if (rounds === 3) server.stop();
        else if (rounds < 5) client.setTimer(1, talk);
      },
    },
  );
talk();
const first = server.run().then(() => console.log('the server was stopped'));
const second = client.run();
client.setTimer(3, () => void Promise.resolve().then(() => console.log('a promise')));
await first;
const again = server.run();
await second;
listener.close();
await again;
server.close();
const stopping = new Reactor();
stopping.post(() => stopping.stop());
stopping.post(() => console.log('the rest of the batch runs'));
await stopping.run();
const byHand = new Reactor();
byHand.post(() => console.log('by hand'));
byHand.setTimer(1, () => console.log('and its timer'));
while (byHand.alive) byHand.turn();
