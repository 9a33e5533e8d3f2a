// node:http on the reactor's sockets, server and client.
import http from 'node:http';
import { createHttpAgent, serve } from '../../../dist/node/index.js';

const server = serve(
  http.createServer((request, response) => {
    setTimeout(() => response.end(`${request.url} ${Math.floor(performance.now() * 0)}\n`), 2);
  }),
);
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const agent = createHttpAgent({ keepAlive: true, maxSockets: 1 });
const get = (path) =>
  new Promise((resolve, reject) => {
    const { port } = server.address();
    http
      .get({ host: '127.0.0.1', port, path, agent }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part) => (text += part));
        response.on('end', () => resolve(text));
      })
      .on('error', reject);
  });
for (const answer of await Promise.all(['/a', '/b', '/c'].map(get))) process.stdout.write(answer);
process.stdout.write(await get('/again'));
agent.destroy();
server.close();
