// An HTTP server on node:http that knows nothing of underloop, one request to it, and its end.

import http from 'node:http';

const server = http.createServer((_request, response) => response.end('served'));
server.listen(0, '127.0.0.1', () => {
  http.get({ host: '127.0.0.1', port: server.address().port, agent: false }, (response) => {
    response.setEncoding('utf8').on('data', (text) => console.log(`answer: ${text}`));
    response.on('end', () => server.close());
  });
});
