// An http server on the reactor: node examples/node/http-server.js [PORT], then curl http://127.0.0.1:PORT/

import { createHttpServer } from '../../dist/node/index.js'; // in a program of yours: from 'underloop/node'

const server = createHttpServer((request, response) => {
  response.end(`${request.method} ${request.url}\n`);
});
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/`);
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close());
