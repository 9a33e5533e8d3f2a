import {
  appendFileSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { READABLE, Reactor, descriptors } from 'underloop';

const directory = mkdtempSync(join(tmpdir(), 'tail-'));
const file = join(directory, 'app.log');
writeFileSync(file, '');

const reactor = new Reactor();
const log = openSync(file, 'r');
const news = descriptors.inotify(file, 0x2);
const events = new Uint8Array(8192);
const bytes = Buffer.alloc(16_384);
let seen = 0;
let wakes = 0;

function onNews(readiness, watch) {
  wakes++;
  while (descriptors.read(news, events) !== null);
  readMore(watch);
}

function readMore(watch) {
  let budget = 8;
  for (let count; (count = readSync(log, bytes, 0, bytes.length, null)) > 0;) {
    for (let i = 0; i < count; i++) if (bytes[i] === 10) seen++;
    if (--budget === 0) {
      reactor.post(() => watch.closed || readMore(watch));
      break;
    }
  }
}

const watch = reactor.watch(news, READABLE, onNews, { trigger: 'edge' });

let written = 0;
let bursts = 0;
function write() {
  bursts++;
  const lines = bursts % 20 === 0 ? 6000 : 12;
  appendFileSync(file, `${'INFO request served in 12 ms\n'.repeat(lines)}`);
  written += lines;
  if (bursts < 160) reactor.setTimer(10, write);
  else reactor.setTimer(250, finish);
}
function finish() {
  watch.close();
  descriptors.close(news);
  closeSync(log);
}
write();
await reactor.run();
rmSync(directory, { recursive: true });

const runDelayMs = Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6;
console.log(JSON.stringify({ fault: seen !== written, evidence: { seen, written, wakes, runDelayMs } }));
