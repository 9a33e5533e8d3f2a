// A server of node:http on the reactor that closes many idle connections at once, and then some that are not idle.
import http from 'node:http';
import net, { serve } from '../../../dist/node/index.js';

const COUNT = 12;
const server = serve(http.createServer((request, response) => request.url === '/' && response.end('x')));
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

/** So many connections, each of which has asked for `url`. Those that are answered. */
async function open(url) {
  const { port } = server.address();
  const sockets = [];
  for (let i = 0; i < COUNT; i++) {
    const socket = net.connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.on('close', () => console.log('closed', url, i)).on('error', () => undefined);
    socket.write(`GET ${url} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await new Promise((resolve) => (url === '/' ? socket.once('data', resolve) : setTimeout(resolve, 1)));
  }
  return sockets;
}
const idle = await open('/');
// What came later may stand earlier in memory.
for (const i of [5, 1, 8]) idle[i].destroy();
await open('/');
await open('/slow');
server.closeIdleConnections();
await new Promise((resolve) => setTimeout(resolve, 20));
server.closeAllConnections();
server.close();
