// The mistake unbounded-write-queue: more is written than the peer takes, and what waits grows as long as it goes on.

/** What is written at a time, how often, and the bytes of backlog from which on the clean twin writes no more. */
function drawRate(draw) {
  const bytes = draw.pick([65_536, 100_000, 150_000, 250_000]);
  const everyMs = draw.int(3, 6);
  return { bytes, everyMs, backlogMax: draw.pick([131_072, 262_144, 524_288]) };
}

/** The proof: how much waits, looked at 50 ms apart; `length` is the text of the number. */
function addProof(program, length, leastBytes = 4_000_000) {
  program.add(`let largest = 0;
let growing = 0;
function measure() {
const now = ${length};
if (now > largest) growing++;
largest = Math.max(largest, now);
reactor.setTimer(50, measure);
}
measure();`);
  program.proves(`largest >= ${leastBytes} && growing >= 6`, 'largest, growing, written');
}

/** The text of a producer's body: under which condition, and what. Written nothing yet before its moment has come. */
function addProducer(program, moment, { rate, length, write, ready = 'true', name }) {
  const { clean, draw } = program;
  const test = moment.repeated ? `writes % 2 === 0 || ${moment.test('writes')}` : moment.test('writes');
  program.add(`let writes = 0;\nlet written = 0;`);
  program.every(
    rate.everyMs,
    name ?? draw.pick(['publish', 'produce', 'sendSnapshot', 'pushFrame']),
    `writes++;
if (!(${ready})) return;
if (!(${test})) return;
${clean ? `if (${length} > ${rate.backlogMax}) return;` : ''}
${write}
written += block.length;`,
  );
  program.add(`const block = Buffer.alloc(${rate.bytes}, 70);`);
}

function placeOf(isUnix) {
  return isUnix ? `{ path: '\\0stream-' + process.pid` : '{ port: 0';
}

const connectTo = (isUnix, listener) =>
  isUnix ? `{ path: ${listener}.address.path }` : `{ port: ${listener}.address.port }`;

/** A server that pushes to a client which has stopped reading. */
function pushed(program, moment) {
  const { draw } = program;
  program.use('underloop', 'connect', 'listen');
  const isUnix = draw.chance(0.4);
  const rate = drawRate(draw);
  const trigger = program.poller === 'epoll' ? draw.pick(['level', 'edge']) : 'level';
  const max = draw.pick(['2 ** 31 - 1', '1024 ** 3', '512 * 1024 * 1024']);
  program.add(`let subscriber = null;
const server = listen(reactor, ${placeOf(isUnix)}, writeQueueBytesMax: ${max}, trigger: '${trigger}' }, {
open(connection) {
subscriber = connection;
},
close() {
subscriber = null;
},
});
const reader = connect(reactor, ${connectTo(isUnix, 'server')}, {
data(connection) {
connection.pause();
},
});`);
  const length = '(subscriber?.queuedBytes ?? 0)';
  addProducer(program, moment, {
    rate,
    length,
    write: 'subscriber.write(block);',
    ready: 'subscriber !== null',
  });
  addProof(program, length);
  program.atEnd('reader.close();\nserver.close();');
  program.namelessHandler();
  return isUnix ? 'unix' : 'tcp';
}

/** One half of a pair, or the writing end of a pipe, whose other end reads slowly. */
function slowPair(program, moment) {
  const { draw } = program;
  const isPipe = draw.chance(0.5);
  program.use('underloop', isPipe ? 'pipe' : 'socketPair');
  const rate = drawRate(draw);
  const options = `{ writeQueueBytesMax: ${draw.pick(['2 ** 30', '2 ** 31 - 1'])} }`;
  const slow = `{
data(connection) {
connection.pause();
reactor.setTimer(${draw.int(40, 120)}, () => {
if (!connection.closed) connection.resume();
});
},
}`;
  program.add(
    isPipe
      ? `const { reader, writer } = pipe(reactor, ${slow}, {}, ${options});`
      : `const [reader, writer] = socketPair(reactor, ${slow}, {}, ${options});`,
  );
  addProducer(program, moment, { rate, length: 'writer.queuedBytes', write: 'writer.write(block);' });
  addProof(program, 'writer.queuedBytes');
  program.atEnd('writer.close();\nreader.close();');
  program.namelessHandler();
  return isPipe ? 'pipe' : 'socketpair';
}

/** Promises of write() that nobody awaits. */
function notAwaited(program, moment) {
  const { draw } = program;
  program.use('underloop/async', 'listen as listenAsync', 'connect as connectAsync');
  const isUnix = draw.chance(0.4);
  const rate = drawRate(draw);
  program.add(`let feed = null;
const server = listenAsync(reactor, ${placeOf(isUnix)} });
async function acceptOne() {
feed = await server.accept();
}
void acceptOne();
const reader = connectAsync(reactor, ${connectTo(isUnix, 'server')}).catch(() => null);`);
  const length = '(feed?.queuedBytes ?? 0)';
  addProducer(program, moment, {
    rate,
    length,
    ready: 'feed !== null',
    write: 'feed.write(block).catch(() => null);',
  });
  addProof(program, length);
  program.atEnd('feed?.close();\nserver.close();\nvoid reader.then((connection) => connection?.close());');
  program.namelessHandler();
  return isUnix ? 'unix' : 'tcp';
}

