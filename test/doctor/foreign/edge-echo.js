import {
  HANGUP,
  READABLE,
  READ_CLOSED,
  Reactor,
  WRITABLE,
  connect,
  descriptors,
  nativeKernel,
} from 'underloop';

const reactor = new Reactor({ poller: 'epoll' });
const listening = nativeKernel.socket(4);
nativeKernel.bind(listening, { family: 4, host: '127.0.0.1', port: 0 });
nativeKernel.listen(listening, 128);
const { port } = nativeKernel.localAddress(listening);
const totals = { accepted: 0, echoed: 0, closed: 0 };

class Peer {
  rest = [];
  constructor(fd) {
    this.fd = fd;
    const handler = (readiness) => this.ready(readiness);
    this.watch = reactor.watch(fd, READABLE | WRITABLE, handler, { trigger: 'edge' });
  }
  ready(readiness) {
    this.flush();
    if ((readiness & (READABLE | READ_CLOSED | HANGUP)) === 0) return;
    for (;;) {
      const room = Buffer.alloc(4096);
      const count = descriptors.read(this.fd, room);
      if (count === null) break;
      if (count === 0) {
        this.close();
        return;
      }
      this.rest.push(room.subarray(0, count));
    }
    this.flush();
  }
  flush() {
    while (this.rest.length > 0) {
      const count = descriptors.write(this.fd, this.rest[0]);
      if (count === null) return;
      totals.echoed += count;
      if (count === this.rest[0].length) this.rest.shift();
      else this.rest[0] = this.rest[0].subarray(count);
    }
  }
  close() {
    this.watch.close();
    descriptors.close(this.fd);
    totals.closed++;
  }
}

const door = reactor.watch(
  listening,
  READABLE,
  function acceptAll() {
    for (let fd = nativeKernel.accept(listening); fd >= 0; fd = nativeKernel.accept(listening)) {
      totals.accepted++;
      new Peer(fd);
    }
  },
  { trigger: 'edge' },
);

let received = 0;
let sent = 0;
function visit() {
  const bytes = 1000 + ((sent * 7) % 90_000);
  sent += bytes;
  let left = bytes;
  connect(
    reactor,
    { port },
    {
      open: (connection) => void connection.write(Buffer.alloc(bytes, 1)),
      data(connection, buffer, start, end) {
        received += end - start;
        left -= end - start;
        if (left === 0) connection.close();
      },
    },
  );
}
let visits = 0;
function arrive() {
  for (let i = 0; i < 3; i++) visit();
  if (++visits < 40) reactor.setTimer(30, arrive);
}
arrive();

reactor.setTimer(1900, () => {
  door.close();
  nativeKernel.close(listening);
  console.log(JSON.stringify({ fault: received !== sent, evidence: { ...totals, sent, received } }));
  reactor.close();
});
await reactor.run();
