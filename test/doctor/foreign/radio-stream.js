import { connect } from 'node:net';
import { once } from 'node:events';
import { createServer } from 'underloop/node';

const listeners = new Set();
const station = createServer((socket) => {
  socket.write('ICY 200 OK\r\n\r\n');
  listeners.add(socket);
  socket.on('error', () => {});
  socket.on('close', () => listeners.delete(socket));
});
station.listen(0, '127.0.0.1');
await once(station, 'listening');

const frame = Buffer.alloc(160 * 1024, 0xff);
let frames = 0;
const backlogs = [];
const playing = setInterval(() => {
  frames++;
  for (const socket of listeners) socket.write(frame);
  backlogs.push(Math.max(0, ...[...listeners].map((socket) => socket.writableLength)));
}, 10);

const { port } = station.address();
let heard = 0;
const fan = connect(port, '127.0.0.1').on('data', (bytes) => (heard += bytes.length));
const sleeper = connect(port, '127.0.0.1').on('data', () => sleeper.pause());
for (const socket of [fan, sleeper]) socket.on('error', () => {});

await new Promise((resolve) => setTimeout(resolve, 2000));
clearInterval(playing);
const megabytes = Math.round(backlogs.at(-1) / 1e6);
const isGrowing = backlogs.at(-1) > 1.5 * backlogs[Math.floor(backlogs.length / 2)];
for (const socket of [fan, sleeper, ...listeners]) socket.destroy();
station.close();
console.log(
  JSON.stringify({
    fault: megabytes >= 8 && isGrowing,
    evidence: { megabytes, frames, heardMegabytes: Math.round(heard / 1e6) },
  }),
);
