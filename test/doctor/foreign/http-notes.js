import { once } from 'node:events';
import http from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { createHttpAgent, createHttpServer } from 'underloop/node';

const notes = new Map();
let nextId = 1;

const routes = {
  GET(id) {
    if (id === '') return [200, JSON.stringify([...notes.keys()])];
    return notes.has(Number(id)) ? [200, notes.get(Number(id))] : [404, 'no such note'];
  },
  POST(id, body) {
    notes.set(nextId, body);
    return [201, String(nextId++)];
  },
  DELETE(id) {
    return notes.delete(Number(id)) ? [200, 'gone'] : [404, 'no such note'];
  },
};

const server = createHttpServer(async (request, response) => {
  const body = await text(request);
  const route = routes[request.method];
  const [status, answer] = route === undefined ? [405, 'no'] : route(request.url.slice(1), body);
  response.writeHead(status, { 'content-type': 'text/plain' });
  response.end(answer);
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');

const agent = createHttpAgent({ keepAlive: true, maxSockets: 4 });
const { port } = server.address();

async function call(method, path, body = '') {
  const request = http.request({ host: '127.0.0.1', port, method, path, agent });
  request.end(body);
  const [response] = await once(request, 'response');
  return { status: response.statusCode, answer: await text(response) };
}

const statuses = new Map();
function count({ status }) {
  statuses.set(status, (statuses.get(status) ?? 0) + 1);
}

async function author(name) {
  for (let i = 0; i < 25; i++) {
    const made = await call('POST', '/', `${name} writes note ${i} `.repeat(40));
    count(made);
    count(await call('GET', `/${made.answer}`));
    if (i % 3 === 0) count(await call('DELETE', `/${made.answer}`));
    await pause(45);
  }
}

await Promise.all(['ada', 'grace', 'joan'].map(author));
count(await call('GET', '/none'));
agent.destroy();
server.close();
const evidence = { statuses: Object.fromEntries(statuses), notes: notes.size };
console.log(JSON.stringify({ fault: statuses.get(201) !== 75, evidence }));
