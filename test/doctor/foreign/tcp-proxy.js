import { READABLE, Reactor, WRITABLE, connect, listen, nativeKernel } from 'underloop';

const EMPTY = Buffer.alloc(0);
const reactor = new Reactor();
const counts = { forwarded: 0, returned: 0, wakeups: 0 };
const upstreams = new Set();

const backend = listen(
  reactor,
  { port: 0 },
  {
    data(connection, buffer, start, end) {
      const text = Buffer.from(buffer.subarray(start, end)).toString().toUpperCase();
      connection.write(text);
    },
  },
);

class Upstream {
  pending = EMPTY;
  connected = false;

  constructor(client) {
    this.client = client;
    this.fd = nativeKernel.socket(4);
    nativeKernel.connect(this.fd, { family: 4, host: '127.0.0.1', port: backend.address.port });
    this.watch = reactor.watch(this.fd, READABLE | WRITABLE, (readiness) => this.ready(readiness));
    upstreams.add(this);
  }

  ready(readiness) {
    if (readiness & WRITABLE) {
      this.connected = true;
      if (this.pending.length === 0) counts.wakeups++;
      else this.flush();
    }
    if (readiness & READABLE) {
      const count = nativeKernel.recv(this.fd, 0, 16384);
      if (count === 0) this.close();
      if (count > 0) {
        counts.returned += count;
        this.client.write(Buffer.from(nativeKernel.buffer.subarray(0, count)));
      }
    }
  }

  send(bytes) {
    this.pending = Buffer.concat([this.pending, bytes]);
    if (this.connected) this.flush();
  }

  flush() {
    const count = nativeKernel.sendBytes(this.fd, this.pending, 0, this.pending.length);
    if (count <= 0) return;
    counts.forwarded += count;
    this.pending = this.pending.subarray(count);
  }

  close() {
    if (!upstreams.delete(this)) return;
    this.watch.close();
    nativeKernel.close(this.fd);
  }
}

const proxy = listen(
  reactor,
  { port: 0 },
  {
    open(client) {
      client.context = new Upstream(client);
    },
    data(client, buffer, start, end) {
      client.context.send(Buffer.from(buffer.subarray(start, end)));
    },
    close(client) {
      client.context.close();
    },
  },
);

function visit(rounds) {
  connect(
    reactor,
    { port: proxy.address.port },
    {
      open: (connection) => connection.write('hello'),
      data(connection) {
        if (--rounds === 0) connection.close();
        else reactor.setTimer(60, () => connection.writable && connection.write('again'));
      },
    },
  );
}
for (const ms of [50, 300, 700, 900]) reactor.setTimer(ms, () => visit(12));

reactor.setTimer(2000, () => {
  for (const upstream of [...upstreams]) upstream.close();
  console.log(JSON.stringify({ fault: counts.wakeups >= 1000, evidence: counts }));
  reactor.close();
});
await reactor.run();
