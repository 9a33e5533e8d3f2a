// What beside.js fetches from: node:http, answering two bytes. Prints "PORT n", ends when its stdin does.

import { createServer } from 'node:http';

const server = createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1', () => {
  console.log(`PORT ${server.address().port}`);
});
process.stdin.on('end', () => process.exit(0)).resume();
