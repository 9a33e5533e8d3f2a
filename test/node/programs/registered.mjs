// A program that knows nothing of underloop: what of it is on the reactor under --import underloop/register?

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { createRequire } from 'node:module';
import net, { Server, Socket, connect, createConnection, createServer } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import tls from 'node:tls';
import { certificate } from '../../../examples/node/lib/certificate.js';

/** Sockets of underloop have a connection of the reactor's below them; those of the runtime have a handle. */
const kind = (socket) => (socket._handle === undefined ? 'reactor' : 'runtime');
const say = (what, value) => console.log(`${what}: ${value}`);
const listen = async (server, ...where) => {
  server.listen(...where);
  await once(server, 'listening');
  return server.address();
};

const commonjs = createRequire(import.meta.url)('net');
say('same functions in both module systems', commonjs.connect === connect && net.connect === connect);
say('createConnection is connect', createConnection === connect);

const echo = createServer((socket) => {
  say('accepted', kind(socket));
  socket.pipe(socket);
});
const { port } = await listen(echo, 0, '127.0.0.1');
const socket = connect(port, '127.0.0.1');
say('connected', kind(socket));
socket.end('hello');
say('echo', await text(socket));
const made = new Socket().connect(port, '127.0.0.1');
say('new Socket', kind(made));
made.end();
await text(made);
say('new Server', new Server().listening);
echo.close();

const web = http.createServer((request, response) => response.end(`${kind(request.socket)} ${request.url}`));
const address = await listen(web, 0, '127.0.0.1');
const [response] = await once(http.get({ ...address, host: address.address, path: '/x' }), 'response');
say('http client', kind(response.socket));
say('http server', await text(response));
say('fetch, which has sockets of its own', await (await fetch(`http://127.0.0.1:${address.port}/y`)).text());
http.globalAgent.destroy();
await new Promise((resolve) => web.close(resolve));

const secureWeb = https.createServer(certificate, (request, response) => response.end('secure'));
let below = '';
secureWeb.on('connection', (raw) => (below = kind(raw)));
const secureAddress = await listen(secureWeb, 0, '127.0.0.1');
const options = { port: secureAddress.port, host: '127.0.0.1', ca: certificate.cert, path: '/' };
const [secureResponse] = await once(https.get(options), 'response');
say('https', `${await text(secureResponse)}, on the ${below}`);
https.globalAgent.destroy();
await new Promise((resolve) => secureWeb.close(resolve));

const vault = tls.createServer(certificate, (secure) => secure.pipe(secure));
const vaultAddress = await listen(vault, 0, '127.0.0.1');
const overOurs = tls.connect({
  socket: connect(vaultAddress.port, '127.0.0.1'),
  ca: certificate.cert,
  servername: 'localhost',
});
overOurs.end('tls over a socket');
say('tls.connect({ socket })', await text(overOurs));
const own = tls.connect({ port: vaultAddress.port, host: '127.0.0.1', ca: certificate.cert });
own.end('tls of its own');
say('tls.connect()', await text(own));
vault.close();

const child = spawn(process.execPath, ['--eval', 'process.stdin.pipe(process.stdout)'], { stdio: 'pipe' });
child.stdin.end('through pipes');
say('child process', await text(child.stdout));

const folder = mkdtempSync(join(tmpdir(), 'underloop-register-'));
const path = join(folder, 'socket');
const [error] = await once(net.connect(path), 'error');
say('an IPC path stays with the runtime', error.code);
rmSync(folder, { recursive: true });
