// A program that knows nothing of underloop: node --import underloop/register examples/node/unchanged.js

import http from 'node:http';
import net from 'node:net';

const server = http.createServer((request, response) => response.end(`you asked for ${request.url}\n`));
server.listen(0, '127.0.0.1', () => {
  const socket = net.connect(server.address().port, '127.0.0.1');
  socket.end('GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  let answer = '';
  socket.on('data', (bytes) => (answer += bytes));
  socket.on('close', () => {
    console.log(answer.split('\r\n\r\n')[1].trim());
    server.close();
  });
});
