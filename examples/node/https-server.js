// An https server on the reactor: node examples/node/https-server.js [PORT], then curl -k https://127.0.0.1:PORT/

import { createHttpsServer } from '../../dist/node/index.js'; // in a program of yours: from 'underloop/node'
import { certificate } from './lib/certificate.js';

const server = createHttpsServer(certificate, (request, response) => {
  response.end(`${request.method} ${request.url} over ${request.socket.getProtocol()}\n`);
});
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  console.log(`https://127.0.0.1:${server.address().port}/`);
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close());
