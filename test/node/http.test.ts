// node:http, node:https, node:tls and undici, unmodified, over the bridge: against curl, and against each other.

import { once } from 'node:events';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import * as https from 'node:https';
import * as nodeNet from 'node:net';
import { text } from 'node:stream/consumers';
import * as tls from 'node:tls';
import { Agent, fetch } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { certificate } from '../../examples/node/lib/certificate.js';
import {
  Socket,
  connect,
  createHttpAgent,
  createHttpServer,
  createHttpsAgent,
  createHttpsServer,
  createServer,
  serve,
  undiciConnect,
} from '../../src/node/index.js';
import { hasCurl, run, runNode, startNode } from './servers.js';

const open: http.Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function listening<S extends http.Server>(server: S): Promise<{ server: S; port: number }> {
  open.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as nodeNet.AddressInfo).port };
}

/** Answers with what came. */
const echo: http.RequestListener = (request, response) => void request.pipe(response);

async function ask(options: http.RequestOptions & https.RequestOptions, body?: Buffer | string) {
  const request = (options.protocol === 'https:' ? https : http).request({
    host: '127.0.0.1',
    method: 'POST',
    ...options,
  });
  request.end(body);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  return { response, body: await text(response), request };
}

const LARGE = Buffer.alloc(3_000_000, 'large body ');

describe('node:http', () => {
  it('serves requests and bodies of any size', async () => {
    const { server, port } = await listening(createHttpServer(echo));
    const sockets: unknown[] = [];
    server.on('connection', (socket) => sockets.push(socket));
    for (const body of ['', 'small', LARGE.toString()]) {
      const answer = await ask({ port, agent: false }, body);
      expect(answer.body).toBe(body);
    }
    expect(sockets.map((socket) => socket instanceof Socket)).toEqual([true, true, true]);
  });
  it('keeps connections, by the agent on the reactor', async () => {
    const { server, port } = await listening(createHttpServer(echo));
    let connections = 0;
    server.on('connection', () => connections++);
    const agent = createHttpAgent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<unknown>();
    for (let i = 0; i < 5; i++) {
      const { request, body } = await ask({ port, agent }, String(i));
      sockets.add(request.socket);
      expect(body).toBe(String(i));
    }
    expect([connections, sockets.size, [...sockets][0] instanceof Socket]).toEqual([1, 1, true]);
    agent.destroy();
  });
  it('answers pipelined requests in their order', async () => {
    const { port } = await listening(createHttpServer((request, response) => void response.end(request.url)));
    const socket = nodeNet.connect(port, '127.0.0.1');
    const requests = Array.from({ length: 50 }, (_, i) => `GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`).join('');
    socket.write(`${requests}GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    const answers = [...(await text(socket)).matchAll(/\r\n\r\n\/(\d+|last)/g)].map(([, name]) => name);
    expect(answers).toEqual([...Array.from({ length: 50 }, (_, i) => String(i)), 'last']);
  });
  it('answers a malformed request with 400', async () => {
    const { port } = await listening(createHttpServer(echo));
    const socket = nodeNet.connect(port, '127.0.0.1');
    socket.end('nonsense\r\n\r\n');
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 Bad Request/);
  });
  it('hands an upgraded socket over', async () => {
    const { server, port } = await listening(createHttpServer(echo));
    server.on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
      socket.pipe(socket);
    });
    const request = http.request({
      host: '127.0.0.1',
      port,
      agent: createHttpAgent(),
      headers: { upgrade: 'echo', connection: 'upgrade' },
    });
    request.end();
    const [, socket] = (await once(request, 'upgrade')) as [unknown, nodeNet.Socket];
    socket.end('through the tunnel');
    expect(await text(socket)).toBe('through the tunnel');
  });
  it('closes: idle connections end, and close is told', async () => {
    const { server, port } = await listening(createHttpServer(echo));
    const agent = createHttpAgent({ keepAlive: true });
    await ask({ port, agent }, 'x');
    const error = await new Promise((resolve) => server.close(resolve));
    expect([error, server.listening]).toEqual([undefined, false]);
    const refused = await ask({ port, agent: false }).catch((failure: NodeJS.ErrnoException) => failure.code);
    expect(refused).toBe('ECONNREFUSED');
    agent.destroy();
  });
  it('waits for requests that are served when it closes', async () => {
    let finish: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => (finish = resolve));
    const { server, port } = await listening(
      createHttpServer((_request, response) => {
        finish();
        setTimeout(() => response.end('late'), 30);
      }),
    );
    const answer = ask({ port, agent: false });
    await asked;
    const closed = once(server, 'close');
    server.close();
    expect((await answer).body).toBe('late');
    await closed;
  });
  it('ends a keep-alive connection after keepAliveTimeout', async () => {
    const { server, port } = await listening(createHttpServer(echo));
    server.keepAliveTimeout = 20;
    const socket = nodeNet.connect(port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 OK/);
  });
});

describe('node:tls and node:https', () => {
  const { cert: ca } = certificate;

  it('serve https, asked by the agent on the reactor', async () => {
    const { server, port } = await listening(createHttpsServer(certificate, echo));
    const sockets: unknown[] = [];
    server.on('connection', (socket) => sockets.push(socket));
    const agent = createHttpsAgent({ ca, keepAlive: true, maxSockets: 1 });
    for (const body of ['small', LARGE.toString(), 'again']) {
      const answer = await ask({ protocol: 'https:', port, agent }, body);
      expect(answer.body === body).toBe(true);
    }
    expect(sockets.map((socket) => socket instanceof Socket)).toEqual([true]);
    agent.destroy();
  });
  it('refuse a certificate that is not trusted', async () => {
    const { port } = await listening(createHttpsServer(certificate, echo));
    const failure = await ask({ protocol: 'https:', port, agent: createHttpsAgent() }).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  });
  it('work both ways over sockets of ours', async () => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const secure = new tls.TLSSocket(socket, { isServer: true, ...certificate });
      secure.pipe(secure);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect((server.address() as nodeNet.AddressInfo).port, '127.0.0.1');
    const secure = tls.connect({ socket, servername: 'localhost', ca });
    await once(secure, 'secureConnect');
    expect([secure.authorized, secure.encrypted]).toEqual([true, true]);
    secure.end(LARGE);
    expect((await text(secure)) === LARGE.toString()).toBe(true);
    server.close();
  });
  it('upgrade a connection that already talks', async () => {
    const server = createServer((socket) => {
      socket.once('data', () => {
        socket.write('go ahead');
        const secure = new tls.TLSSocket(socket, { isServer: true, ...certificate });
        secure.on('data', (bytes) => secure.end(`secret ${String(bytes)}`));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect((server.address() as nodeNet.AddressInfo).port, '127.0.0.1');
    socket.write('STARTTLS');
    await once(socket, 'data');
    const secure = tls.connect({ socket, servername: 'localhost', ca });
    secure.write('hello');
    expect(await text(secure)).toBe('secret hello');
    server.close();
  });
});

describe('node:http2', () => {
  it('is served, and asked, over sockets of ours', async () => {
    const server = serve(http2.createServer((request, response) => void response.end(`two ${request.url}`)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as nodeNet.AddressInfo;
    const raw = connect(port, '127.0.0.1');
    const session = http2.connect(`http://127.0.0.1:${port}`, { createConnection: () => raw });
    const answers = Array.from({ length: 20 }, (_, i) => text(session.request({ ':path': `/${i}` })));
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 20 }, (_, i) => `two /${i}`));
    session.close();
    await new Promise((resolve) => server.close(resolve));
  });
});

