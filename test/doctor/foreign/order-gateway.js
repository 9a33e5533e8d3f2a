import { READABLE, Reactor, descriptors, nativeKernel } from 'underloop';

const SIZE = 24;
const rejects = [];
const reactor = new Reactor({
  poller: 'epoll',
  onError: (error) => rejects.push(error.message),
});

const address = { family: 'unix', path: `\0orders-${process.pid}` };
const exchange = nativeKernel.socket('unix', 'datagram');
nativeKernel.bind(exchange, address);
const trader = nativeKernel.socket('unix', 'datagram');
nativeKernel.connect(trader, address);

function encode({ id, symbol, price, quantity }) {
  const bytes = Buffer.alloc(SIZE);
  bytes.writeUInt32BE(id, 0);
  bytes.write(symbol, 4, 8, 'latin1');
  bytes.writeInt32BE(price, 12);
  bytes.writeInt32BE(quantity, 16);
  return bytes;
}

function decode(bytes) {
  const order = {
    id: bytes.readUInt32BE(0),
    symbol: bytes.toString('latin1', 4, 12).replaceAll('\0', ''),
    price: bytes.readInt32BE(12),
    quantity: bytes.readInt32BE(16),
  };
  if (order.quantity <= 0) throw new RangeError(`order ${order.id}: no quantity`);
  return order;
}

const book = new Map();
let seen = 0;
let calls = 0;
const message = Buffer.alloc(64);

function onOrders() {
  calls++;
  while (true) {
    const count = descriptors.read(exchange, message);
    if (count === null) return;
    seen++;
    const order = decode(message);
    const level = book.get(order.price) ?? 0;
    book.set(order.price, level + order.quantity);
  }
}
const feed = reactor.watch(exchange, READABLE, onOrders, { trigger: 'edge' });

let sent = 0;
function place(count, bad = -1) {
  for (let i = 0; i < count; i++) {
    const order = { id: sent++, symbol: 'ACME', price: 100 + (i % 3), quantity: i === bad ? 0 : 10 };
    descriptors.write(trader, encode(order));
  }
}
let rounds = 0;
function trade() {
  if (sent === seen) place(rounds++ < 10 ? 2 : 6, rounds > 12 ? 1 : -1);
  reactor.setTimer(40, trade);
}
trade();

let still = 0;
let longestStill = 0;
let before = 0;
function supervise() {
  still = sent > seen && calls === before ? still + 1 : 0;
  before = calls;
  longestStill = Math.max(longestStill, still);
  reactor.setTimer(40, supervise);
}
supervise();

reactor.setTimer(2000, () => {
  feed.close();
  const evidence = { sent, seen, rejects: rejects.length, levels: book.size, stillMs: longestStill * 40 };
  console.log(JSON.stringify({ fault: longestStill >= 6, evidence }));
  nativeKernel.close(exchange);
  nativeKernel.close(trader);
  reactor.close();
});
await reactor.run();
