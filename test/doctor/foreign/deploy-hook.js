import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { once } from 'node:events';
import { createHttpServer } from 'underloop/node';

const SECRET = 'swordfish';
const runDelayMs = () => Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[1]) / 1e6;
const worst = { wallMs: 0, delayMs: 0 };
let deploys = 0;

function deploy(branch) {
  const startedMs = performance.now();
  const before = runDelayMs();
  const out = execFileSync('sh', ['-c', 'sleep 0.35; echo "deployed $0"', branch], { encoding: 'utf8' });
  const wallMs = performance.now() - startedMs;
  if (wallMs > worst.wallMs) Object.assign(worst, { wallMs, delayMs: runDelayMs() - before });
  deploys++;
  return out;
}

const server = createHttpServer((request, response) => {
  if (request.method === 'GET') {
    response.end('up\n');
    return;
  }
  let body = '';
  request.setEncoding('utf8');
  request.on('data', (text) => (body += text));
  request.on('end', () => {
    const signature = createHmac('sha256', SECRET).update(body).digest('hex');
    if (request.headers['x-signature'] !== signature) {
      response.writeHead(403).end();
      return;
    }
    response.end(deploy(JSON.parse(body).ref));
  });
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address();

function push(ref) {
  const body = JSON.stringify({ ref });
  const headers = { 'x-signature': createHmac('sha256', SECRET).update(body).digest('hex') };
  return new Promise((resolve, reject) => {
    const request = http.request({ port, host: '127.0.0.1', method: 'POST', headers }, (response) => {
      response.resume().on('end', resolve);
    });
    request.on('error', reject);
    request.end(body);
  });
}

let probes = 0;
const probing = setInterval(() => {
  http.get({ port, host: '127.0.0.1' }, (response) => response.resume().on('end', () => probes++));
}, 50);

await new Promise((resolve) => setTimeout(resolve, 300));
await push('main');
await new Promise((resolve) => setTimeout(resolve, 200));
await push('release');
clearInterval(probing);
server.close();
server.closeAllConnections();
const rounded = { wallMs: Math.round(worst.wallMs), delayMs: Math.round(worst.delayMs) };
console.log(JSON.stringify({ fault: worst.wallMs >= 300, evidence: { worst: rounded, deploys, probes } }));
