// Small complete programs that use every call of the kernel seam: what each fault is put into.

import { datagram } from '../../src/index.js';
import type { DatagramSocket, Listener, SocketAddress } from '../../src/index.js';
import { Stage } from './stage.js';
import type { End, Play, Triggers } from './stage.js';
import type { Fault } from './fault.js';

export interface Workload {
  readonly name: string;
  /** Sets the program up; it ends by itself when its clients have. */
  readonly begin: (stage: Stage) => void;
  readonly kernel?: ConstructorParameters<typeof Stage>[2];
}

export function stageOf(workload: Workload, trigger: Triggers, fault: Fault | null): Stage {
  const stage = new Stage(trigger, fault, workload.kernel);
  workload.begin(stage);
  return stage;
}

/** Sends back what comes, and reads no more while its answers wait. */
const echo: Play = {
  data: (end, { length }, buffer, start) => {
    // Out of the reactor's own buffer, as it came: the answer is the same stream.
    end.taken += end.connection.write(buffer, start, start + length);
    if (end.connection.queuedBytes > 0) end.connection.pause();
  },
  drain: (end) => end.connection.resume(),
};

/** Calls `last` when it was called `times` times. */
function countdown(times: number, last: () => void): () => void {
  let left = times;
  return () => {
    if (--left === 0) last();
  };
}

/** A client that writes `sizes`, each when the answer to the last has come, and then ends. */
function talker(stage: Stage, sizes: readonly number[], gone: () => void): Play {
  let next = 0;
  const speak = (end: End): void => {
    if (next < sizes.length) end.write(sizes[next++] ?? 0);
    else end.connection.end();
  };
  return {
    open: speak,
    data: (end) => {
      if (end.received < end.taken) return;
      if (next % 2 === 0) speak(end);
      else stage.after(5, () => speak(end));
    },
    close: gone,
  };
}

const portOf = (listener: Listener<End, SocketAddress>): number => listener.address.port ?? 0;

function echoes(stage: Stage, flush: 'now' | 'turn'): void {
  const listener = stage.listen(echo, { flush, host: '::1', ipv6Only: true, reusePort: true, noDelay: true });
  if (listener === null) return;
  const clients = 4;
  const gone = countdown(clients, () => listener.close());
  for (let id = 1; id <= clients; id++) {
    const play = talker(stage, [1, 900, id * 700], gone);
    if (stage.connect(id, play, { host: '::1', port: portOf(listener), flush }) === null) gone();
  }
}

/** Writes `total` bytes as fast as the queue takes them, then ends. */
function pourer(total: number, more: Play = {}): Play {
  const pour = (end: End): void => {
    while (end.taken < total) {
      const wanted = Math.min(1500, total - end.taken);
      if (end.write(wanted) < wanted) return;
    }
    end.connection.end();
  };
  return { open: pour, drain: pour, ...more };
}

const small = { kernel: { socketBufferBytes: 2000 } };

function largeWrites(stage: Stage): void {
  const clients = 2;
  const totals = 20_000;
  const server: Play = {
    // Reads in fits, and answers when it has read to the end: half-close.
    data: (end) => {
      end.connection.pause();
      stage.after(1, () => end.connection.resume());
    },
    readClosed: (end) => pour(end),
    drain: (end) => pour(end),
  };
  const pour = pourer(12_000).open ?? (() => undefined);
  const options = { writeQueueBytesMax: 5000, sendBufferBytes: 2000, receiveBufferBytes: 2000 };
  const listener = stage.listen(server, options);
  if (listener === null) return;
  const gone = countdown(clients, () => listener.close());
  for (let id = 1; id <= clients; id++) {
    const play = pourer(totals, { readClosed: () => undefined, close: gone });
    const end = stage.connect(id, play, { port: portOf(listener), ...options });
    if (end === null) gone();
    else end.write(1000); // before it is open
  }
}

function connects(stage: Stage): void {
  const listener = stage.listen(echo, {
    keepAlive: { idleS: 10, intervalS: 5, count: 3 },
    userTimeoutMs: 5000,
  });
  if (listener === null) return;
  const { address } = listener;
  const gone = countdown(5, () => listener.close());
  const play = (): Play => talker(stage, [10], gone);
  const from = { family: 4, host: '127.0.0.1', port: 0 } as const;
  const end = stage.connect(1, play(), { port: portOf(listener), from, keepAlive: true, lingerS: 1 });
  if (end === null) gone();
  else {
    void [end.connection.localAddress, end.connection.peerAddress];
    stage.attempt('option', () => end.connection.closed || end.connection.option('noDelay'));
    stage.attempt('setOptions', () => end.connection.closed || end.connection.setOptions({ noDelay: true }));
  }
  // Nobody listens there.
  if (stage.connect(2, play(), { port: 9 }) === null) gone();
  // Nobody answers: given up by time, by a signal, and by a close.
  const { settings } = stage.kernel;
  settings.connectDelayMs = Infinity;
  if (stage.connect(3, play(), { port: portOf(listener), timeoutMs: 30 }) === null) gone();
  const abort = new AbortController();
  if (stage.connect(4, play(), { port: portOf(listener), signal: abort.signal }) === null) gone();
  else stage.after(20, () => abort.abort());
  const last = stage.connect(5, play(), { host: address.host ?? '', port: portOf(listener) });
  if (last === null) gone();
  else stage.after(10, () => last.connection.close());
  settings.connectDelayMs = 0;
}

