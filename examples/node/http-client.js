// Requests over the reactor, with an agent that keeps connections: node examples/node/http-client.js URL [COUNT]

import http from 'node:http';
import https from 'node:https';
import { text } from 'node:stream/consumers';
import { once } from 'node:events';
import { createHttpAgent, createHttpsAgent } from '../../dist/node/index.js'; // of yours: from 'underloop/node'

const url = new URL(process.argv[2] ?? 'http://127.0.0.1:8080/');
const count = Number(process.argv[3] ?? 1);
const isSecure = url.protocol === 'https:';
const agent = isSecure
  ? createHttpsAgent({ keepAlive: true, rejectUnauthorized: false }) // the example's certificate is nobody's
  : createHttpAgent({ keepAlive: true });

const ports = new Set();
for (let i = 0; i < count; i++) {
  const request = (isSecure ? https : http).get(url, { agent });
  const [response] = await once(request, 'response');
  ports.add(request.socket.localPort ?? request.socket._parent?.localPort);
  console.log(`${response.statusCode} ${(await text(response)).trim()}`);
}
console.log(`connections: ${ports.size}`);
agent.destroy();