/** A socket of the bridge, whose write() says false and is not listened to. */
function falseIgnored(program, moment) {
  const { draw } = program;
  program.use('underloop/node', 'createNet');
  const rate = drawRate(draw);
  program.add(`const net = createNet(reactor);
let peer = null;
const server = net.createServer((socket) => {
peer = socket;
socket.on('error', () => null);
});
const reader = new net.Socket();
server.listen(0, '127.0.0.1', () => {
reader.connect(server.address().port, '127.0.0.1', () => reader.pause());
});
reader.on('error', () => null);`);
  const length = '(peer?.writableLength ?? 0)';
  addProducer(program, moment, { rate, length, ready: 'peer !== null', write: 'peer.write(block);' });
  addProof(program, length);
  program.atEnd('reader.destroy();\npeer?.destroy();\nserver.close();');
  program.namelessHandler();
  return 'tcp';
}

/** An answer that is many times larger than its question, to a client that asks and does not read. */
function amplified(program, moment) {
  const { draw, clean } = program;
  program.use('underloop', 'connect', 'listen');
  const isUnix = draw.chance(0.4);
  const bytes = draw.pick([65_536, 120_000, 200_000]);
  const max = draw.pick(['2 ** 31 - 1', '1024 ** 3']);
  program.add(
    `let asked = 0;\nlet written = 0;\nlet one = null;\nconst answer = Buffer.alloc(${bytes}, 71);`,
  );
  const test = moment.kind === 'now-and-then' ? 'true' : moment.test('asked');
  const name = draw.pick(['onQuestion', 'answerAll', 'onLookup']);
  const handler = program.handler(
    name,
    'connection, buffer, start, end',
    `asked++;
one = connection;
if (!(${test})) return;
${clean ? 'if (connection.queuedBytes > 200_000) return;' : ''}
connection.write(answer);
written += answer.length;`,
    { expected: false },
  );
  program.add(`const server = listen(reactor, ${placeOf(isUnix)}, writeQueueBytesMax: ${max} }, { data: ${handler.ref} });
const client = connect(reactor, ${connectTo(isUnix, 'server')}, {});
client.pause();`);
  program.every(draw.int(4, 8), 'ask', "if (!client.connecting) client.write('?');");
  addProof(program, '(one?.queuedBytes ?? 0)', 3_000_000);
  program.atEnd('client.close();\nserver.close();');
  program.namelessHandler();
  return isUnix ? 'unix' : 'tcp';
}

/** Datagrams to a receiver that is not reading. */
function unreadDatagrams(program, moment) {
  const { draw } = program;
  program.use('underloop', 'datagram');
  const bytes = draw.pick([8000, 20_000, 32_000]);
  const rate = { bytes, everyMs: 1, backlogMax: 200_000 };
  const connected = draw.chance(0.5);
  const several = Math.ceil(80_000 / bytes);
  const waiting = `sender.queuedDatagrams * ${bytes}`;
  program.add(`const receiver = datagram(reactor, { path: '\\0sensor-' + process.pid }, {});
receiver.pause();
const place = { path: receiver.address.path };
const sender = datagram(reactor, { ${connected ? 'to: place, ' : "path: '', "}sendQueueBytesMax: 2 ** 30 }, {});
let queued = 0;
function sendAll() {
for (let i = 0; i < ${several}; i++) if (sender.send(block${connected ? '' : ', place'})) queued += block.length;
}`);
  addProducer(program, moment, { rate: { ...rate, everyMs: 4 }, length: waiting, write: 'sendAll();' });
  addProof(program, waiting, 3_000_000);
  program.atEnd('sender.close();\nreceiver.close();');
  program.namelessHandler();
  return 'unix';
}

/** http over the bridge: a response that is written without regard to whoever reads it. */
function slowDownload(program, moment) {
  const { draw } = program;
  program.use('underloop/node', 'createNet');
  program.use('node:http', 'createServer', 'get');
  const rate = drawRate(draw);
  program.add(`const net = createNet(reactor);
let response = null;
const web = createServer((request, answer) => {
response = answer;
answer.on('error', () => null);
answer.writeHead(200);
});
const front = net.createServer((socket) => web.emit('connection', socket));
let download = null;
front.listen(0, '127.0.0.1', () => {
download = get({ port: front.address().port, host: '127.0.0.1', agent: false }, (answer) => answer.pause());
download.on('error', () => null);
});`);
  const length = '(response?.writableLength ?? 0)';
  addProducer(program, moment, { rate, length, ready: 'response?.socket', write: 'response.write(block);' });
  addProof(program, length);
  program.atEnd('download?.destroy();\nresponse?.destroy();\nfront.close();');
  program.namelessHandler();
  return 'tcp';
}

export const unboundedWriteQueue = {
  pollers: ['epoll', 'poll', 'select'],
  templates: [pushed, slowPair, notAwaited, falseIgnored, amplified, unreadDatagrams, slowDownload],
};