function limits(stage: Stage): void {
  const listener = stage.listen(echo, { connectionsMax: 2, idleTimeoutMs: 64, reusePort: true });
  if (listener === null) return;
  stage.rough = true; // those that are idle are closed with an error, and their peers by that
  const clients = 5;
  const gone = countdown(clients, () => listener.close());
  for (let id = 1; id <= clients; id++) {
    // Every second one says nothing, and is closed for it.
    const play = id % 2 === 0 ? { close: gone } : talker(stage, [20, 30], gone);
    if (stage.connect(id, play, { port: portOf(listener) }) === null) gone();
  }
  stage.after(20, () => listener.pause());
  stage.after(40, () => listener.resume());
}

function unix(stage: Stage): void {
  const path = '/tmp/scripted.sock';
  const rounds = 2;
  const round = (left: number): void => {
    const listener = stage.listen(echo, { path, replaceStale: true, backlog: 5 });
    if (listener === null) return;
    // A second one is refused, with a hint.
    const second = stage.listen(echo, { path });
    const end = (): void => {
      listener.close();
      second?.close();
      if (left > 1 && !stage.gaveUp) stage.after(3, () => round(left - 1));
    };
    const gone = countdown(2, end);
    for (let i = 0; i < 2; i++) {
      const id = left * 10 + i;
      if (stage.connect(id, talker(stage, [100, 3000], gone), { path }) === null) gone();
    }
  };
  round(rounds);
}

function pipes(stage: Stage): void {
  stage.both('pipe', 1, {}, {});
  const made = stage.ends.slice(-2);
  const [reader, writer] = made;
  if (reader === undefined || writer === undefined) return;
  // The pipe is open already, so its writer begins at once; it holds 64 KiB.
  const total = 70_000;
  const pour = (end: End): void => {
    while (end.taken < total && !end.connection.closed) {
      const wanted = Math.min(1500, total - end.taken);
      if (end.write(wanted) < wanted) break;
    }
    if (end.taken === total) end.connection.end();
    else if (!end.connection.closed) stage.after(2, () => pour(end));
  };
  stage.after(1, () => pour(writer));
  const pair = stage.both(
    'socketPair',
    2,
    echo,
    talker(stage, [10, 3000], () => undefined),
    {
      writeQueueBytesMax: 9000,
    },
  );
  if (pair !== null) stage.after(2, () => void pair[1].write(2000));
}

function adopted(stage: Stage): void {
  const { kernel } = stage;
  const fds = new Int32Array(2);
  if (kernel.socketPair(fds) === 0) {
    const [a, b] = [fds[0] ?? -1, fds[1] ?? -1];
    const plays: [Play, Play] = [echo, talker(stage, [10, 2000], () => undefined)];
    const ends = [stage.adopt(a, 1, 'server', plays[0]), stage.adopt(b, 1, 'client', plays[1])];
    // Whose adoption has failed is the program's still.
    for (const [i, fd] of [a, b].entries()) if (ends[i] === null) stage.own.add(fd);
    const client = ends[1];
    if (client != null) stage.after(1, () => void client.write(500));
    // Who is left alone would wait for ever.
    if (ends.includes(null)) for (const end of ends) end?.connection.close();
  }
  // A listening socket that was inherited.
  const fd = kernel.socket(4);
  if (fd < 0) return;
  const ready =
    kernel.bind(fd, { family: 4, host: '127.0.0.1', port: 0 }) === 0 && kernel.listen(fd, 10) === 0;
  const listener = ready ? stage.listen(echo, { fd, sendBufferBytes: 3000 }) : null;
  if (listener === null) {
    stage.own.add(fd);
    return;
  }
  const gone = (): void => listener.close();
  if (stage.connect(9, talker(stage, [5, 4000], gone), { port: portOf(listener) }) === null) gone();
}

function closing(stage: Stage): void {
  stage.rough = true;
  stage.expected.push('thrown by a handler');
  const servers: End[] = [];
  const listener = stage.listen({
    open: (end) => void servers.push(end),
    data: (end, bytes) => {
      end.write(bytes.length);
      if (end.id === 1) end.connection.close();
      // A neighbour, perhaps of the same batch.
      if (end.id === 2) servers.find(({ id }) => id !== 2)?.connection.reset();
      if (end.id === 3) throw new Error('thrown by a handler');
      if (end.id === 4) end.connection.reset();
    },
  });
  if (listener === null) return;
  const clients = 5;
  const gone = countdown(clients, () => listener.close());
  for (let id = 1; id <= clients; id++) {
    const play: Play = {
      open: (end) => {
        end.write(100);
        if (id === 5) end.connection.close();
      },
      data: (end) => end.connection.end(),
      close: gone,
    };
    const end = stage.connect(id, play, { port: portOf(listener) });
    if (end === null) gone();
    else stage.after(50, () => end.connection.reset());
  }
}

