// A cluster of one worker that answers one request, and then ends.

import cluster from 'node:cluster';
import { once } from 'node:events';
import http from 'node:http';

if (cluster.isPrimary) {
  const worker = cluster.fork();
  const [address] = await once(worker, 'listening');
  const response = await fetch(`http://127.0.0.1:${address.port}/`);
  console.log(await response.text());
  worker.kill();
} else {
  http
    .createServer((request, response) => {
      response.end(`from a worker, with a handle: ${Boolean(request.socket._handle)}`);
    })
    .listen(0, '127.0.0.1');
}
