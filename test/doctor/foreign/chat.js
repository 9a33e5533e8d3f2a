import { Reactor, connect, listen } from 'underloop';

const reactor = new Reactor();
const members = new Map();
let nextId = 1;
let lines = 0;
let longestQueue = 0;

function broadcast(from, text) {
  const line = Buffer.from(`<${from.context.name}> ${text}\n`);
  for (const member of members.values()) {
    if (member === from) continue;
    member.write(line);
    longestQueue = Math.max(longestQueue, member.queuedBytes);
  }
  lines++;
}

const room = listen(
  reactor,
  { host: '127.0.0.1', port: 0, writeQueueBytesMax: 1024 ** 3 },
  {
    open(connection) {
      connection.context = { id: nextId++, name: 'guest', rest: '' };
      members.set(connection.context.id, connection);
      connection.write('welcome\n');
    },
    data(connection, buffer, start, end) {
      const { context } = connection;
      context.rest += Buffer.from(buffer.subarray(start, end)).toString('latin1');
      let at = context.rest.indexOf('\n');
      while (at >= 0) {
        const line = context.rest.slice(0, at);
        context.rest = context.rest.slice(at + 1);
        if (line.startsWith('/nick ')) context.name = line.slice(6);
        else broadcast(connection, line);
        at = context.rest.indexOf('\n');
      }
    },
    close(connection) {
      members.delete(connection.context.id);
    },
  },
);

function join(name, handlers = {}) {
  const { port } = room.address;
  return connect(
    reactor,
    { port },
    {
      open(connection) {
        connection.write(`/nick ${name}\n`);
        handlers.open?.(connection);
      },
      data: handlers.data,
    },
  );
}

const heard = { ada: 0, grace: 0 };
const ada = join('ada', { data: (connection, buffer, start, end) => (heard.ada += end - start) });
const grace = join('grace', { data: (connection, buffer, start, end) => (heard.grace += end - start) });
const asleep = join('asleep', { open: (connection) => connection.pause() });

const story = 'once upon a time '.repeat(1500);
function talk() {
  if (!ada.closed && ada.queuedBytes === 0) ada.write(`${story}\n${story}\n`);
  if (!grace.closed && grace.queuedBytes === 0) grace.write(`${story}\n`);
  reactor.setTimer(4, talk);
}
reactor.setTimer(100, talk);

reactor.setTimer(2400, () => {
  const evidence = { lines, longestQueue, heard };
  console.log(JSON.stringify({ fault: longestQueue > 4_000_000, evidence }));
  for (const one of [ada, grace, asleep]) one.close();
  room.close();
  reactor.close();
});

await reactor.run();
