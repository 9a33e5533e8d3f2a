import { EventEmitter } from 'node:events';
import { connect as dial } from 'node:net';
import { createServer } from 'underloop/node';

class Camera extends EventEmitter {
  #timer = null;
  frames = 0;

  start(everyMs, frameBytes) {
    const frame = Buffer.alloc(frameBytes, 0x7f);
    this.#timer = setInterval(() => {
      this.frames++;
      this.emit('frame', frame);
    }, everyMs);
  }
  stop() {
    clearInterval(this.#timer);
  }
}

const camera = new Camera();
const viewers = new Set();
let buffered = 0;
let growing = 0;

const server = createServer((socket) => {
  viewers.add(socket);
  socket.write('HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\n\r\n');
  const send = (frame) => {
    socket.write(`--frame\r\nContent-Length: ${frame.length}\r\n\r\n`);
    socket.write(frame);
  };
  camera.on('frame', send);
  socket.on('close', () => {
    camera.off('frame', send);
    viewers.delete(socket);
  });
  socket.on('error', () => {});
});

server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const fast = dial(port, '127.0.0.1');
  fast.resume();
  const phone = dial(port, '127.0.0.1');
  phone.once('data', () => phone.pause());
  for (const client of [fast, phone]) client.on('error', () => {});

  camera.start(5, 120_000);
  const measuring = setInterval(() => {
    const now = Math.max(0, ...[...viewers].map((socket) => socket.writableLength));
    if (now > buffered) growing++;
    buffered = Math.max(buffered, now);
  }, 50);

  setTimeout(() => {
    camera.stop();
    clearInterval(measuring);
    const evidence = { frames: camera.frames, buffered, growing };
    console.log(JSON.stringify({ fault: buffered > 4_000_000 && growing >= 6, evidence }));
    fast.destroy();
    phone.destroy();
    for (const socket of viewers) socket.destroy();
    server.close();
  }, 2200);
});
