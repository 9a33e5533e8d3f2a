// An http or https server that answers "hello": http-hello.js node|bridge http|https. Prints "PORT n"; answers each line
// on stdin with its CPU time so far, in microseconds; ends when its stdin does.

import { createServer as createHttp } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { serve } from '../../dist/node/index.js';
import { certificate } from '../../examples/node/lib/certificate.js';

const [kind, scheme] = process.argv.slice(2);
const hello = (_request, response) => {
  response.setHeader('content-type', 'text/plain');
  response.end('hello');
};
const plain = scheme === 'https' ? createHttps(certificate, hello) : createHttp(hello);
const server = kind === 'bridge' ? serve(plain) : plain;
server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  console.log(`PORT ${server.address().port}`);
});
process.stdin
  .on('data', () => {
    const { user, system } = process.cpuUsage();
    console.log(String(user + system));
  })
  .on('end', () => process.exit(0));