describe('undici', () => {
  it.each(['http', 'https'])('fetches by %s over the reactor', async (scheme) => {
    const isSecure = scheme === 'https';
    const { server, port } = await listening(
      isSecure ? createHttpsServer(certificate, echo) : createHttpServer(echo),
    );
    let connections = 0;
    server.on('connection', () => connections++);
    const dispatcher = new Agent({ connect: undiciConnect({ ca: certificate.cert }), connections: 2 });
    const url = `${scheme}://127.0.0.1:${port}/`;
    const bodies = await Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        const response = await fetch(url, { method: 'POST', body: `body ${i}`, dispatcher });
        return response.text();
      }),
    );
    expect(bodies).toEqual(Array.from({ length: 50 }, (_, i) => `body ${i}`));
    const large = await fetch(url, { method: 'POST', body: LARGE, dispatcher });
    expect((await large.text()) === LARGE.toString()).toBe(true);
    expect(connections).toBeLessThanOrEqual(2);
    await dispatcher.close();
  });
  it('tells of a refusal', async () => {
    const { server, port } = await listening(createHttpServer(echo));
    await new Promise((resolve) => server.close(resolve));
    const dispatcher = new Agent({ connect: undiciConnect() });
    const failure = (await fetch(`http://127.0.0.1:${port}/`, { dispatcher }).catch(
      (error: unknown) => error,
    )) as Error;
    expect(failure.cause).toMatchObject({ code: 'ECONNREFUSED' });
    await dispatcher.close();
  });
});

describe.skipIf(!hasCurl)(hasCurl ? 'curl' : 'curl (skipped: it is not installed)', () => {
  it('posts and gets back what it sent', async () => {
    const { port } = await listening(createHttpServer(echo));
    const args = ['-sS', '--max-time', '10', '--data-binary', '@-', `http://127.0.0.1:${port}/`];
    const outcome = await run('curl', args, { input: LARGE });
    expect([outcome.code, outcome.stderr, outcome.stdout === LARGE.toString()]).toEqual([0, '', true]);
  });
  it('asks the examples, which end by SIGTERM; their clients ask too', async () => {
    for (const scheme of ['http', 'https']) {
      const program = await startNode([`examples/node/${scheme}-server.js`]);
      const asked = await run('curl', ['-sSk', '--max-time', '10', `${program.url}path`]);
      expect(asked.stdout).toMatch(scheme === 'http' ? /^GET \/path\n$/ : /^GET \/path over TLSv1\.3\n$/);
      const client = await runNode(['examples/node/http-client.js', program.url, '3']);
      expect([client.code, client.stderr]).toEqual([0, '']);
      expect(client.stdout).toMatch(/^(200 GET \/.*\n){3}connections: 1\n$/);
      const fetched = await runNode(['examples/node/undici.js', program.url]);
      expect([fetched.code, fetched.stdout.slice(0, 9), fetched.stderr]).toEqual([0, '200 GET /', '']);
      expect(await program.stop()).toBe(0);
    }
  });
  it('runs the example of TLS', async () => {
    expect(await runNode(['examples/node/tls.js'])).toEqual({
      code: 0,
      stdout: 'authorized: true, TLSv1.3\nHELLO\n',
      stderr: '',
    });
  });
});