/** A datagram socket and what it was told; its invariants are checked when it has closed. */
class Post {
  accepted = 0;
  errors = 0;
  closes = 0;
  /** When the program closes it; what waits then is dropped, which it knows. */
  private droppedBefore = 0;
  readonly received: string[] = [];
  socket: DatagramSocket | null = null;

  constructor(
    readonly stage: Stage,
    options: Parameters<typeof datagram>[1],
    message: (post: Post, text: string, ...rest: [Uint8Array, number, number, never]) => void,
  ) {
    this.socket = stage.attempt('datagram', () =>
      datagram(
        stage.reactor,
        { trigger: stage.trigger, ...options },
        {
          message: (_socket, buffer, start, end, sender) => {
            if (this.closes > 0) stage.violate('a datagram after close');
            const text = Buffer.from(buffer.subarray(start, end)).toString();
            this.received.push(text);
            message(this, text, buffer, start, end, sender as never);
          },
          error: () => void this.errors++,
          close: () => void this.closes++,
        },
      ),
    );
    stage.cleanups.push(() => this.close());
  }

  close(): void {
    if (this.socket === null || this.socket.closed) return;
    this.droppedBefore = this.socket.dropped;
    this.socket.close();
  }

  send(text: string | Uint8Array, ...rest: [never?, number?, number?]): void {
    if (this.socket === null || this.socket.closed) return;
    if (this.socket.send(text, ...rest)) this.accepted++;
  }

  check(): void {
    const { socket, stage } = this;
    if (socket === null) return;
    if (this.closes !== 1) stage.violate(`a datagram socket closed ${String(this.closes)} times`);
    if (socket.sent + socket.dropped !== this.accepted) {
      stage.violate(
        `of ${String(this.accepted)} datagrams ${String(socket.sent)} were sent and ${String(socket.dropped)} dropped`,
      );
    }
    if (this.droppedBefore > 0 && this.errors === 0) stage.violate('dropped, and nobody was told');
    if (new Set(this.received).size !== this.received.length) stage.violate('a datagram came twice');
  }
}

function datagrams(stage: Stage): void {
  for (const [name, server, client] of [
    ['udp', { host: '127.0.0.1', receiveBufferBytes: 60_000 }, {}],
    ['unix', { path: '/tmp/scripted.dgram' }, { path: '\0client' }],
  ] as const) {
    const answerer = new Post(stage, server, (post, _text, buffer, start, end, sender) => {
      post.send(buffer, sender, start, end);
    });
    const { socket } = answerer;
    if (socket === null) continue;
    const { address } = socket;
    const to =
      address.path === undefined ? { host: address.host, port: address.port } : { path: address.path };
    const messages = 30;
    const asker = new Post(stage, { ...client, ...(name === 'udp' && { to }) }, () => undefined);
    if (name === 'udp') {
      stage.attempt('joinGroup', () => socket.joinGroup('239.1.2.3'));
      stage.attempt('leaveGroup', () => socket.leaveGroup('239.1.2.3'));
      stage.attempt('getOption', () => socket.getOption('receiveBufferBytes'));
    }
    stage.after(1, () => {
      for (let i = 0; i < messages; i++)
        asker.send(`${name} ${String(i)}`, (name === 'udp' ? undefined : to) as never);
    });
    stage.after(2, () => asker.send('one more', (name === 'udp' ? undefined : to) as never));
    stage.after(1000, () => {
      const sent = new Set(Array.from({ length: messages }, (_, i) => `${name} ${String(i)}`)).add(
        'one more',
      );
      for (const post of [asker, answerer]) {
        for (const text of post.received)
          if (!sent.has(text)) stage.violate(`received what was not sent: ${text}`);
        post.close();
      }
    });
    for (const post of [asker, answerer]) stage.atEnd.push(() => post.check());
  }
}

export const workloads: readonly Workload[] = [
  { name: 'echo', begin: (stage) => echoes(stage, 'now'), ...small },
  {
    name: 'echo at the turn’s end',
    begin: (stage) => echoes(stage, 'turn'),
    kernel: { bufferBytes: 262_144 },
  },
  { name: 'large writes and half-close', begin: largeWrites, ...small },
  { name: 'connects that fail', begin: connects },
  { name: 'limits and idle timeouts', begin: limits },
  { name: 'unix sockets', begin: unix },
  { name: 'pipes', begin: pipes, ...small },
  { name: 'adopted descriptors', begin: adopted },
  { name: 'closes in handlers', begin: closing },
  { name: 'datagrams', begin: datagrams },
];
