// Asks for one input after another that no recording covers, each with a fresh watch, and prints what the watch has told of it.
import * as childProcess from 'node:child_process';
import * as crypto from 'node:crypto';
import * as dns from 'node:dns';
import * as fs from 'node:fs';
import { performance as clock } from 'node:perf_hooks';
import { scheduler } from 'node:timers/promises';
import * as v8 from 'node:v8';
import * as vm from 'node:vm';
import * as threads from 'node:worker_threads';
import * as zlib from 'node:zlib';
import { Uncovered } from '../../../dist/replay/uncovered.js';

const here = new URL(import.meta.url);
const wasm = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
const { privateKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
const closed = (channel) => channel.port1.close();

const cases = {
  createReadStream: () => fs.createReadStream(here).destroy(),
  opendirSync: () => fs.opendirSync('.').closeSync(),
  writeFile: () => fs.promises.writeFile('/dev/null', ''),
  mkdir: () => new Promise((resolve) => fs.mkdir('/dev/null', () => resolve())),
  resolveMx: () => new Promise((resolve) => dns.resolveMx('', () => resolve())).catch(() => undefined),
  Resolver: () => new dns.promises.Resolver().cancel(),
  MessageChannel: () => closed(new MessageChannel()),
  'worker_threads.MessageChannel': () => closed(new threads.MessageChannel()),
  BroadcastChannel: () => new BroadcastChannel('a').close(),
  'scheduler.wait': () => scheduler.wait(1),
  'crypto.getRandomValues': () => crypto.getRandomValues(new Uint8Array(1)),
  'webcrypto.getRandomValues': () => globalThis.crypto.getRandomValues(new Uint8Array(1)),
  generateKeySync: () => crypto.generateKeySync('hmac', { length: 64 }),
  createECDH: () => crypto.createECDH('prime256v1'),
  sign: () => crypto.sign('sha256', wasm, privateKey),
  'subtle.digest': () => globalThis.crypto.subtle.digest('SHA-256', wasm),
  deflateRaw: () => new Promise((resolve) => zlib.deflateRaw(wasm, resolve)),
  'new Gunzip': () => new zlib.Gunzip().destroy(),
  CompressionStream: () => void new CompressionStream('gzip'),
  'WebAssembly.compile': () => WebAssembly.compile(wasm),
  runInNewContext: () => vm.runInNewContext('Math.random()'),
  'Script.runInNewContext': () => new vm.Script('Date.now()').runInNewContext(),
  'hrtime.bigint': () => process.hrtime.bigint(),
  'memoryUsage.rss': () => process.memoryUsage.rss(),
  'performance.mark': () => clock.mark('a'),
  getHeapStatistics: () => v8.getHeapStatistics(),
  // What is on the tape, or is no input.
  ReadableStream: () => new ReadableStream({ start: (given) => given.close() }).getReader().read(),
  Response: () => new Response('a').text(),
  randomUUID: () => crypto.randomUUID(),
  'performance.now': () => clock.now(),
  setTimeout: () => new Promise((resolve) => setTimeout(resolve, 1)),
  gzipSync: () => zlib.gzipSync(wasm),
  createHash: () => crypto.createHash('sha256').update(wasm).digest('hex'),
  writeFileSync: () => fs.writeFileSync('/dev/null', ''),
  require: () => process.getBuiltinModule?.('node:tls'),
  ChildProcess: () => childProcess.ChildProcess.name,
};

for (const [name, run] of Object.entries(cases)) {
  const told = [];
  new Uncovered(
    (kind) => told.push(kind),
    () => false,
  ).start();
  await run();
  console.log(`${name}: ${told.join(', ')}`);
}
