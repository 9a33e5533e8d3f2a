// TLS over the reactor, both ends: tls.connect({ socket }) and new tls.TLSSocket(socket, { isServer: true }).

import tls from 'node:tls';
import { connect, createServer } from '../../dist/node/index.js'; // in a program of yours: from 'underloop/node'
import { certificate } from './lib/certificate.js';

const server = createServer((socket) => {
  const secure = new tls.TLSSocket(socket, { isServer: true, ...certificate });
  secure.on('data', (bytes) => secure.end(String(bytes).toUpperCase()));
});
server.listen(0, '127.0.0.1', () => {
  const socket = connect(server.address().port, '127.0.0.1');
  const secure = tls.connect({ socket, servername: 'localhost', ca: certificate.cert }, () => {
    console.log(`authorized: ${secure.authorized}, ${secure.getProtocol()}`);
    secure.write('hello');
  });
  secure.on('data', (bytes) => console.log(String(bytes)));
  secure.on('close', () => server.close());
});
