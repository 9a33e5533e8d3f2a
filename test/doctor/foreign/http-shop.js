import { readFileSync } from 'node:fs';
import { pbkdf2 } from 'node:crypto';
import http from 'node:http';
import { once } from 'node:events';
import { json, text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { createHttpAgent, createHttpServer } from 'underloop/node';

const derive = promisify(pbkdf2);
const carts = new Map();
const catalogue = Array.from({ length: 500 }, (_, i) => ({
  id: i,
  name: `article ${i}`,
  price: (i * 37) % 100,
}));

async function route(request, response) {
  const { pathname } = new URL(request.url, 'http://shop');
  if (pathname === '/catalogue') {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(catalogue));
  } else if (pathname === '/login') {
    const { password } = await json(request);
    const key = await derive(password, 'salt', 20_000, 32, 'sha256');
    response.end(key.toString('hex'));
  } else if (request.method === 'POST') {
    const items = await json(request);
    carts.set(pathname, (carts.get(pathname) ?? 0) + items.length);
    response.end(String(carts.get(pathname)));
  } else response.writeHead(404).end();
}

const server = createHttpServer((request, response) => {
  route(request, response).catch((error) => response.writeHead(500).end(error.message));
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const agent = createHttpAgent({ keepAlive: true, maxSockets: 8 });
const { port } = server.address();

async function call(method, path, body) {
  const request = http.request({ agent, port, host: '127.0.0.1', method, path });
  request.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = await once(request, 'response');
  return { status: response.statusCode, body: await text(response) };
}

let right = 0;
let calls = 0;
async function customer(name) {
  for (let i = 0; i < 25; i++) {
    const { status, body } = await call('GET', '/catalogue');
    if (status === 200 && JSON.parse(body).length === 500) right++;
    const cart = await call('POST', `/cart/${name}`, [1, 2, 3]);
    if (cart.body === String(3 * (i + 1))) right++;
    if (i % 5 === 0 && (await call('POST', '/login', { password: name })).body.length === 64) right++;
    if ((await call('GET', '/nothing')).status === 404) right++;
    calls += i % 5 === 0 ? 4 : 3;
  }
}
await Promise.all(Array.from({ length: 12 }, (_, i) => customer(`c${i}`)));
agent.destroy();
server.close();

const runDelayMs = Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6;
console.log(JSON.stringify({ fault: right !== calls, evidence: { right, calls, runDelayMs } }));
