import { NONE, READABLE, Reactor, WRITABLE, descriptors } from 'underloop';

const reactor = new Reactor({ poller: 'poll' });
const READ_TEMPERATURE = 0x10;
const SET_LED = 0x20;

function createPort(fd, onReply) {
  const port = { fd, out: [], wants: READABLE, spins: 0, writes: 0, replies: 0 };
  const reply = Buffer.alloc(4);

  port.update = (bits) => {
    port.wants |= bits;
    port.watch.interest = port.wants;
  };
  port.command = (...bytes) => {
    port.out.push(Buffer.from(bytes));
    port.update(WRITABLE);
  };
  port.onBus = (readiness) => {
    if (readiness & WRITABLE) {
      const next = port.out.shift();
      if (next === undefined) port.spins++;
      else {
        descriptors.write(port.fd, next);
        port.writes++;
      }
    }
    if (readiness & READABLE) {
      const count = descriptors.read(port.fd, reply);
      if (count === 4) {
        port.replies++;
        onReply(reply.readInt16BE(2) / 10);
      }
    }
  };
  port.watch = reactor.watch(fd, NONE, port.onBus);
  return port;
}

const [host, device] = descriptors.socketPair();
const temperatures = [];
const port = createPort(host, (celsius) => temperatures.push(celsius));

const request = Buffer.alloc(4);
let led = 0;
const firmware = reactor.watch(device, READABLE, () => {
  const count = descriptors.read(device, request);
  if (count === null || count === 0) return;
  if (request[0] === SET_LED) {
    led = request[1];
    return;
  }
  const answer = Buffer.alloc(4);
  answer[0] = READ_TEMPERATURE;
  answer.writeInt16BE(215 + (temperatures.length % 5), 2);
  descriptors.write(device, answer);
});

function poll() {
  port.command(READ_TEMPERATURE, 0, 0, 0);
  reactor.setTimer(120, poll);
}
reactor.setTimer(200, poll);
reactor.setTimer(650, () => port.command(SET_LED, 1, 0, 0));

reactor.setTimer(1800, () => {
  port.watch.close();
  firmware.close();
  descriptors.close(host);
  descriptors.close(device);
  const { spins, writes, replies } = port;
  console.log(JSON.stringify({ fault: spins >= 1000, evidence: { spins, writes, replies, led } }));
  reactor.close();
});

await reactor.run();
